"""Base of the nodes: a managed lifecycle with reasons, parameters and diagnostics once a second."""

from __future__ import annotations

import traceback
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray
from lifecycle_msgs.srv import ChangeState
from rcl_interfaces.msg import SetParametersResult
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

    All methods are called in the executor's thread. What :meth:`configure` and :meth:`activate`
    raise is logged, shown in diagnostics and answered with a failed transition; a
    :class:`CompletionError` is what the user can mend. A subclass sets the attributes that
    :meth:`deactivate` and :meth:`free` look at before it calls the constructor here.

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
        super().__init__(name, **options)
        declared_parameters.declare(self, table)
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
        self._answer_impossible_transitions()

    # What a subclass does

    @abstractmethod
    def configure(self) -> None:
        """Make what needs the parameters: models, publishers; :meth:`free` undoes it."""

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

    def start(self) -> None:
        """Configure and activate unless the parameter ``autostart`` says otherwise."""
        if not self.values.autostart:
            self.get_logger().info(
                "unconfigured: autostart is false, waiting for lifecycle requests"
            )
        elif self.trigger_configure() == TransitionCallbackReturn.SUCCESS:
            self.trigger_activate()

    def on_configure(self, state: State) -> TransitionCallbackReturn:
        """See :meth:`configure`."""
        result = self._attempt(self.configure)
        if result == TransitionCallbackReturn.SUCCESS:
            self._state = "inactive"
            return super().on_configure(state)
        self.free()
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
