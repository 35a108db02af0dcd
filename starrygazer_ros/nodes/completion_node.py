"""Lifecycle node: camera image and sparse depth in, dense depth and point cloud out."""

from __future__ import annotations

import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass

from diagnostic_msgs.msg import DiagnosticArray
from rclpy.clock import Clock, ClockType
from rclpy.lifecycle import LifecycleNode, State, TransitionCallbackReturn
from rclpy.parameter import Parameter
from rclpy.subscription import Subscription
from sensor_msgs.msg import CameraInfo, Image

from starrygazer_ros import diagnostics, parameters
from starrygazer_ros.completion import CompletionError, DepthCompleter
from starrygazer_ros.messages import MessageError
from starrygazer_ros.nodes.outputs import Outputs
from starrygazer_ros.nodes.pair_completer import INTERNAL_ERROR, Pair, PairCompleter, one_line
from starrygazer_ros.nodes.running import run
from starrygazer_ros.statistics import Snapshot
from starrygazer_ros.synchronization import (
    IMAGE,
    NANOSECONDS,
    SPARSE_DEPTH,
    PairSynchronizer,
    stamp_of,
)
from starrygazer_ros.worker import NewestWorker

DIAGNOSTICS_PERIOD = 1.0  # s


@dataclass(frozen=True)
class Configured:
    """What ``on_configure`` makes and ``on_cleanup`` frees."""

    parameters: parameters.NodeParameters
    completer: DepthCompleter
    outputs: Outputs


@dataclass
class Activation:
    """What ``on_activate`` makes and ``on_deactivate`` frees; its counters stay readable."""

    pair_completer: PairCompleter
    synchronizer: PairSynchronizer
    worker: NewestWorker[Pair]
    subscriptions: list[Subscription]
    camera_infos: int = 0


class CompletionNode(LifecycleNode):
    """Depth completion as a lifecycle node; topics and parameters are in README.md."""

    def __init__(self) -> None:
        # First, because destroy_node() also runs on a node whose parameters were refused.
        self._configured: Configured | None = None
        self._activation: Activation | None = None
        super().__init__("completion_node")
        parameters.declare(self)
        self.autostart = parameters.read(self).autostart
        self.add_on_set_parameters_callback(self._on_set_parameters)
        self._state = "unconfigured"
        self._problem = ""
        self._ages = [0.0, 0.0]
        self._previous_report = self._report()
        self._diagnostics = self.create_publisher(DiagnosticArray, "/diagnostics", 1)
        # Steady time: diagnostics must also tell that a simulated clock stands still.
        self.create_timer(
            DIAGNOSTICS_PERIOD,
            self._publish_diagnostics,
            clock=Clock(clock_type=ClockType.STEADY_TIME),
        )

    # Lifecycle

    def on_configure(self, state: State) -> TransitionCallbackReturn:
        """Load the bundle, check it on this machine, create the publishers."""
        result = self._attempt(self._configure)
        if result == TransitionCallbackReturn.SUCCESS:
            self._state = "inactive"
        return result

    def on_activate(self, state: State) -> TransitionCallbackReturn:
        """Enable the publishers, subscribe, start the worker."""
        result = self._attempt(self._activate)
        if result == TransitionCallbackReturn.SUCCESS:
            self._state = "active"
            return super().on_activate(state)
        return result

    def on_deactivate(self, state: State) -> TransitionCallbackReturn:
        """Undo :meth:`on_activate`."""
        self._deactivate()
        self._state = "inactive"
        return super().on_deactivate(state)

    def on_cleanup(self, state: State) -> TransitionCallbackReturn:
        """Undo :meth:`on_configure`."""
        self._free()
        self._state = "unconfigured"
        return super().on_cleanup(state)

    def on_shutdown(self, state: State) -> TransitionCallbackReturn:
        """Free everything from whatever state."""
        self._free()
        self._state = "finalized"
        return super().on_shutdown(state)

    def on_error(self, state: State) -> TransitionCallbackReturn:
        """Free everything and go back to unconfigured."""
        self._free()
        self._state = "unconfigured"
        return TransitionCallbackReturn.SUCCESS

    def destroy_node(self) -> None:
        """Free everything, then destroy the node."""
        self._free()
        super().destroy_node()

    def _attempt(self, action: Callable[[], None]) -> TransitionCallbackReturn:
        """FAILURE for what the user can mend, ERROR for the unexpected, both with a reason."""
        try:
            action()
        except CompletionError as error:
            self._problem = one_line(error)
            self.get_logger().error(self._problem)
            return TransitionCallbackReturn.FAILURE
        except Exception as error:  # rclpy would swallow it without a word
            self._problem = f"{INTERNAL_ERROR}: {error!r}"
            self.get_logger().error(f"{INTERNAL_ERROR}: {traceback.format_exc()}")
            return TransitionCallbackReturn.ERROR
        self._problem = ""
        return TransitionCallbackReturn.SUCCESS

    def _configure(self) -> None:
        values = parameters.read(self)
        completer = DepthCompleter.from_bundle(
            values.model, values.backend, values.threads, values.min_sparse_points
        )
        difference = completer.self_check()
        self._configured = Configured(values, completer, Outputs(self, values))
        self.get_logger().info(
            f"model '{completer.bundle.name}' {completer.bundle.version} runs on "
            f"{completer.backend_description}; self-check differs by {difference:.1e}"
        )

    def _activate(self) -> None:
        assert self._configured is not None
        values, outputs = self._configured.parameters, self._configured.outputs
        pairs = PairCompleter(self._configured.completer, outputs, self.get_logger())
        worker = NewestWorker(pairs.process, pairs.statistics.count_replaced, "completer")
        synchronizer = PairSynchronizer(self._on_pair, values.sync_slop, values.sync_queue_size)
        self._activation = Activation(pairs, synchronizer, worker, [])
        worker.start()
        self._previous_report = self._report()
        qos = values.input_qos()
        for message_type, topic, callback in (
            (CameraInfo, "camera_info", self._on_camera_info),
            (Image, "image", self._on_image),
            (Image, "sparse_depth", self._on_sparse_depth),
        ):
            subscription = self.create_subscription(message_type, topic, callback, qos)
            self._activation.subscriptions.append(subscription)

    def _deactivate(self) -> None:
        """Stop the inputs first, then the worker; may be called twice."""
        activation = self._activation
        if activation is None:
            return
        for subscription in activation.subscriptions:
            self.destroy_subscription(subscription)
        activation.subscriptions.clear()
        activation.pair_completer.statistics.count_discarded(activation.worker.stop())

    def _free(self) -> None:
        self._deactivate()
        if self._configured is not None:
            self._configured.outputs.destroy()
            self._configured = None

    def _on_set_parameters(self, changes: list[Parameter]) -> parameters.SetParametersResult:
        return parameters.check_change(changes, self._state == "unconfigured")

    # Inputs, in the executor's thread: store and return

    def _on_image(self, message: Image) -> None:
        if self._activation is not None:
            self._ages[IMAGE] = self._age(message)
            self._activation.synchronizer.add_image(message)

    def _on_sparse_depth(self, message: Image) -> None:
        if self._activation is not None:
            self._ages[SPARSE_DEPTH] = self._age(message)
            self._activation.synchronizer.add_sparse_depth(message)

    def _on_camera_info(self, message: CameraInfo) -> None:
        if self._activation is None:
            return
        self._activation.camera_infos += 1
        try:
            self._activation.pair_completer.calibrations.store(message)
        except MessageError as error:
            self._activation.pair_completer.warn(error)

    def _on_pair(self, image: Image, sparse_depth: Image) -> None:
        if self._activation is not None:
            self._activation.pair_completer.statistics.count_matched()
            self._activation.worker.put(Pair(image, sparse_depth, time.perf_counter()))

    def _age(self, message: Image) -> float:
        return (self.get_clock().now().nanoseconds - stamp_of(message)) / NANOSECONDS

    # Diagnostics

    def _publish_diagnostics(self) -> None:
        report = self._report()
        message = diagnostics.to_message(
            name=f"{self.get_name()}: depth completion",
            hardware_id=self.get_fully_qualified_name(),
            stamp=self.get_clock().now().to_msg(),
            report=report,
            previous=self._previous_report,
            period=DIAGNOSTICS_PERIOD,
        )
        self._previous_report = report
        self._diagnostics.publish(message)

    def _report(self) -> diagnostics.Report:
        configured, activation = self._configured, self._activation
        bundle = configured.completer.bundle if configured else None
        return diagnostics.Report(
            state=self._state,
            problem=self._problem,
            model=f"{bundle.name} {bundle.version}" if bundle else "",
            backend=configured.completer.backend_description if configured else "",
            image=self._input("image", IMAGE),
            sparse_depth=self._input("sparse_depth", SPARSE_DEPTH),
            time_jumps=activation.synchronizer.time_jumps if activation else 0,
            camera_infos=activation.camera_infos if activation else 0,
            counts=activation.pair_completer.statistics.snapshot() if activation else Snapshot(),
        )

    def _input(self, name: str, topic: int) -> diagnostics.Input:
        resolved = self.resolve_topic_name(name)
        if self._activation is None:
            return diagnostics.Input(resolved)
        synchronizer = self._activation.synchronizer
        return diagnostics.Input(
            resolved,
            received=synchronizer.received[topic],
            unmatched=synchronizer.unmatched(topic),
            waiting=synchronizer.waiting(topic),
            age=self._ages[topic],
        )


def _autostart(node: CompletionNode) -> None:
    if node.autostart and node.trigger_configure() == TransitionCallbackReturn.SUCCESS:
        node.trigger_activate()


def main() -> None:
    """Entry point of the executable ``completion_node``."""
    sys.exit(run(CompletionNode, _autostart))


if __name__ == "__main__":
    main()
