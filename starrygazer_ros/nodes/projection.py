"""Projection node: point clouds in, sparse depth in the camera's pixels out."""

from __future__ import annotations

import time
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from typing import Any

from rclpy.publisher import Publisher
from sensor_msgs.msg import CameraInfo, Image, PointCloud2
from std_msgs.msg import Header

from starrygazer_ros import projection_diagnostics
from starrygazer_ros.cloud_projector import CloudProjector
from starrygazer_ros.depth_encodings import METRES
from starrygazer_ros.diagnostics import Input, Verdict
from starrygazer_ros.nodes.managed import ManagedNode
from starrygazer_ros.nodes.watched_input import WatchedInput
from starrygazer_ros.output_messages import depth_to_message
from starrygazer_ros.projection_parameters import ProjectionParameters
from starrygazer_ros.qos import input_profile, output_profile, subscription_mismatch
from starrygazer_ros.statistics import Statistics
from starrygazer_ros.tf_transforms import make_transforms
from starrygazer_ros.worker import NewestWorker


@dataclass(frozen=True)
class Cloud:
    """A cloud and when it arrived (``time.perf_counter``)."""

    message: PointCloud2
    arrival: float


@dataclass(frozen=True)
class Configured:
    """What ``configure`` makes and ``free`` frees: projector, publisher, counters.

    ``made`` destroys what the node owns: publisher and subscriptions.
    """

    projector: CloudProjector
    publisher: Publisher
    made: ExitStack
    statistics: Statistics = field(default_factory=Statistics)


@dataclass(frozen=True)
class Activation:
    """What ``activate`` makes and ``deactivate`` frees: the worker's thread, inputs by topic."""

    worker: NewestWorker[Cloud]
    inputs: dict[str, WatchedInput] = field(default_factory=dict)


class ProjectionNode(ManagedNode):
    """Projection as a lifecycle node; topics and parameters are in README.md.

    Args:
        options: those of ``rclpy.node.Node``.
    """

    values: ProjectionParameters

    def __init__(self, **options: Any) -> None:
        self._configured: Configured | None = None
        self._activation: Activation | None = None
        super().__init__("projection_node", "LiDAR projection", ProjectionParameters, **options)
        self._camera_infos = 0
        self._previous_report = self._report()

    # Lifecycle

    def configure(self, prepared: None) -> None:
        """Create the publisher, listen to transforms."""
        publisher = self.create_lifecycle_publisher(
            Image, "sparse_depth", output_profile(self.values)
        )
        with ExitStack() as made:
            made.callback(self.destroy_lifecycle_publisher, publisher)
            transforms = make_transforms(self, self.values)
            made.callback(transforms.destroy)
            made = made.pop_all()
        self._configured = Configured(CloudProjector(self.values, transforms), publisher, made)
        self._camera_infos = 0

    def activate(self) -> None:
        """Start the worker, subscribe."""
        assert self._configured is not None
        statistics = self._configured.statistics
        worker = NewestWorker(self._project, statistics.count_replaced, "projector")
        self._activation = Activation(worker)
        self._configured.projector.start()
        worker.start()
        self._previous_report = self._report()
        qos = input_profile(self.values)
        for message_type, topic, callback in (
            (CameraInfo, "camera_info", self._on_camera_info),
            (PointCloud2, "points", self._on_points),
        ):
            guarded = self.guarded(callback, statistics.count_warning)
            self._activation.inputs[topic] = WatchedInput(self, message_type, topic, guarded, qos)
        points, camera_info = map(self.resolve_topic_name, ("points", "camera_info"))
        self.get_logger().info(f"active: projects {points} by {camera_info}")

    def deactivate(self) -> None:
        """Stop the inputs first, then the worker."""
        configured, activation = self._configured, self._activation
        if configured is None or activation is None:
            return
        self._activation = None
        for watched in activation.inputs.values():
            watched.destroy()
        configured.projector.stop()
        configured.statistics.count_discarded(activation.worker.stop())

    def free(self) -> None:
        """Destroy the publisher, stop listening to transforms."""
        if self._configured is not None:
            self._configured.made.close()
            self._configured = None

    def apply(self) -> None:
        """Project so from the next cloud on."""
        if self._configured is not None:
            self._configured.projector.change(self.values)

    # Inputs, in the executor's thread: store and return

    def _on_camera_info(self, message: CameraInfo) -> None:
        if self._configured is not None:
            self._camera_infos += 1
            self._configured.projector.store(message)

    def _on_points(self, message: PointCloud2) -> None:
        if self._configured is not None and self._activation is not None:
            self._configured.statistics.count_matched()
            self._configured.projector.receive(message)
            self._activation.worker.put(Cloud(message, time.perf_counter()))

    # In the worker's thread

    def _project(self, cloud: Cloud) -> None:
        """Project and publish a cloud, or count and log why not; never raises."""
        assert self._configured is not None
        statistics, publisher = self._configured.statistics, self._configured.publisher
        try:
            if publisher.get_subscription_count() == 0:
                statistics.count_unwanted()
                return
            started = time.perf_counter()
            projected = self._configured.projector.project(cloud.message)
            made = time.perf_counter()
            depth = projected.projection.depth
            header = Header(stamp=cloud.message.header.stamp, frame_id=projected.frame_id)
            publisher.publish(depth_to_message(depth, header, METRES))
        except Exception as error:  # whatever one cloud does, the node goes on with the next
            statistics.count_failed(self._faults.log(error))
            return
        published = time.perf_counter()
        for doubt in projected.doubts:
            statistics.count_warning(self._faults.log(doubt))
        pixels = projected.projection.pixels
        statistics.count_completed(
            pixels,
            {
                "waiting": started - cloud.arrival,
                "projection": made - started,
                "publish": published - made,
                "node": published - cloud.arrival,
            },
            projected.projection.hidden,
            pixels / depth.size,
        )

    # Diagnostics

    def diagnose(self) -> tuple[Verdict, Iterable[tuple[str, str]]]:
        """What became of the clouds of the last period."""
        report, previous = self._report(), self._previous_report
        self._previous_report = report
        verdict = projection_diagnostics.assess(report, previous, self.values)
        return verdict, projection_diagnostics.values(report, previous)

    def _report(self) -> projection_diagnostics.ProjectionReport:
        report = projection_diagnostics.ProjectionReport(
            points=self._input("points"),
            camera_info=replace(self._input("camera_info"), received=self._camera_infos),
            time=time.monotonic(),
            extrinsics=self.values.extrinsics_source,
        )
        configured = self._configured
        if configured is None:
            return report
        return replace(
            report,
            time_jumps=configured.projector.time_jumps,
            output_mismatch=subscription_mismatch(self, [configured.publisher]),
            counts=configured.statistics.snapshot(),
        )

    def _input(self, name: str) -> Input:
        if self._activation is None or name not in self._activation.inputs:
            return Input(self.resolve_topic_name(name))
        return self._activation.inputs[name].report()
