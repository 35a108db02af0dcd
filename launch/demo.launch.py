"""Play the demo: a photograph with measured depth as camera and LiDAR, its dense depth in RViz."""

from __future__ import annotations

from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, IncludeLaunchDescription
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue
from launch_ros.substitutions import FindPackageShare

PACKAGE = "starrygazer_ros"
FRAME = "camera_optical_frame"
TOPICS = {
    "image": "/camera/image_rect",
    "camera_info": "/camera/camera_info",
    "sparse_depth": "/lidar/sparse_depth",
}


def generate_launch_description() -> LaunchDescription:
    """Describe the launch arguments, the camera and what completes its depth."""
    complete = PathJoinSubstitution([FindPackageShare(PACKAGE), "launch", "complete.launch.py"])
    passed_on = {name: LaunchConfiguration(name) for name in ("rviz", "model", "backend")}
    rate = ParameterValue(LaunchConfiguration("rate"), value_type=float)
    return LaunchDescription(
        [
            DeclareLaunchArgument(
                "rate",
                default_value="2.0",
                description="Windows of the photograph a second; the node takes the newest.",
            ),
            DeclareLaunchArgument(
                "rviz",
                default_value="true",
                choices=["true", "false"],
                description="Show image, dense depth, confidence and point cloud in RViz.",
            ),
            DeclareLaunchArgument(
                "model",
                default_value="",
                description="Name or folder of a model bundle; empty = default.",
            ),
            DeclareLaunchArgument(
                "backend", default_value="", description="Inference back end; empty = auto."
            ),
            IncludeLaunchDescription(
                PythonLaunchDescriptionSource(complete),
                launch_arguments={
                    **{f"{name}_topic": topic for name, topic in TOPICS.items()},
                    **passed_on,
                    "rviz_frame": FRAME,
                }.items(),
            ),
            Node(
                package=PACKAGE,
                executable="demo_camera",
                parameters=[{"rate": rate}],
                remappings=list(TOPICS.items()),
                output="screen",
            ),
        ]
    )
