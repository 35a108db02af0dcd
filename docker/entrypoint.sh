#!/usr/bin/env bash
# Runs a command with ROS 2 and this package sourced; colcon puts starrygazer beside the nodes.
set -e
source "/opt/ros/${ROS_DISTRO}/setup.bash"
source /ws/install/setup.bash
export PATH="/ws/install/starrygazer_ros/lib/starrygazer_ros:${PATH}"
exec "$@"
