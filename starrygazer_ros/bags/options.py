"""The arguments of ``starrygazer bag``; apart from its work, which needs the package rosbags."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from starrygazer_ros.completion import CompletionError

_DESCRIPTION = """\
Complete the depth of a recorded bag, without ROS.

IN      a rosbag2: its folder, or a single .mcap or .db3 file
OUT     the new bag, in the same storage and compressed as IN (chunks of MCAP by zstd, also where
        it was lz4): all topics of IN byte for byte, and behind the later message of each pair of
        image and sparse depth
          /depth/dense /depth/camera_info /depth/points /depth/confidence
        as the node publishes them, with the image's header

Topics are found by their types where there is no doubt. The sparse depth may also be a PointCloud2:
then it is projected with the bag's /tf and /tf_static, or the only topics of their type. After an
interruption the same command goes on where it was; until the end the frames lie in OUT.partial.
"""

_EPILOG = """\
examples:
  starrygazer bag drive drive_dense
  starrygazer bag drive.mcap drive_dense --sparse-depth /velodyne_points --outputs dense points
  starrygazer bag drive drive_dense --params-file complete.yaml -p sync.policy:=latest
"""
_OUTPUTS = ("dense", "camera_info", "points", "confidence")


class MissingBagPackageError(CompletionError):
    """A package that only bags need is not installed."""

    cause = "no_rosbags"


def add_bag_command(commands: Any) -> None:
    """Add the command to the subparsers of ``starrygazer``."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "bag",
        help="complete the depth of a recorded rosbag2",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(run=_run)
    parser.add_argument("input", type=Path, metavar="IN")
    parser.add_argument("output", type=Path, metavar="OUT")
    parser.add_argument("--image", metavar="TOPIC", help="rectified camera image, also compressed")
    parser.add_argument(
        "--sparse-depth", metavar="TOPIC", help="sparse depth, also compressed, or a PointCloud2"
    )
    parser.add_argument("--camera-info", metavar="TOPIC", help="calibration of the image")
    parser.add_argument(
        "--tf-topic", metavar="TOPIC", help="transforms for a PointCloud2 (default: /tf)"
    )
    parser.add_argument(
        "--tf-static-topic", metavar="TOPIC", help="static ones (default: /tf_static)"
    )
    parser.add_argument(
        "--outputs",
        nargs="+",
        choices=_OUTPUTS,
        default=_OUTPUTS,
        metavar="OUTPUT",
        help=f"only these of {', '.join(_OUTPUTS)} (default: all)",
    )
    parser.add_argument(
        "--namespace",
        default="",
        metavar="NAME",
        help="in front of the new topics, and of the node in the parameters file (default: none)",
    )
    parser.add_argument(
        "--params-file", type=Path, metavar="FILE", help="YAML with parameters of completion_node"
    )
    parser.add_argument(
        "-p",
        dest="parameter",
        action="append",
        default=[],
        metavar="NAME:=VALUE",
        help="one parameter of completion_node, such as sync.slop:=0.02; repeatable",
    )


def _run(options: argparse.Namespace) -> int:
    try:
        from starrygazer_ros.bags.command import complete_bag
    except ModuleNotFoundError as error:
        if error.name and error.name.startswith("starrygazer_ros"):
            raise
        raise MissingBagPackageError(
            f"bags need the package {error.name}: pip install rosbags tqdm"
        ) from error
    return complete_bag(options)
