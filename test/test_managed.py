"""The lifecycle that all nodes share, with a node that does nothing else."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import dataclass

import pytest

pytest.importorskip("rclpy", reason="rclpy is needed: see requirements/")

import rclpy
from diagnostic_msgs.msg import DiagnosticStatus
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState, GetState
from rcl_interfaces.srv import SetParameters
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.lifecycle import TransitionCallbackReturn
from rclpy.parameter import Parameter

from integration.harness import next_domain, wait_for
from starrygazer_ros import declared_parameters
from starrygazer_ros.common_parameters import CommonParameters
from starrygazer_ros.completion import BundleNotFoundError
from starrygazer_ros.nodes.managed import ManagedNode
from starrygazer_ros.parameters import When, parameter

SUCCESS, FAILURE = TransitionCallbackReturn.SUCCESS, TransitionCallbackReturn.FAILURE


TIMEOUT = 10.0  # s


@dataclass(frozen=True)
class Table(CommonParameters):
    gain: float = parameter("gain", 1.0, "Gain.", When.RUNNING, limits=(0.0, 2.0))


class Recording(ManagedNode):
    """Records what is called; ``broken`` maps a method to what it raises.

    ``prepare`` lasts until ``may_be_prepared`` is set.
    """

    def __init__(self, **options):
        self.calls = []
        self.broken = {}
        self.may_be_prepared = threading.Event()
        self.may_be_prepared.set()
        super().__init__("recording", "nothing", Table, **options)

    def _called(self, name):
        self.calls.append(name)
        if name in self.broken:
            raise self.broken[name]

    def prepare(self):
        assert self.may_be_prepared.wait(TIMEOUT)
        if "prepare" in self.broken:
            raise self.broken["prepare"]
        return threading.current_thread()

    def configure(self, prepared):
        self.prepared_by = prepared
        self._called("configure")

    def activate(self):
        self._called("activate")

    def deactivate(self):
        self._called("deactivate")

    def free(self):
        self._called("free")

    def apply(self):
        self._called(f"apply {self.values.gain}")

    def diagnose(self):
        return (DiagnosticStatus.OK, "at work"), [("gain", str(self.values.gain))]


@pytest.fixture
def make_node():
    context = Context()
    rclpy.init(context=context, domain_id=next_domain())
    nodes = []

    def make(**overrides):
        named = [Parameter(name, value=value) for name, value in overrides.items()]
        nodes.append(Recording(context=context, parameter_overrides=named))
        return nodes[-1]

    yield make
    for node in nodes:
        node.destroy_node()
    rclpy.shutdown(context=context)


@pytest.fixture
def node(make_node):
    return make_node()


def status(node):
    """The status that the node publishes next."""
    published = []
    node._diagnostics.publish, publish = published.append, node._diagnostics.publish
    node._publish_diagnostics()
    node._diagnostics.publish = publish
    return published[0].status[0]


@pytest.fixture
def spin():
    """Runs the executor of a node in a thread; returns it."""
    spinning = []

    def spin(node):
        executor = SingleThreadedExecutor(context=node.context)
        executor.add_node(node)
        thread = threading.Thread(target=executor.spin)
        thread.start()
        spinning.append((node, executor, thread))
        return executor

    yield spin
    for node, executor, thread in spinning:
        if isinstance(node, ManagedNode):
            node.may_be_prepared.set()
            node.wait_until_prepared()
        executor.shutdown()
        thread.join()


@pytest.fixture
def call(node, spin):
    """Calls services of the node from another one; returns the future of the answer."""
    peer = rclpy.create_node("peer", context=node.context)
    spin(peer)

    def call(kind, name, request):
        client = peer.create_client(kind, f"{node.get_fully_qualified_name()}/{name}")
        assert client.wait_for_service(TIMEOUT)
        return client.call_async(request)

    yield call
    peer.destroy_node()


def change(transition):
    return ChangeState.Request(transition=Transition(id=transition))


def test_starts_by_itself(node, spin):
    task = spin(node).create_task(node.start)
    wait_for(task.done, "the start")
    assert node.calls == ["configure", "activate"]


def test_waits_without_autostart(make_node, spin):
    node = make_node(autostart=False)
    task = spin(node).create_task(node.start)
    wait_for(task.done, "the start")
    assert node.calls == []


@pytest.mark.parametrize("autostart", [True, False])
def test_serves_others_while_it_is_prepared(node, spin, call, autostart):
    node.may_be_prepared.clear()
    executor = spin(node)
    if autostart:
        started = executor.create_task(node.start)
    else:
        started = call(ChangeState, "change_state", change(Transition.TRANSITION_CONFIGURE))
    wait_for(lambda: node._state == "configuring", "the configuration")

    asked = call(GetState, "get_state", GetState.Request())
    wait_for(asked.done, "the state")
    assert asked.result().current_state.label == "unconfigured"
    late = Parameter("qos.input_depth", value=7).to_parameter_msg()
    refused = call(SetParameters, "set_parameters", SetParameters.Request(parameters=[late]))
    wait_for(refused.done, "the refused parameter")
    assert "takes effect on configure" in refused.result().results[0].reason
    assert status(node).message == "not active, lifecycle state is configuring"
    assert node.calls == []
    assert not started.done()

    if autostart:
        second = call(ChangeState, "change_state", change(Transition.TRANSITION_CONFIGURE))
        wait_for(second.done, "the second request")
        assert not second.result().success
    node.may_be_prepared.set()
    wait_for(started.done, "the configuration")
    assert node.calls == (["configure", "activate"] if autostart else ["configure"])
    assert node.prepared_by.name.startswith("configure recording")


def test_what_fails_while_it_is_prepared_fails_the_transition(node, spin, call):
    node.broken["prepare"] = BundleNotFoundError("no such bundle")
    spin(node)
    for _ in range(2):
        answer = call(ChangeState, "change_state", change(Transition.TRANSITION_CONFIGURE))
        wait_for(answer.done, "the answer")
        assert not answer.result().success
        assert node.calls == ["free"]
        assert status(node).message == "bundle_not_found: no such bundle"
        node.calls.clear()
    node.broken.clear()
    configure = ChangeState.Request(transition=Transition(label="configure"))
    answer = call(ChangeState, "change_state", configure)
    wait_for(answer.done, "the answer")
    assert answer.result().success
    assert node.prepared_by is not threading.current_thread()


def test_waits_for_its_preparation_before_it_is_destroyed(make_node, spin):
    node = make_node()
    node.may_be_prepared.clear()
    executor = spin(node)
    executor.create_task(node.start)
    wait_for(lambda: node._preparation is not None, "the preparation")
    waiting = threading.Thread(target=node.wait_until_prepared)
    waiting.start()
    waiting.join(0.1)
    assert waiting.is_alive()
    node.may_be_prepared.set()
    waiting.join(TIMEOUT)
    assert not waiting.is_alive()


def test_undoes_in_reverse_what_the_transitions_did(node):
    for _ in range(2):
        assert node.trigger_configure() == SUCCESS
        assert node.trigger_activate() == SUCCESS
        assert node.trigger_deactivate() == SUCCESS
        assert node.trigger_cleanup() == SUCCESS
    assert node.calls == 2 * ["configure", "activate", "deactivate", "deactivate", "free"]


@pytest.mark.parametrize("trigger", [(), ("configure",), ("configure", "activate")])
def test_shutdown_frees_everything_from_whatever_state(node, trigger):
    for transition in trigger:
        assert getattr(node, f"trigger_{transition}")() == SUCCESS
    assert node.trigger_shutdown() == SUCCESS
    assert node.calls == [*trigger, "deactivate", "free"]


def test_what_the_user_can_mend_fails_the_transition_with_its_reason(node):
    node.broken["configure"] = BundleNotFoundError("no such\nbundle")
    assert node.trigger_configure() == FAILURE
    assert node.calls == ["configure", "free"]
    assert status(node).level == DiagnosticStatus.ERROR
    assert status(node).message == "bundle_not_found: no such bundle"
    node.broken.clear()
    assert node.trigger_configure() == SUCCESS
    assert status(node).message == "not active, lifecycle state is inactive"


def test_the_unexpected_leads_back_to_unconfigured(node):
    assert node.trigger_configure() == SUCCESS
    node.broken["activate"] = ArithmeticError("odd")
    node.trigger_activate()
    assert node.calls[-2:] == ["deactivate", "free"]
    assert status(node).message == "internal_error: ArithmeticError('odd')"
    node.broken.clear()
    assert node.trigger_configure() == SUCCESS


def test_the_reason_of_a_failure_goes_when_the_node_works_again(node):
    node.broken["activate"] = BundleNotFoundError("gone")
    assert node.trigger_configure() == SUCCESS
    assert node.trigger_activate() == FAILURE
    assert status(node).level == DiagnosticStatus.ERROR
    node.broken.clear()
    assert node.trigger_activate() == SUCCESS
    assert (status(node).level, status(node).message) == (DiagnosticStatus.OK, "at work")
    assert {value.key: value.value for value in status(node).values} == {
        "state": "active",
        "gain": "1.0",
    }


def test_an_impossible_transition_is_answered(node):
    service = next(service for service in node.services if service.srv_type is ChangeState)
    request = change(Transition.TRANSITION_CLEANUP)
    assert not asyncio.run(service.callback(request, ChangeState.Response())).success
    assert node.calls == []


def test_names_the_parameter_that_a_misspelt_one_may_mean(make_node):
    node = make_node(autostrat=True, others=2, gain=0.5)
    assert list(declared_parameters.not_declared(node, Table)) == [
        "there is no parameter autostrat: did you mean autostart?"
    ]


def test_applies_a_change_at_once_and_only_if_there_is_one(node):
    assert node.set_parameters([Parameter("gain", value=1.5)])[0].successful
    assert node.set_parameters([Parameter("gain", value=1.5)])[0].successful
    assert not node.set_parameters([Parameter("gain", value=2.5)])[0].successful
    assert node.calls == ["apply 1.5"]
    assert node.values.gain == 1.5


def test_takes_parameters_of_configure_while_unconfigured_only(node):
    assert node.set_parameters([Parameter("qos.input_depth", value=7)])[0].successful
    assert node.trigger_configure() == SUCCESS
    refused = node.set_parameters([Parameter("qos.input_depth", value=8)])[0]
    assert "clean up first" in refused.reason
    assert node.values.input_depth == 7
    assert node.trigger_cleanup() == SUCCESS
    assert node.set_parameters([Parameter("qos.input_depth", value=8)])[0].successful


def test_a_guarded_callback_counts_what_it_raises(node):
    causes = []

    def callback(message):
        raise message

    guarded = node.guarded(callback, causes.append)
    guarded(BundleNotFoundError("x"))
    guarded(ArithmeticError("y"))
    assert causes == ["bundle_not_found", "internal_error"]
