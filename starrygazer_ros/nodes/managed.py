"""Base of the nodes: a managed lifecycle with reasons, parameters and diagnostics once a second."""

from __future__ import annotations

import traceback
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState
from rcl_interfaces.msg import SetParametersResult
from rclpy import task
from rclpy.callback_groups import MutuallyExclusiveCallbackGroup
from rclpy.clock import Clock, ClockType
from rclpy.impl.implementation_singleton import rclpy_implementation
from rclpy.lifecycle import LifecycleNode, State, TransitionCallbackReturn
from rclpy.parameter import Parameter

from starrygazer_ros import declared_parameters, diagnostics, parameters
from starrygazer_ros.common_parameters import CommonParameters
from starrygazer_ros.completion import CompletionError
from starrygazer_ros.nodes.faults import INTERNAL_ERROR, FaultLog, one_line

DIAGNOSTICS_PERIOD = 1.0  # s


class ManagedNode(LifecycleNode, ABC):
    """A lifecycle node whose subclass says what each transition does.

    All methods but :meth:`prepare` are called in the executor's thread. What :meth:`prepare`,
    :meth:`configure` and :meth:`activate` raise is logged, shown in diagnostics and answered with a
    failed transition; a :class:`CompletionError` is what the user can mend. A subclass sets the
    attributes that :meth:`deactivate` and :meth:`free` look at before it calls the constructor
    here.

    Args:
        name: of the node.
        task: what it does, for its diagnostics.
        table: its parameters.
        options: those of ``rclpy.node.Node``.

    Attributes:
        values: current parameters, a ``table``.

    Raises:
        rclpy.exceptions.ParameterException, ValueError: a parameter is refused.
    """

    def __init__(self, name: str, task: str, table: type[CommonParameters], **options: Any) -> None:
        # First, because destroy_node() also runs on a node whose parameters were refused.
        self._task = task
        self._state = "unconfigured"
        self._problem = ""
        self._aside: ThreadPoolExecutor | None = None
        self._preparation: Future[Any] | None = None
        super().__init__(name, **options)
        declared_parameters.declare(self, table)
        for sentence in declared_parameters.not_declared(self, table):
            self.get_logger().warning(sentence)
        self.values = declared_parameters.read(self, table)
        self.add_on_set_parameters_callback(self._on_set_parameters)
        self._faults = FaultLog(self.get_logger())
        self._diagnostics = self.create_publisher(DiagnosticArray, "/diagnostics", 1)
        # Steady time: diagnostics must also tell that a simulated clock stands still.
        self._diagnostics_timer = self.create_timer(
            DIAGNOSTICS_PERIOD,
            self._publish_diagnostics,
            clock=Clock(clock_type=ClockType.STEADY_TIME),
        )
        self._serve_transitions()

    # What a subclass does

    def prepare(self) -> Any:
        """Make what takes long and needs ``values``, such as a model; in a thread of its own."""
        return None

    @abstractmethod
    def configure(self, prepared: Any) -> None:
        """Make what else needs the parameters, such as publishers; :meth:`free` undoes it.

        Args:
            prepared: what :meth:`prepare` has made.
        """

    @abstractmethod
    def activate(self) -> None:
        """Start the work: threads, then subscriptions; :meth:`deactivate` undoes it."""

    @abstractmethod
    def deactivate(self) -> None:
        """Stop the inputs first, then the work; also called when nothing is active."""

    @abstractmethod
    def free(self) -> None:
        """Free what :meth:`configure` made, also if it raised half-way or made nothing."""

    @abstractmethod
    def apply(self) -> None:
        """Use ``values``, some of which have changed; between frames, without losing one."""

    @abstractmethod
    def diagnose(self) -> tuple[diagnostics.Verdict, Iterable[tuple[str, str]]]:
        """Verdict on the last period, used while the node is active, and values to show."""

    # Lifecycle

    async def start(self) -> None:
        """Configure and activate unless the parameter ``autostart`` says otherwise.

        A task for the executor of this node.
        """
        if not self.values.autostart:
            self.get_logger().info(
                "unconfigured: autostart is false, waiting for lifecycle requests"
            )
            return
        await self._prepare_aside()
        if self.trigger_configure() == TransitionCallbackReturn.SUCCESS:
            self.trigger_activate()

    async def _prepare_aside(self) -> None:
        """Run :meth:`prepare` while services, diagnostics and parameters are served."""
        self._state = "configuring"  # for rcl it is unconfigured until all is prepared
        executor, done = self.executor, task.Future()
        self._aside = ThreadPoolExecutor(1, f"configure {self.get_name()}")
        self._preparation = self._aside.submit(self.prepare)
        self._aside.shutdown(wait=False)  # its thread ends with its task

        def wake(_: Future[Any]) -> None:
            done.set_result(None)
            executor.wake()

        self._preparation.add_done_callback(wake)
        await done

    def wait_until_prepared(self) -> None:
        """Wait for :meth:`prepare` if it is at work; in whatever thread."""
        if self._aside is not None:
            if self._preparation is not None and not self._preparation.done():
                self.get_logger().info("stops as soon as the model is loaded")
            self._aside.shutdown()

    def _prepared(self) -> Any:
        """What :meth:`prepare` has made or raised, now if it did not before."""
        preparation, self._preparation = self._preparation, None
        return self.prepare() if preparation is None else preparation.result()

    def on_configure(self, state: State) -> TransitionCallbackReturn:
        """See :meth:`configure`."""
        result = self._attempt(lambda: self.configure(self._prepared()))
        if result == TransitionCallbackReturn.SUCCESS:
            self._state = "inactive"
            return super().on_configure(state)
        self._state = "unconfigured"
        self.free()
        self.get_logger().error("stays unconfigured: mend this, then configure and activate again")
        return result

    def on_activate(self, state: State) -> TransitionCallbackReturn:
        """See :meth:`activate`; enables the publishers."""
        result = self._attempt(self.activate)
        if result == TransitionCallbackReturn.SUCCESS:
            self._state = "active"
            # A full period from here, so that the first judgement is as good as the later ones.
            self._diagnostics_timer.reset()
            return super().on_activate(state)
        self.deactivate()
        return result

    def on_deactivate(self, state: State) -> TransitionCallbackReturn:
        """See :meth:`deactivate`."""
        self.deactivate()
        self._state = "inactive"
        return super().on_deactivate(state)

    def on_cleanup(self, state: State) -> TransitionCallbackReturn:
        """See :meth:`free`."""
        self._free_all()
        self._state = "unconfigured"
        return super().on_cleanup(state)

    def on_shutdown(self, state: State) -> TransitionCallbackReturn:
        """Free everything from whatever state."""
        self._free_all()
        self._state = "finalized"
        return super().on_shutdown(state)

    def on_error(self, state: State) -> TransitionCallbackReturn:
        """Free everything and go back to unconfigured."""
        self._free_all()
        self._state = "unconfigured"
        return TransitionCallbackReturn.SUCCESS

    def destroy_node(self) -> None:
        """Free everything, then destroy the node."""
        self.wait_until_prepared()
        self._free_all()
        super().destroy_node()

    def _free_all(self) -> None:
        self.deactivate()
        self.free()

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

    def _serve_transitions(self) -> None:
        """Have the service prepare aside and answer what rcl refuses."""
        service = next(s for s in self.services if s.srv_type is ChangeState)
        change_state = service.callback

        async def answer(
            request: ChangeState.Request, response: ChangeState.Response
        ) -> ChangeState.Response:
            if self._state == "configuring":
                self.get_logger().warning("no transition while the node is configuring: try again")
                response.success = False
                return response
            if self._state == "unconfigured" and _configures(request.transition):
                await self._prepare_aside()
            try:
                return change_state(request, response)
            # Before Kilted rclpy lets it end the process (github.com/ros2/rclpy/issues/1209).
            except rclpy_implementation.RCLError as error:
                self.get_logger().warning(
                    f"no transition {request.transition.id} from lifecycle state {self._state}: "
                    f"{' '.join(str(error).split())}"
                )
                response.success = False
                return response

        service.callback = answer
        # While it waits, the others of its group would, too.
        service.callback_group = MutuallyExclusiveCallbackGroup()
        service.callback_group.add_entity(service)

    # Parameters, messages

    def _on_set_parameters(self, changes: list[Parameter]) -> SetParametersResult:
        """Check a change as a set and use it; rclpy has checked types and ranges before."""
        try:
            values = parameters.changed(self.values, changes, self._state == "unconfigured")
        except ValueError as error:
            return SetParametersResult(successful=False, reason=str(error))
        if values != self.values:
            self.values = values
            self.apply()
        return SetParametersResult(successful=True)

    def guarded(
        self, callback: Callable[[Any], None], count: Callable[[str], None]
    ) -> Callable[[Any], None]:
        """The callback of a subscription, such that no message can end the node.

        Args:
            callback: whatever it raises is logged now and then.
            count: called with the cause each time.
        """

        def guarded(message: Any) -> None:
            try:
                callback(message)
            except Exception as error:  # whatever one message does, the node goes on
                count(self._faults.log(error))

        return guarded

    # Diagnostics

    def _publish_diagnostics(self) -> None:
        verdict, values = self.diagnose()
        self._diagnostics.publish(
            diagnostics.to_message(
                name=f"{self.get_name()}: {self._task}",
                hardware_id=self.get_fully_qualified_name(),
                stamp=self.get_clock().now().to_msg(),
                verdict=diagnostics.of_lifecycle(self._state, self._problem) or verdict,
                values=[("state", self._state), *values],
            )
        )


def _configures(transition: Transition) -> bool:
    """A request of the transition configure; a label comes before the id, as for rclpy."""
    if transition.label:
        return bool(transition.label == "configure")
    return bool(transition.id == Transition.TRANSITION_CONFIGURE)
