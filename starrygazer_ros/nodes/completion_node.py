"""The executable ``completion_node``."""

from __future__ import annotations

import argparse
import os
import sys
from functools import partial

from starrygazer_ros.nodes.stopping import stop_on_signals


def main() -> None:
    """Run one node, or one per camera, until SIGINT or SIGTERM."""
    stop = stop_on_signals()
    # These take most of a second to import, and a signal may come before they are there.
    try:
        from rclpy.utilities import remove_ros_args

        from starrygazer_ros.completion import SharedEngines
        from starrygazer_ros.nodes.completion import CompletionNode
        from starrygazer_ros.nodes.running import run
        from starrygazer_ros.worker import threads_left_behind
    except ModuleNotFoundError as error:
        sys.exit(f"completion_node needs ROS 2 ({error}): source its setup.bash first")

    cameras = _cameras(remove_ros_args(sys.argv)[1:])
    shared = SharedEngines()
    makers = [partial(CompletionNode, shared, namespace=camera) for camera in cameras]
    code = run(makers, stop)
    if threads_left_behind():  # in an engine that hangs, whose code must not be unloaded under them
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    sys.exit(code)


def _cameras(arguments: list[str]) -> list[str]:
    """Namespaces of the nodes from the command line."""
    parser = argparse.ArgumentParser(
        prog="completion_node",
        description="Dense depth from a camera and a LiDAR. Topics, parameters and remappings are "
        "given after --ros-args, see README.md.",
    )
    parser.add_argument(
        "--cameras",
        nargs="+",
        metavar="NAMESPACE",
        default=[""],
        help="run one node per namespace in this process, for example 'front rear'; nodes with "
        "the same model, back end and threads share one engine",
    )
    cameras = [name.strip("/") for name in parser.parse_args(arguments).cameras]
    twice = sorted({name for name in cameras if cameras.count(name) > 1})
    if twice:
        parser.error(f"--cameras names {', '.join(twice)} twice: each camera needs its own name")
    return cameras


if __name__ == "__main__":
    main()
