"""Completion node: camera image and sparse depth in, dense depth and point cloud out."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from typing import Any

from rclpy.clock import Clock, ClockType
from sensor_msgs.msg import CameraInfo, CompressedImage, Image, PointCloud2

from starrygazer_ros import completion_diagnostics
from starrygazer_ros.cloud_projector import CloudProjector
from starrygazer_ros.completion import DepthCompleter, SharedEngines
from starrygazer_ros.completion.errors import HungError, ReloadingError
from starrygazer_ros.completion_parameters import POINTS, CompletionParameters
from starrygazer_ros.compressed import RAW, image_from_compressed, sparse_depth_from_compressed
from starrygazer_ros.diagnostics import Input, Verdict
from starrygazer_ros.matching import IMAGE, SPARSE_DEPTH
from starrygazer_ros.messages import image_from_message, sparse_depth_from_message
from starrygazer_ros.nodes import watchdog
from starrygazer_ros.nodes.faults import one_line
from starrygazer_ros.nodes.managed import ManagedNode
from starrygazer_ros.nodes.outputs import Outputs
from starrygazer_ros.nodes.pair_completer import Pair, PairCompleter
from starrygazer_ros.nodes.watchdog import Watchdog
from starrygazer_ros.nodes.watched_input import WatchedInput
from starrygazer_ros.pairs import PairReader
from starrygazer_ros.qos import input_profile, subscription_mismatch
from starrygazer_ros.synchronization import PairSynchronizer
from starrygazer_ros.tf_transforms import make_transforms
from starrygazer_ros.transforms import Transforms
from starrygazer_ros.worker import NewestWorker

SPARSE_CAMERA_INFO = "sparse_depth/camera_info"


@dataclass(frozen=True)
class Configured:
    """What ``configure`` makes and ``free`` frees: the model, its watchdog, calibrations, counters.

    ``made`` destroys what the node owns: publishers and subscriptions.
    """

    completer: DepthCompleter
    watchdog: Watchdog[DepthCompleter]
    reader: PairReader
    outputs: Outputs
    pairs: PairCompleter
    synchronizer: PairSynchronizer
    made: ExitStack


@dataclass(frozen=True)
class Activation:
    """What ``activate`` makes and ``deactivate`` frees: the worker's thread, inputs by topic."""

    worker: NewestWorker[Pair]
    inputs: dict[str, WatchedInput] = field(default_factory=dict)


class CompletionNode(ManagedNode):
    """Depth completion as a lifecycle node; topics and parameters are in README.md.

    Args:
        shared: engines that other nodes of the process use, too; ``None`` = none.
        options: those of ``rclpy.node.Node``.
    """

    values: CompletionParameters

    def __init__(self, shared: SharedEngines | None = None, **options: Any) -> None:
        self._shared = shared
        self._configured: Configured | None = None
        self._activation: Activation | None = None
        super().__init__("completion_node", "depth completion", CompletionParameters, **options)
        self._watchdog_timer = self.create_timer(
            watchdog.PERIOD, self._watch, clock=Clock(clock_type=ClockType.STEADY_TIME)
        )
        self._previous_report = self._report()

    # Lifecycle

    def prepare(self) -> tuple[DepthCompleter, float]:
        """Load the bundle, check it on this machine; the model and how far it is off."""
        completer = self._load()
        return completer, completer.self_check()

    def _load(self) -> DepthCompleter:
        values = self.values
        return DepthCompleter.from_bundle(
            values.model,
            values.backend,
            values.threads,
            values.min_sparse_points,
            # Of clouds it is the projector that filters: it knows where the LiDAR is.
            values.filter_occluded and not self._projects,
            self._shared,
            values.engine_options(),
            self.get_logger().info,
        )

    def configure(self, prepared: tuple[DepthCompleter, float]) -> None:
        """Create the publishers, listen to transforms."""
        completer, difference = prepared
        values = self.values
        with ExitStack() as made:
            outputs = Outputs(self, values)
            made.callback(outputs.destroy)
            transforms = None
            if self._projects:
                transforms = make_transforms(self, values)
                made.callback(transforms.destroy)
            reader = self._make_reader(transforms)
            pairs = PairCompleter(reader, completer, outputs, self.get_logger())
            pairs.change(values)  # which may have changed while the model was loaded
            synchronizer = PairSynchronizer(self._on_pair, values.sync_rule())
            made = made.pop_all()
        again = Watchdog(lambda: self.prepare()[0])
        self._configured = Configured(completer, again, reader, outputs, pairs, synchronizer, made)
        if completer.backend_notes:
            self.get_logger().info(f"not used: {'; '.join(completer.backend_notes)}")
        for warning in completer.backend_warnings:
            self.get_logger().warning(warning)
        self.get_logger().info(
            f"model '{completer.bundle.name}' {completer.bundle.version} runs on "
            f"{completer.backend_description}; self-check differs by {difference:.1e}"
        )

    @property
    def _projects(self) -> bool:
        """The sparse depth arrives as point clouds."""
        return self.values.sparse_depth_transport == POINTS

    def _make_reader(self, transforms: Transforms | None) -> PairReader:
        """For messages as they arrive by the parameters of the transports."""
        compressed = self.values.image_transport != RAW
        read_image = image_from_compressed if compressed else image_from_message
        if transforms is not None:
            return PairReader(read_image, CloudProjector(self.values, transforms))
        compressed = self.values.sparse_depth_transport != RAW
        return PairReader(
            read_image, sparse_depth_from_compressed if compressed else sparse_depth_from_message
        )

    def activate(self) -> None:
        """Start the worker, subscribe."""
        assert self._configured is not None
        pairs = self._configured.pairs
        self._activation = Activation(_started_worker(pairs))
        if self._configured.reader.projector is not None:
            self._configured.reader.projector.start()
        self._previous_report = self._report()
        qos = input_profile(self.values)
        image = self._topic("image", self.values.image_transport)
        sparse_depth = self._topic("sparse_depth", self.values.sparse_depth_transport)
        inputs: list[tuple[str, type, str, Callable[[Any], None]]] = [
            ("camera_info", CameraInfo, "camera_info", self._on_camera_info),
            ("image", *image, self._on_image),
            ("sparse_depth", *sparse_depth, self._on_sparse_depth),
        ]
        if not self._projects:
            of_sparse = ("sparse camera_info", CameraInfo, SPARSE_CAMERA_INFO)
            inputs.append((*of_sparse, self._on_sparse_camera_info))
        for name, message_type, topic, callback in inputs:
            guarded = self.guarded(callback, pairs.statistics.count_warning)
            self._activation.inputs[name] = WatchedInput(self, message_type, topic, guarded, qos)
        self.get_logger().info(f"active: completes {sparse_depth[1]} with {image[1]}")

    def _topic(self, name: str, transport: str) -> tuple[type, str]:
        """Type and topic of an input; image_transport hangs the transport on the resolved name."""
        if transport == POINTS:
            return PointCloud2, self.resolve_topic_name("points")
        resolved = self.resolve_topic_name(name)
        return (
            (Image, resolved) if transport == RAW else (CompressedImage, f"{resolved}/{transport}")
        )

    def deactivate(self) -> None:
        """Stop the inputs first, then the worker."""
        configured, activation = self._configured, self._activation
        if configured is None or activation is None:
            return
        self._activation = None
        for watched in activation.inputs.values():
            watched.destroy()
        if configured.reader.projector is not None:
            configured.reader.projector.stop()
        timeout = self.values.watchdog_timeout or None
        configured.pairs.statistics.count_discarded(activation.worker.stop(timeout))
        if configured.pairs.in_work:
            configured.pairs.give_up(HungError.cause)
        configured.synchronizer.clear()

    def free(self) -> None:
        """Destroy the publishers, let go of the model."""
        if self._configured is not None:
            self._configured.made.close()
            self._configured = None

    def apply(self) -> None:
        """Match by the new rule from the next message on, complete so from the next pair on."""
        if self._configured is not None:
            self._configured.synchronizer.change(self.values.sync_rule())
            self._configured.pairs.change(self.values)

    # Inputs, in the executor's thread: store and return

    def _on_image(self, message: Image) -> None:
        if self._configured is not None:
            self._configured.synchronizer.add_image(message)

    def _on_sparse_depth(self, message: Image | CompressedImage | PointCloud2) -> None:
        if self._configured is not None:
            if self._configured.reader.projector is not None:
                self._configured.reader.projector.receive(message)
            self._configured.synchronizer.add_sparse_depth(message)

    def _on_camera_info(self, message: CameraInfo) -> None:
        if self._configured is not None:
            self._configured.reader.calibrations.store(message)

    def _on_sparse_camera_info(self, message: CameraInfo) -> None:
        if self._configured is not None:
            self._configured.reader.sparse_calibrations.store(message)

    def _on_pair(self, image: Image, sparse_depth: Image) -> None:
        if self._configured is not None and self._activation is not None:
            self._configured.pairs.statistics.count_matched()
            if self._configured.watchdog.reason:
                self._configured.pairs.statistics.count_failed(ReloadingError.cause)
                return
            self._activation.worker.put(Pair(image, sparse_depth, time.perf_counter()))

    # Engines that hang or keep failing

    def _watch(self) -> None:
        configured, activation = self._configured, self._activation
        if configured is None or activation is None:
            return
        if configured.watchdog.reason:
            self._load_again(configured, activation)
        elif problem := configured.pairs.problem(self.values.watchdog_timeout):
            self.get_logger().error(f"{one_line(problem)}; the model is loaded again")
            configured.watchdog.begin(one_line(problem))
            for _ in range(activation.worker.stop(timeout=0)):
                configured.pairs.statistics.count_failed(ReloadingError.cause)
            configured.pairs.give_up(problem.cause)
        elif configured.pairs.works:
            configured.watchdog.all_is_well()

    def _load_again(self, configured: Configured, activation: Activation) -> None:
        try:
            completer = configured.watchdog.loaded()
        except Exception as error:  # there will be another try
            self._faults.log(error)
            return
        if completer is not None:
            activation.worker.stop(timeout=0)  # it is idle, if it was begun meanwhile
            configured.pairs.exchange(completer)
            self._configured = replace(configured, completer=completer)
            self._activation = replace(activation, worker=_started_worker(configured.pairs))
            self.get_logger().info(f"loaded again: {completer.backend_description}")

    # Diagnostics

    def diagnose(self) -> tuple[Verdict, Iterable[tuple[str, str]]]:
        """What became of the pairs of the last period."""
        report, previous = self._report(), self._previous_report
        self._previous_report = report
        verdict = completion_diagnostics.assess(report, previous, self.values)
        return verdict, completion_diagnostics.values(report, previous)

    def _report(self) -> completion_diagnostics.Report:
        report = completion_diagnostics.Report(
            time=time.monotonic(),
            image=self._synchronized_input("image", IMAGE),
            sparse_depth=self._synchronized_input("sparse_depth", SPARSE_DEPTH),
            camera_info=self._input("camera_info"),
        )
        configured = self._configured
        if configured is None:
            return report
        bundle, again = configured.completer.bundle, configured.watchdog
        return replace(
            report,
            camera_info=replace(
                report.camera_info, received=configured.reader.calibrations.received
            ),
            model=f"{bundle.name} {bundle.version}",
            hashes={"mde": bundle.mde.sha256, "refinement": bundle.refinement.sha256},
            backend=configured.completer.backend_description,
            backend_warnings=configured.completer.backend_warnings,
            reloading=again.reason,
            reloads=again.tries,
            time_jumps=configured.synchronizer.time_jumps,
            reused=configured.synchronizer.reused,
            output_mismatch=subscription_mismatch(self, configured.outputs.publishers),
            counts=configured.pairs.statistics.snapshot(),
        )

    def _synchronized_input(self, name: str, topic: int) -> Input:
        """With counters from configure on, which a new subscription does not reset."""
        if self._configured is None:
            return self._input(name)
        synchronizer = self._configured.synchronizer
        return replace(
            self._input(name),
            received=synchronizer.received[topic],
            waiting=synchronizer.waiting(topic),
            dropped=dict(synchronizer.dropped[topic]),
        )

    def _input(self, name: str) -> Input:
        if self._activation is None or name not in self._activation.inputs:
            transport = self.values.sparse_depth_transport
            points = name == "sparse_depth" and transport == POINTS
            return Input(self.resolve_topic_name("points" if points else name))
        return self._activation.inputs[name].report()


def _started_worker(pairs: PairCompleter) -> NewestWorker[Pair]:
    """A thread that completes the newest pair."""
    worker: NewestWorker[Pair] = NewestWorker(
        lambda pair: pairs.process(pair, worker.newest),
        pairs.statistics.count_replaced,
        "completer",
    )
    worker.start()
    return worker
