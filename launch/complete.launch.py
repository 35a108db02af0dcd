"""Start completion_node with the topics of a camera and a LiDAR that is projected into it."""

from __future__ import annotations

from launch import LaunchContext, LaunchDescription
from launch.actions import DeclareLaunchArgument, OpaqueFunction
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution
from launch_ros.actions import LifecycleNode
from launch_ros.substitutions import FindPackageShare

PACKAGE = "starrygazer_ros"
# Launch arguments that override the parameters file only when they are given.
OVERRIDES = ("model", "backend")


def generate_launch_description() -> LaunchDescription:
    """Describe the launch arguments and the node."""
    default_parameters = PathJoinSubstitution(
        [FindPackageShare(PACKAGE), "config", "complete.yaml"]
    )
    return LaunchDescription(
        [
            DeclareLaunchArgument(
                "image_topic",
                default_value="/camera/image_rect",
                description="Rectified camera image (sensor_msgs/Image).",
            ),
            DeclareLaunchArgument(
                "camera_info_topic",
                default_value="/camera/camera_info",
                description="Calibration of the camera (sensor_msgs/CameraInfo).",
            ),
            DeclareLaunchArgument(
                "sparse_depth_topic",
                default_value="/lidar/sparse_depth",
                description="LiDAR depth in the image's pixels (sensor_msgs/Image, 32FC1, 16UC1).",
            ),
            DeclareLaunchArgument(
                "params_file",
                default_value=default_parameters,
                description="YAML file with the node's parameters.",
            ),
            DeclareLaunchArgument(
                "model",
                default_value="",
                description="Name or folder of a model bundle; empty = as in params_file.",
            ),
            DeclareLaunchArgument(
                "backend",
                default_value="",
                description="Inference back end; empty = as in params_file.",
            ),
            DeclareLaunchArgument(
                "autostart",
                default_value="",
                choices=["", "true", "false"],
                description="Configure and activate at start; empty = as in params_file.",
            ),
            DeclareLaunchArgument(
                "namespace",
                default_value="",
                description="Namespace of the node and of its outputs depth/....",
            ),
            DeclareLaunchArgument(
                "use_sim_time",
                default_value="false",
                choices=["true", "false"],
                description="Take the time from /clock.",
            ),
            DeclareLaunchArgument(
                "log_level", default_value="info", description="Level of the node's log."
            ),
            OpaqueFunction(function=_completion_node),
        ]
    )


def _completion_node(context: LaunchContext) -> list[LifecycleNode]:
    """The node, with those parameter overrides that were given."""

    def value(argument: str) -> str:
        return LaunchConfiguration(argument).perform(context)

    overrides: dict[str, str | bool] = {name: value(name) for name in OVERRIDES if value(name)}
    overrides["use_sim_time"] = value("use_sim_time") == "true"
    if value("autostart"):
        overrides["autostart"] = value("autostart") == "true"  # as a string it would be refused
    # The node configures and activates itself unless its parameter autostart is false.
    return [
        LifecycleNode(
            package=PACKAGE,
            executable="completion_node",
            name="completion_node",
            namespace=LaunchConfiguration("namespace"),
            parameters=[LaunchConfiguration("params_file"), overrides],
            remappings=[
                ("image", LaunchConfiguration("image_topic")),
                ("camera_info", LaunchConfiguration("camera_info_topic")),
                ("sparse_depth", LaunchConfiguration("sparse_depth_topic")),
            ],
            arguments=["--ros-args", "--log-level", LaunchConfiguration("log_level")],
            output="screen",
            emulate_tty=True,
        )
    ]
