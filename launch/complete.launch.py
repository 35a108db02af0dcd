"""Start completion_node, and projection_node where that is asked for."""

from __future__ import annotations

import difflib
from pathlib import Path

from launch import LaunchContext, LaunchDescription, LaunchDescriptionEntity
from launch.actions import DeclareLaunchArgument, ExecuteProcess, OpaqueFunction
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution
from launch_ros.actions import LifecycleNode, Node
from launch_ros.substitutions import FindPackageShare

PACKAGE = "starrygazer_ros"
BOOLEAN = ["true", "false"]
CONFIG = PathJoinSubstitution([FindPackageShare(PACKAGE), "config"])
ARGUMENTS = [
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
        "points_topic",
        default_value="",
        description="LiDAR points (sensor_msgs/PointCloud2), of which the sparse depth is made; "
        "empty = it comes from elsewhere, on sparse_depth_topic.",
    ),
    DeclareLaunchArgument(
        "projection",
        default_value="inside",
        choices=["inside", "node"],
        description="Who projects points_topic: completion_node itself, so that no image travels "
        "between processes, or projection_node, which publishes sparse_depth_topic.",
    ),
    DeclareLaunchArgument(
        "params_file",
        default_value=PathJoinSubstitution([CONFIG, "complete.yaml"]),
        description="YAML file with the nodes' parameters.",
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
        choices=["", *BOOLEAN],
        description="Configure and activate at start; empty = as in params_file.",
    ),
    DeclareLaunchArgument(
        "namespace",
        default_value="",
        description="Namespace of the nodes and of their outputs depth/....",
    ),
    DeclareLaunchArgument(
        "use_sim_time",
        default_value="",
        choices=["", *BOOLEAN],
        description="Take the time from /clock; empty = only while a bag is played.",
    ),
    DeclareLaunchArgument(
        "bag",
        default_value="",
        description="Folder or file of a rosbag2 to play, with its clock; empty = none.",
    ),
    DeclareLaunchArgument(
        "rviz",
        default_value="false",
        choices=BOOLEAN,
        description="Show image, dense depth, confidence and point cloud in RViz.",
    ),
    DeclareLaunchArgument(
        "rviz_frame",
        default_value="camera_optical_frame",
        description="Frame that RViz shows everything in: the frame_id of the camera's images, "
        "or one that TF connects with it.",
    ),
    DeclareLaunchArgument(
        "log_level",
        default_value="info",
        choices=["debug", "info", "warn", "error", "fatal"],
        description="Level of the nodes' logs.",
    ),
]
# Arguments that override the parameters file only when they are given.
OVERRIDES = ("model", "backend")


def generate_launch_description() -> LaunchDescription:
    """Describe the launch arguments and what they start."""
    return LaunchDescription([*ARGUMENTS, OpaqueFunction(function=_start)])


def _start(context: LaunchContext) -> list[LaunchDescriptionEntity]:
    """The nodes, and the bag and RViz where they are asked for.

    Raises:
        RuntimeError: an argument is misspelt or names a file that does not exist.
    """
    given = {a.name: LaunchConfiguration(a.name).perform(context) for a in ARGUMENTS}
    _check(given, context.argv)
    playing = "true" if given["bag"] else "false"
    sim_time = {"use_sim_time": (given["use_sim_time"] or playing) == "true"}
    started: list[LaunchDescriptionEntity] = [_completion_node(given, sim_time)]
    if given["points_topic"] and given["projection"] == "node":
        started.append(_projection_node(given, sim_time))
    if given["bag"]:
        started.append(
            ExecuteProcess(cmd=["ros2", "bag", "play", given["bag"], "--clock"], output="screen")
        )
    if given["rviz"] == "true":
        started.append(_rviz(given, sim_time))
    return started


def _check(given: dict[str, str], argv: list[str]) -> None:
    """Launch itself passes over names that nobody declared, and the mistake shows much later."""
    for name in (entry.split(":=")[0] for entry in argv if ":=" in entry):
        close = difflib.get_close_matches(name, given, n=1, cutoff=0.85)
        if name not in given and close:
            raise RuntimeError(f"there is no launch argument {name}: did you mean {close[0]}?")
    for name in ("params_file", "bag"):
        if given[name] and not Path(given[name]).exists():
            raise RuntimeError(f"{name} {given[name]} does not exist")


def _completion_node(given: dict[str, str], sim_time: dict[str, bool]) -> LifecycleNode:
    overrides: dict[str, str | bool] = {name: given[name] for name in OVERRIDES if given[name]}
    inputs = {topic: given[f"{topic}_topic"] for topic in ("image", "camera_info", "sparse_depth")}
    inputs["sparse_depth/camera_info"] = f"{inputs['sparse_depth']}/camera_info"
    if given["points_topic"] and given["projection"] == "inside":
        overrides["input.sparse_depth_transport"] = "points"
        inputs["points"] = given["points_topic"]
    elif given["points_topic"]:  # projection_node publishes images, whatever the file says
        overrides["input.sparse_depth_transport"] = "raw"
    return _node("completion_node", given, {**sim_time, **overrides}, inputs)


def _projection_node(given: dict[str, str], sim_time: dict[str, bool]) -> LifecycleNode:
    topics = {name: given[f"{name}_topic"] for name in ("points", "camera_info", "sparse_depth")}
    return _node("projection_node", given, {**sim_time}, topics)


def _node(
    executable: str,
    given: dict[str, str],
    parameters: dict[str, str | bool],
    remappings: dict[str, str],
) -> LifecycleNode:
    """One of the package's nodes; it configures and activates itself unless autostart is false."""
    if given["autostart"]:
        parameters["autostart"] = given["autostart"] == "true"  # as a string it would be refused
    return LifecycleNode(
        package=PACKAGE,
        executable=executable,
        name=executable,
        namespace=given["namespace"],
        parameters=[given["params_file"], parameters],
        remappings=list(remappings.items()),
        arguments=["--ros-args", "--log-level", given["log_level"]],
        output="screen",
        emulate_tty=True,
    )


def _rviz(given: dict[str, str], sim_time: dict[str, bool]) -> Node:
    """RViz with the topics of complete.rviz remapped to those that are given."""
    namespace = given["namespace"].strip("/")
    outputs = ("points", "dense", "confidence") if namespace else ()
    return Node(
        package="rviz2",
        executable="rviz2",
        name="rviz2",
        arguments=[
            *("-d", PathJoinSubstitution([CONFIG, "complete.rviz"])),
            *("-f", given["rviz_frame"]),
        ],
        parameters=[sim_time],
        remappings=[
            ("/camera/image_rect", given["image_topic"]),
            *((f"/depth/{name}", f"/{namespace}/depth/{name}") for name in outputs),
        ],
        output="screen",
    )
