"""Lifecycle node: camera image and sparse depth in, dense depth and point cloud out."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray
from lifecycle_msgs.srv import ChangeState
from rclpy.clock import Clock, ClockType
from rclpy.impl.implementation_singleton import rclpy_implementation
from rclpy.lifecycle import LifecycleNode, State, TransitionCallbackReturn
from rclpy.parameter import Parameter
from rclpy.subscription import Subscription
from sensor_msgs.msg import CameraInfo, Image

from starrygazer_ros import diagnostics, parameters
from starrygazer_ros.completion import CompletionError, DepthCompleter
from starrygazer_ros.nodes.outputs import Outputs
from starrygazer_ros.nodes.pair_completer import INTERNAL_ERROR, Pair, PairCompleter, one_line
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
    """What ``on_configure`` makes and ``on_cleanup`` frees: the model, calibrations, counters."""

    parameters: parameters.NodeParameters
    completer: DepthCompleter
    outputs: Outputs
    pairs: PairCompleter
    synchronizer: PairSynchronizer


@dataclass(frozen=True)
class Activation:
    """What ``on_activate`` makes and ``on_deactivate`` frees: the worker's thread, the inputs."""

    worker: NewestWorker[Pair]
    subscriptions: list[Subscription] = field(default_factory=list)


class CompletionNode(LifecycleNode):
    """Depth completion as a lifecycle node; topics and parameters are in README.md.

    Args:
        options: those of ``rclpy.node.Node``.
    """

    def __init__(self, **options: Any) -> None:
        # First, because destroy_node() also runs on a node whose parameters were refused.
        self._configured: Configured | None = None
        self._activation: Activation | None = None
        super().__init__("completion_node", **options)
        parameters.declare(self)
        self.autostart = parameters.read(self).autostart
        self.add_on_set_parameters_callback(self._on_set_parameters)
        self._state = "unconfigured"
        self._problem = ""
        self._ages = [0.0, 0.0]
        self._previous_report = self._report()
        self._diagnostics = self.create_publisher(DiagnosticArray, "/diagnostics", 1)
        # Steady time: diagnostics must also tell that a simulated clock stands still.
        self._diagnostics_timer = self.create_timer(
            DIAGNOSTICS_PERIOD,
            self._publish_diagnostics,
            clock=Clock(clock_type=ClockType.STEADY_TIME),
        )
        self._answer_impossible_transitions()

    # Lifecycle

    def _answer_impossible_transitions(self) -> None:
        """Before Kilted rclpy lets them end the process (github.com/ros2/rclpy/issues/1209)."""
        service = next(s for s in self.services if s.srv_type is ChangeState)
        change_state = service.callback

        def answer(
            request: ChangeState.Request, response: ChangeState.Response
        ) -> ChangeState.Response:
            try:
                return change_state(request, response)
            except rclpy_implementation.RCLError as error:
                self.get_logger().warning(
                    f"no transition {request.transition.id} from lifecycle state {self._state}: "
                    f"{' '.join(str(error).split())}"
                )
                response.success = False
                return response

        service.callback = answer

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
            values.model,
            values.backend,
            values.threads,
            values.min_sparse_points,
            values.filter_occluded,
        )
        difference = completer.self_check()
        outputs = Outputs(self, values)
        self._configured = Configured(
            values,
            completer,
            outputs,
            PairCompleter(completer, outputs, self.get_logger()),
            PairSynchronizer(self._on_pair, values.sync_slop, values.sync_queue_size),
        )
        self.get_logger().info(
            f"model '{completer.bundle.name}' {completer.bundle.version} runs on "
            f"{completer.backend_description}; self-check differs by {difference:.1e}"
        )

    def _activate(self) -> None:
        assert self._configured is not None
        pairs = self._configured.pairs
        worker = NewestWorker(pairs.process, pairs.statistics.count_replaced, "completer")
        self._activation = Activation(worker)
        worker.start()
        # A full period from here, so that the first judgement is as good as the later ones.
        self._previous_report = self._report()
        self._diagnostics_timer.reset()
        qos = self._configured.parameters.input_qos()
        for message_type, topic, callback in (
            (CameraInfo, "camera_info", self._on_camera_info),
            (Image, "image", self._on_image),
            (Image, "sparse_depth", self._on_sparse_depth),
        ):
            subscription = self.create_subscription(
                message_type, topic, self._guarded(callback), qos
            )
            self._activation.subscriptions.append(subscription)
        image, sparse_depth = map(self.resolve_topic_name, ("image", "sparse_depth"))
        self.get_logger().info(f"active: completes {sparse_depth} with {image}")

    def _guarded(self, callback: Callable[[Any], None]) -> Callable[[Any], None]:
        """The callback of a subscription, such that no message can end the node."""
        assert self._configured is not None
        pairs = self._configured.pairs

        def guarded(message: Any) -> None:
            with pairs.warnings():
                callback(message)

        return guarded

    def _deactivate(self) -> None:
        """Stop the inputs first, then the worker; may be called twice."""
        configured, activation = self._configured, self._activation
        if configured is None or activation is None:
            return
        self._activation = None
        for subscription in activation.subscriptions:
            self.destroy_subscription(subscription)
        configured.pairs.statistics.count_discarded(activation.worker.stop())
        configured.synchronizer.clear()

    def _free(self) -> None:
        self._deactivate()
        if self._configured is not None:
            self._configured.outputs.destroy()
            self._configured = None

    def _on_set_parameters(self, changes: list[Parameter]) -> parameters.SetParametersResult:
        return parameters.check_change(changes, self._state == "unconfigured")

    # Inputs, in the executor's thread: store and return

    def _on_image(self, message: Image) -> None:
        if self._configured is not None:
            self._ages[IMAGE] = self._age(message)
            self._configured.synchronizer.add_image(message)

    def _on_sparse_depth(self, message: Image) -> None:
        if self._configured is not None:
            self._ages[SPARSE_DEPTH] = self._age(message)
            self._configured.synchronizer.add_sparse_depth(message)

    def _on_camera_info(self, message: CameraInfo) -> None:
        if self._configured is not None:
            self._configured.pairs.calibrations.store(message)

    def _on_pair(self, image: Image, sparse_depth: Image) -> None:
        if self._configured is not None and self._activation is not None:
            self._configured.pairs.statistics.count_matched()
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
        )
        self._previous_report = report
        self._diagnostics.publish(message)

    def _report(self) -> diagnostics.Report:
        report = diagnostics.Report(
            state=self._state,
            problem=self._problem,
            time=time.monotonic(),
            image=self._input("image", IMAGE),
            sparse_depth=self._input("sparse_depth", SPARSE_DEPTH),
        )
        configured = self._configured
        if configured is None:
            return report
        bundle = configured.completer.bundle
        return replace(
            report,
            model=f"{bundle.name} {bundle.version}",
            backend=configured.completer.backend_description,
            time_jumps=configured.synchronizer.time_jumps,
            camera_infos=configured.pairs.calibrations.received,
            counts=configured.pairs.statistics.snapshot(),
        )

    def _input(self, name: str, topic: int) -> diagnostics.Input:
        resolved = self.resolve_topic_name(name)
        if self._configured is None:
            return diagnostics.Input(resolved)
        synchronizer = self._configured.synchronizer
        return diagnostics.Input(
            resolved,
            received=synchronizer.received[topic],
            unmatched=synchronizer.unmatched(topic),
            waiting=synchronizer.waiting(topic),
            refused=synchronizer.refused[topic],
            age=self._ages[topic],
        )


def autostart(node: CompletionNode) -> None:
    """Configure and activate unless the parameter ``autostart`` says otherwise."""
    if not node.autostart:
        node.get_logger().info("unconfigured: autostart is false, waiting for lifecycle requests")
    elif node.trigger_configure() == TransitionCallbackReturn.SUCCESS:
        node.trigger_activate()
