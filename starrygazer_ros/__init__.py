"""Dense metric depth from a camera image and sparse depth: ROS 2 node, library and command."""

__version__ = "0.1.0"
