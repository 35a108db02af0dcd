"""Dense metric depth from a camera image and sparse depth: a ROS 2 node, a library and a command."""

__version__ = "0.1.0"
