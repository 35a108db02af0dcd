"""The real projection node over DDS: a cloud in, sparse depth out, wrong clouds counted."""

from __future__ import annotations

import re
import subprocess
import sys
import threading
import time
from contextlib import ExitStack, suppress

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="rclpy is needed: see requirements/")

import rclpy
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from lifecycle_msgs.msg import Transition
from rcl_interfaces.msg import Parameter as ParameterMessage
from rcl_interfaces.srv import SetParametersAtomically
from rclpy.context import Context
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.node import Node
from rclpy.parameter import Parameter
from sensor_msgs.msg import CameraInfo, Image, PointCloud2, PointField

from integration.harness import (
    REPOSITORY,
    RETRY_AFTER,
    NodeProcess,
    Services,
    next_domain,
    wait_for,
)
from rays import INTRINSICS, scan
from starrygazer_ros.completion.cameras import Camera
from starrygazer_ros.completion.projection import project
from starrygazer_ros.messages import sparse_depth_from_message

pytestmark = pytest.mark.integration
COMMAND = (sys.executable, "-m", "starrygazer_ros.nodes.projection_node")
NODE = "projection_node"
ORIGIN = (0.3, -0.1, -0.2)
SCAN = scan(ORIGIN, lines=16)
PARAMETERS = {
    "extrinsics.source": "parameter",
    "extrinsics.translation": list(ORIGIN),
}


class Rig:
    """Publishes clouds and calibration, records sparse depth and diagnostics."""

    def __init__(self, domain):
        self._context = Context()
        rclpy.init(context=self._context, domain_id=domain)
        self.node = Node("rig", context=self._context)
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self.node)
        self._points = self.node.create_publisher(PointCloud2, "points", 5)
        self._camera_info = self.node.create_publisher(CameraInfo, "camera_info", 5)
        self.depths, self.reports = [], []
        self.node.create_subscription(Image, "sparse_depth", self.depths.append, 10)
        self.node.create_subscription(DiagnosticArray, "/diagnostics", self.reports.append, 10)
        self.services = Services(self.node, f"/{NODE}")
        self._stamp = 1_700_000_000 * 10**9
        self._thread = threading.Thread(target=self._spin)
        self._thread.start()

    def _spin(self):
        with suppress(ExternalShutdownException):
            self._executor.spin()

    def destroy(self):
        self._executor.shutdown()
        self._thread.join()
        self.node.destroy_node()
        rclpy.shutdown(context=self._context)

    def send_calibration(self):
        info = CameraInfo(
            width=INTRINSICS.width, height=INTRINSICS.height, distortion_model="plumb_bob"
        )
        info.header.frame_id = "camera_optical_frame"
        fx, fy, cx, cy = INTRINSICS.fx, INTRINSICS.fy, INTRINSICS.cx, INTRINSICS.cy
        info.k = [fx, 0.0, cx, 0.0, fy, cy, 0.0, 0.0, 1.0]
        info.p = [fx, 0.0, cx, 0.0, 0.0, fy, cy, 0.0, 0.0, 0.0, 1.0, 0.0]
        self._camera_info.publish(info)

    def send(self, message):
        """Publish a cloud under a new stamp; it in nanoseconds."""
        self._stamp += 10**8
        message.header.stamp.sec, message.header.stamp.nanosec = divmod(self._stamp, 10**9)
        message.header.frame_id = "lidar"
        self._points.publish(message)
        return self._stamp

    def project(self, message):
        """Sparse depth of a cloud, which is sent until there is one."""

        def projected():
            self.send_calibration()
            stamp = self.send(message)
            deadline = time.monotonic() + RETRY_AFTER
            while time.monotonic() < deadline:
                for depth in self.depths:
                    if depth.header.stamp.sec * 10**9 + depth.header.stamp.nanosec == stamp:
                        return depth
                time.sleep(0.01)
            return None

        return wait_for(projected, "sparse depth")

    def diagnostics(self):
        """A status that arrives from now on, and its values by key."""
        wanted = len(self.reports) + 2
        wait_for(lambda: len(self.reports) >= wanted, "diagnostics")
        status = self.reports[-1].status[0]
        return status, {value.key: value.value for value in status.values}


def cloud(points=SCAN.points):
    """Points with a gap before and behind, as LiDAR drivers send them."""
    wide = np.zeros((len(points), 8), np.float32)
    wide[:, 1:4] = points
    message = PointCloud2(
        height=1,
        width=len(points),
        point_step=32,
        row_step=32 * len(points),
        fields=[
            PointField(name=name, offset=4 + 4 * i, datatype=PointField.FLOAT32, count=1)
            for i, name in enumerate("xyz")
        ],
    )
    message.data.frombytes(wide.tobytes())
    return message


def without_z():
    message = cloud()
    message.fields = message.fields[:2]
    return message


def cut():
    message = cloud()
    del message.data[-40:]
    return message


def without_size():
    message = cloud()
    message.point_step = 0
    return message


BAD_CLOUDS = {
    "point_fields": without_z,
    "truncated_data": cut,
    "point_step": without_size,
    "no_points_in_image": lambda: cloud(-SCAN.points),
}


@pytest.fixture(scope="module")
def start(tmp_path_factory):
    with ExitStack() as stack:

        def start_node(parameters):
            domain = next_domain()
            rig = Rig(domain)
            stack.callback(rig.destroy)
            process = NodeProcess(tmp_path_factory.mktemp("node"), domain, parameters, COMMAND)
            stack.callback(process.stop)
            return process, rig

        yield start_node


@pytest.fixture(scope="module")
def running(start):
    process, rig = start(PARAMETERS)
    rig.project(cloud())
    return process, rig


def test_a_cloud_becomes_the_sparse_depth_of_the_camera(running):
    _, rig = running
    message = rig.project(cloud())
    assert message.header.frame_id == "camera_optical_frame"
    assert (message.width, message.height, message.encoding) == (1242, 375, "32FC1")
    expected = project(SCAN.points, Camera(INTRINSICS), SCAN.frame_from_lidar)
    np.testing.assert_allclose(sparse_depth_from_message(message), expected.depth, rtol=1e-6)
    assert expected.hidden > 0
    status, values = rig.diagnostics()
    assert int(values["sparse points"]) == expected.pixels
    assert int(values["occluded points"]) == expected.hidden
    assert status.name == f"{NODE}: LiDAR projection"


@pytest.mark.parametrize("cause", BAD_CLOUDS)
def test_a_wrong_cloud_is_counted_and_told_and_the_next_is_projected(running, cause):
    process, rig = running
    before = int(rig.diagnostics()[1].get(f"dropped {cause}", 0))

    def counted():
        rig.send(BAD_CLOUDS[cause]())
        return int(rig.diagnostics()[1].get(f"dropped {cause}", 0)) > before

    wait_for(counted, f"a counter for {cause}")
    process.wait_for_log(f"{cause}: ")
    rig.project(cloud())


def test_parameters_change_between_clouds_and_wrong_ones_are_refused(running):
    _, rig = running

    def change(**values):
        request = SetParametersAtomically.Request(
            parameters=[
                Parameter(name.replace("__", "."), value=value).to_parameter_msg()
                for name, value in values.items()
            ]
        )
        assert isinstance(request.parameters[0], ParameterMessage)
        return rig.services.call(
            SetParametersAtomically, "set_parameters_atomically", request
        ).result

    assert change(range__max=10.0).successful
    depth = sparse_depth_from_message(rig.project(cloud()))
    assert 0 < depth.max() < 10.1
    assert "0 or more than range.min" in change(range__min=20.0).reason
    assert "of length 1" in change(extrinsics__rotation=[1, 1, 1, 1]).reason
    assert change(extrinsics__translation=[0.3, -0.1, 4.8]).successful
    moved = sparse_depth_from_message(rig.project(cloud()))
    assert moved.max() > depth.max() + 4
    assert change(range__max=0.0, extrinsics__translation=list(ORIGIN)).successful


def test_survives_the_lifecycle_and_keeps_its_counters_while_configured(running):
    _, rig = running

    projected = int(rig.diagnostics()[1]["projected"])
    assert rig.services.change_state(Transition.TRANSITION_DEACTIVATE)
    assert "not active" in rig.diagnostics()[0].message
    assert rig.services.change_state(Transition.TRANSITION_ACTIVATE)
    rig.project(cloud())
    assert int(rig.diagnostics()[1]["projected"]) > projected
    assert rig.services.change_state(Transition.TRANSITION_DEACTIVATE)
    assert rig.services.change_state(Transition.TRANSITION_CLEANUP)
    assert rig.services.change_state(Transition.TRANSITION_CONFIGURE)
    assert rig.services.change_state(Transition.TRANSITION_ACTIVATE)
    rig.project(cloud())
    assert int(rig.diagnostics()[1]["projected"]) <= projected


def test_the_documented_topics_are_those_of_the_node(running, repository):
    _, rig = running
    text = (repository / "README.md").read_text(encoding="utf-8")
    section = text.split("## Projection of point clouds\n")[1].split("\n## ")[0]
    found = re.findall(r"^\| (in|out) \| `([^`]+)`.*?\| (\w+)/(\w+) \|", section, re.MULTILINE)
    documented = {(way, "/" + name.lstrip("/"), kind) for way, name, _, kind in found}

    def topics():
        kinds = (
            ("in", rig.node.get_subscriber_names_and_types_by_node(NODE, "/")),
            ("out", rig.node.get_publisher_names_and_types_by_node(NODE, "/")),
        )
        return {
            (way, name, kind[0].split("/")[-1])
            for way, names in kinds
            for name, kind in names
            if name not in ("/rosout", "/parameter_events", f"/{NODE}/transition_event")
        }

    assert len(documented) == 4
    wait_for(lambda: topics() == documented, f"topics {documented}")


def test_every_cloud_is_accounted_for(running):
    _, rig = running
    for _ in range(20):
        rig.send(cloud())

    def settled():
        _, values = rig.diagnostics()
        return values if int(values["in work"]) == 0 else None

    values = wait_for(settled, "the end of the work")
    dropped = sum(int(n) for key, n in values.items() if key.startswith("dropped "))
    assert int(values["received points"]) == int(values["projected"]) + dropped


def test_without_calibration_the_silent_topic_is_named(start):
    process, rig = start(PARAMETERS)

    def told():
        rig.send(cloud())
        time.sleep(0.1)  # several in each period of the diagnostics
        statuses = [report.status[0] for report in rig.reports[-2:]]
        return any(
            s.level == DiagnosticStatus.ERROR and "/camera_info" in s.message for s in statuses
        )

    wait_for(told, "an error that names the silent topic")
    assert int(rig.diagnostics()[1]["dropped no_camera_info"]) > 0
    process.wait_for_log("no_camera_info: ")
    assert process.stop() == 0


def test_without_tf2_the_node_stays_and_says_what_to_do(start):
    with suppress(ImportError):
        import tf2_ros  # noqa: F401

        pytest.skip("tf2_ros is installed")
    process, rig = start({"extrinsics.source": "tf"})
    process.wait_for_log("set extrinsics.source to parameter")
    status, _ = rig.diagnostics()
    assert status.level == DiagnosticStatus.ERROR
    assert "no_tf2_ros" in status.message
    assert process.stop() == 0


def test_the_command_line_wins_over_the_installed_parameters_file():
    file = REPOSITORY / "config" / "complete.yaml"
    result = subprocess.run(
        [*COMMAND, "--ros-args", "--params-file", str(file), "-p", "range.min:=-1.0"],
        capture_output=True,
        text=True,
        cwd=REPOSITORY,
        timeout=60,
    )
    assert result.returncode == 1
    assert "refused to start" in result.stderr
    assert "range.min" in result.stderr
    assert "Traceback" not in result.stderr
