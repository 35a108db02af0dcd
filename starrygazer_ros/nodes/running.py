"""Run a node until it is told to stop and leave with exit code 0."""

from __future__ import annotations

import sys
import threading
import traceback
from collections.abc import Callable

import rclpy
from rclpy.exceptions import ParameterException
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.signals import SignalHandlerOptions

from starrygazer_ros.nodes.managed import ManagedNode


def run(make_node: Callable[[], ManagedNode], stop: threading.Event) -> int:
    """Spin a node in a thread while the main thread waits.

    Args:
        make_node: creates the node.
        stop: set it to end the node; may be set before the call.

    Returns:
        Exit code of the process: 0 when told to stop, 1 if a parameter is refused or a callback
        raised.
    """
    rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
    try:
        try:
            node = make_node()
        except (ParameterException, ValueError) as error:
            print(f"refused to start: {error}", file=sys.stderr)
            return 1
        try:
            if not stop.is_set():
                node.start()
            return _spin_until(stop, node)
        finally:
            node.destroy_node()
    finally:
        rclpy.try_shutdown()


def _spin_until(stop: threading.Event, node: ManagedNode) -> int:
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    failed = threading.Event()

    def spin() -> None:
        try:
            executor.spin()
        except ExternalShutdownException:
            pass
        except BaseException:
            failed.set()
            traceback.print_exc()
        finally:
            stop.set()

    thread = threading.Thread(target=spin, name="executor")
    thread.start()
    stop.wait()
    executor.shutdown()
    thread.join()
    return int(failed.is_set())
