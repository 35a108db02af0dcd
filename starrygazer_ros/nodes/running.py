"""Run nodes until they are told to stop and leave with exit code 0."""

from __future__ import annotations

import sys
import threading
import traceback
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryFile

import rclpy
from rclpy.exceptions import NameValidationException, ParameterException
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.logging import get_logging_directory
from rclpy.signals import SignalHandlerOptions
from rclpy.task import Future

from starrygazer_ros.freed_memory import keep_freed_memory
from starrygazer_ros.nodes.managed import ManagedNode
from starrygazer_ros.nodes.stopping import Stop

_NO_LOG_FILES = "--disable-external-lib-logs"  # ROS's name


def run(makers: Iterable[Callable[[], ManagedNode]], stop: Stop) -> int:
    """Start nodes and spin each in a thread of its own while the main thread waits.

    Args:
        makers: each creates one node.
        stop: set it to end the nodes; may be set before the call.

    Returns:
        Exit code of the process: 0 when told to stop, 1 if a name or parameter is refused or a
        callback raised.
    """
    keep_freed_memory()
    rclpy.init(args=_arguments(), signal_handler_options=SignalHandlerOptions.NO)
    try:
        with ExitStack() as stack:
            nodes = []
            try:
                for make in makers:
                    nodes.append(make())
                    stack.callback(nodes[-1].destroy_node)
                _refuse_namesakes(nodes)
            except (NameValidationException, ParameterException, ValueError) as error:
                print(f"refused to start: {error}", file=sys.stderr)
                return 1
            return _spin_until(stop, nodes)
    finally:
        rclpy.try_shutdown()


def _arguments() -> list[str]:
    """Of the process, without log files where they cannot be written: ROS would refuse to start."""
    try:
        folder = Path(get_logging_directory())
        folder.mkdir(parents=True, exist_ok=True)
        with TemporaryFile(dir=folder):
            return sys.argv
    except (OSError, RuntimeError) as error:
        if _NO_LOG_FILES not in sys.argv:
            print(
                f"no log files are written ({error}): make room, or set ROS_LOG_DIR to a folder "
                "that can be written",
                file=sys.stderr,
            )
        return [*sys.argv, "--ros-args", _NO_LOG_FILES]


def _refuse_namesakes(nodes: list[ManagedNode]) -> None:
    names = [node.get_fully_qualified_name() for node in nodes]
    for name in names:
        if names.count(name) > 1:
            raise ValueError(
                f"{names.count(name)} nodes are called {name}: a remapping of __ns holds for all, "
                "so leave it out and give each its whole namespace"
            )


def _spin_until(stop: Stop, nodes: list[ManagedNode]) -> int:
    """Start the nodes and spin a thread per node, so that none waits for another one."""
    failed = threading.Event()

    def spin(executor: SingleThreadedExecutor, stopped: Future[None]) -> None:
        try:
            executor.spin_until_future_complete(stopped)
        except ExternalShutdownException:
            pass
        except BaseException:
            failed.set()
            traceback.print_exc()
        finally:
            stop.set()

    with ExitStack() as at_end:
        for node in nodes:
            executor, stopped = SingleThreadedExecutor(), Future()
            name = f"executor of {node.get_fully_qualified_name()}"
            thread = threading.Thread(target=spin, args=(executor, stopped), name=name)
            executor.add_node(node)
            executor.create_task(node.start)
            thread.start()
            # Last comes first: an executor must not be shut down while it spins or may be woken.
            at_end.callback(executor.shutdown)
            at_end.callback(node.wait_until_prepared)
            at_end.callback(thread.join)
            at_end.callback(stopped.set_result, None)
        stop.wait()
    return int(failed.is_set())
