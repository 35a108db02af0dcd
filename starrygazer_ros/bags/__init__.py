"""Completion of recorded bags, without ROS; needs the package rosbags."""
