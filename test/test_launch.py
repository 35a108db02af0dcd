"""The launch file, where ROS's launch is installed; PyPI does not have it."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys

import pytest

pytest.importorskip("launch.actions", reason="launch is not on PyPI: needs a ROS installation")
pytest.importorskip("launch_pytest", reason="launch_pytest is not installed")
pytest.importorskip("launch_ros", reason="launch_ros is not installed")

import launch
import launch_pytest
from ament_index_python.packages import PackageNotFoundError, get_package_share_directory
from launch.actions import (
    DeclareLaunchArgument,
    IncludeLaunchDescription,
    RegisterEventHandler,
)
from launch.event_handlers import OnProcessExit
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch_pytest.actions import ReadyToTest

TOPICS = {
    "image_topic": "/front/image",
    "camera_info_topic": "/front/info",
    "sparse_depth_topic": "/top/depth",
}
EXIT_CODES = {}


def load_launch_file(repository, name):
    path = repository / "launch" / f"{name}.launch.py"
    spec = importlib.util.spec_from_file_location(f"{name}_launch", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module.generate_launch_description()


def test_describes_every_argument(repository):
    description = load_launch_file(repository, "complete")
    arguments = [e for e in description.entities if isinstance(e, DeclareLaunchArgument)]
    assert {argument.name for argument in arguments} == {
        *TOPICS,
        "points_topic",
        "projection",
        "bag",
        "rviz",
        "rviz_frame",
        "params_file",
        "model",
        "backend",
        "autostart",
        "namespace",
        "use_sim_time",
        "log_level",
    }
    assert all(len(argument.description) > 10 for argument in arguments)


def test_the_demo_passes_on_only_what_the_other_launch_file_knows(repository):
    demo = load_launch_file(repository, "demo")
    (include,) = (e for e in demo.entities if isinstance(e, IncludeLaunchDescription))
    complete = load_launch_file(repository, "complete").entities
    known = {e.name for e in complete if isinstance(e, DeclareLaunchArgument)}
    assert {name for name, _ in include.launch_arguments} <= known


@pytest.fixture
def built():
    try:
        get_package_share_directory("starrygazer_ros")
    except PackageNotFoundError:
        pytest.skip("starrygazer_ros is not built: run colcon build and source install/setup.bash")


def describe(repository, namespace, **arguments):
    """The launch file in a namespace; EXIT_CODES of that name are those of its processes."""
    source = PythonLaunchDescriptionSource(str(repository / "launch" / "complete.launch.py"))
    given = {**TOPICS, "namespace": namespace, **arguments}
    codes = EXIT_CODES[namespace] = []
    return launch.LaunchDescription(
        [
            IncludeLaunchDescription(source, launch_arguments=given.items()),
            RegisterEventHandler(
                OnProcessExit(on_exit=lambda event, context: codes.append(event.returncode))
            ),
            ReadyToTest(),
        ]
    )


@launch_pytest.fixture
def description(built, repository, tiny_bundle):
    return describe(repository, "robot", model=str(tiny_bundle))


@launch_pytest.fixture
def waiting_description(built, repository, tiny_bundle):
    return describe(repository, "waiting", model=str(tiny_bundle), autostart="false")


@launch_pytest.fixture
def lidar_description(built, repository, tiny_bundle):
    # By TF, which needs tf2_ros.
    return describe(repository, "lidar", model=str(tiny_bundle), points_topic="/top/points")


@launch_pytest.fixture
def projecting_description(built, repository, tiny_bundle):
    given = {"points_topic": "/top/points", "projection": "node"}
    return describe(repository, "projecting", model=str(tiny_bundle), **given)


@launch_pytest.fixture
def demo_description(built, repository, tiny_bundle):
    source = PythonLaunchDescriptionSource(str(repository / "launch" / "demo.launch.py"))
    given = {"rviz": "false", "model": str(tiny_bundle)}
    include = IncludeLaunchDescription(source, launch_arguments=given.items())
    return launch.LaunchDescription([include, ReadyToTest()])


@pytest.fixture
def observer():
    import rclpy
    from rclpy.context import Context
    from rclpy.node import Node

    context = Context()
    rclpy.init(context=context)
    node = Node("observer", context=context)
    yield node
    node.destroy_node()
    rclpy.shutdown(context=context)


@pytest.mark.integration
@pytest.mark.launch(fixture=description)
def test_starts_an_active_node_with_the_topics_it_was_given(observer):
    from integration.harness import wait_for

    for topic in TOPICS.values():
        wait_for(lambda topic=topic: observer.count_subscribers(topic), f"subscriber of {topic}")
    wait_for(lambda: observer.count_publishers("/robot/depth/dense"), "publisher of the depth")


@pytest.mark.integration
@pytest.mark.launch(fixture=waiting_description)
def test_starts_a_node_that_waits_to_be_configured(observer):
    from lifecycle_msgs.srv import ChangeState

    from integration.harness import wait_for

    client = observer.create_client(ChangeState, "/waiting/completion_node/change_state")
    wait_for(client.service_is_ready, "the node's lifecycle service")
    assert not observer.count_publishers("/waiting/depth/dense")


@pytest.mark.integration
@pytest.mark.launch(fixture=lidar_description)
def test_the_completion_node_projects_a_points_topic_itself(observer):
    from integration.harness import wait_for

    wait_for(lambda: observer.count_subscribers("/top/points"), "subscriber of the points")
    wait_for(lambda: observer.count_publishers("/lidar/depth/dense"), "publisher of the depth")
    assert not observer.count_subscribers(TOPICS["sparse_depth_topic"])
    assert "projection_node" not in observer.get_node_names()


@pytest.mark.integration
@pytest.mark.launch(fixture=projecting_description)
def test_a_projection_node_publishes_the_sparse_depth_where_it_is_asked_for(observer):
    from integration.harness import wait_for

    wait_for(lambda: observer.count_subscribers("/top/points"), "subscriber of the points")
    wait_for(
        lambda: observer.count_publishers(TOPICS["sparse_depth_topic"]), "projected sparse depth"
    )
    wait_for(lambda: observer.count_publishers("/projecting/depth/dense"), "publisher of the depth")


@pytest.mark.integration
@pytest.mark.launch(fixture=demo_description)
def test_the_demo_plays_a_photograph(observer):
    pytest.importorskip("skimage", reason="the photograph is in scikit-image")
    from integration.harness import wait_for

    wait_for(lambda: observer.count_publishers("/camera/image_rect"), "the demo's camera")
    wait_for(lambda: observer.count_publishers("/depth/dense"), "publisher of the depth")


@pytest.mark.integration
@pytest.mark.launch(fixture=description)
def test_shuts_down_clean(observer):
    from integration.harness import wait_for

    wait_for(lambda: observer.count_publishers("/robot/depth/dense"), "publisher of the depth")
    yield
    assert EXIT_CODES["robot"] == [0]


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("image_topics:=/a", "there is no launch argument image_topics: did you mean image_topic?"),
        ("params_file:=absent.yaml", "params_file absent.yaml does not exist"),
        ("bag:=absent", "bag absent does not exist"),
        ("rviz:=maybe", "rviz"),
        ("projection:=outside", "projection"),
        ("log_level:=loud", "log_level"),
    ],
)
def test_a_wrong_argument_fails_with_its_name(built, repository, argument, message):
    if not shutil.which("ros2"):
        pytest.skip("ros2cli is not installed")
    path = repository / "launch" / "complete.launch.py"
    process = subprocess.run(
        ["ros2", "launch", str(path), argument],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert process.returncode != 0
    assert message in process.stdout + process.stderr
