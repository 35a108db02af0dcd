"""A real photograph as camera and LiDAR, to see the nodes work without a robot."""
