"""The ``starrygazer`` command: depth completion of files and bags, without ROS."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from starrygazer_ros import __version__
from starrygazer_ros.backends import BACKENDS
from starrygazer_ros.bags.options import add_bag_command
from starrygazer_ros.completion import CompletionResult, DepthCompleter, Intrinsics
from starrygazer_ros.completion.completer import DEFAULT_MIN_SPARSE_POINTS, NEAREST
from starrygazer_ros.completion.doubts import Doubts
from starrygazer_ros.completion.errors import (
    CompletionError,
    InputError,
    TooFewSparsePointsError,
    in_one_line,
)
from starrygazer_ros.console import (
    EXIT_BAD_INPUT,
    EXIT_INTERRUPTED,
    EXIT_OK,
    EXIT_SICK,
    positive_integer,
    positive_number,
    say,
    share,
)
from starrygazer_ros.doctor import add_doctor_command
from starrygazer_ros.engines_command import add_engines_command
from starrygazer_ros.files import KITTI_DEPTH_SCALE, FileError, read_image, read_sparse_depth
from starrygazer_ros.models_command import add_models_command
from starrygazer_ros.output_files import Completed, check_output, is_depth_png, write_output
from starrygazer_ros.visualization import metres

_FARTHEST_MEDIAN = 200.0  # metres; where half of a scene is farther, the unit is in doubt

_DESCRIPTION = "Dense metric depth from a camera image and sparse depth, without ROS."

_EPILOG = """\
examples:
  starrygazer complete image.png lidar.png -o dense.png
  starrygazer complete --help
  starrygazer bag recording completed
  starrygazer doctor

The ROS 2 node of the same package is started with
  ros2 launch starrygazer_ros complete.launch.py
"""

_COMPLETE_DESCRIPTION = """\
Complete sparse depth with the help of the image it belongs to.

IMAGE   a colour or grey image in any format that OpenCV reads
SPARSE  depth along the optical axis for some pixels of IMAGE, of the same size:
          .npy       floating point, metres; 0, NaN or negative = no measurement
          16-bit PNG metres times --depth-scale, 0 = no measurement
OUT     the dense depth or its confidence; the ending says in which form:
          .npy               float32, metres, NaN = unknown
          .png               16-bit, metres times --depth-scale, 0 = unknown
          .preview.png .jpg  coloured picture, near = red, far = blue, scale at the right
          .ply               coloured point cloud in metres, needs --intrinsics
          .confidence.npy    float32, 0 to 1, 1 = most certain
          .confidence.png    8-bit, confidence times 255
"""

_COMPLETE_EPILOG = """\
examples:
  KITTI's 16-bit PNG in and out (metres times 256), with a picture to look at:
    starrygazer complete image.png lidar.png -o dense.png -o dense.preview.png
  A depth camera's PNG in millimetres, to a float array:
    starrygazer complete colour.jpg depth.png --depth-scale 1000 -o dense.npy
  A point cloud, with fx fy cx cy of the camera in pixels:
    starrygazer complete image.png sparse.npy --intrinsics 721.5 721.5 609.6 172.9 -o dense.ply
  Only what is rather certain, without points that hang in the air at edges:
    starrygazer complete image.png sparse.npy --intrinsics 721.5 721.5 609.6 172.9 \\
      --min-confidence 0.5 --edge-ratio 0.02 -o dense.ply -o dense.confidence.png
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command.

    Args:
        arguments: without the program's name; default: the process's own.

    Returns:
        The exit code: 0, 2 for bad input with one line on stderr, or 1 where whoever reads the
        output has gone.

    Raises:
        SystemExit: for ``--help``, ``--version`` and arguments that cannot be parsed.
    """
    options = _parser().parse_args(arguments)
    try:
        code = int(options.run(options))
        sys.stdout.flush()  # here, where the reader's end can be told from a fault
        return code
    except (CompletionError, FileError) as error:
        message = in_one_line(error)
        if isinstance(error, TooFewSparsePointsError):
            message = message.replace("min_sparse_points", "--min-sparse-points")
        say(f"error: {message}")
        return EXIT_BAD_INPUT
    except BrokenPipeError:  # as in `starrygazer doctor | head -3`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for the flush at exit
        return EXIT_SICK
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED


class _Parser(argparse.ArgumentParser):
    """Takes options by their whole names only; so do its commands."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings, allow_abbrev=False)


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="starrygazer",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"starrygazer {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    complete = commands.add_parser(
        "complete",
        help="complete one image's sparse depth",
        description=_COMPLETE_DESCRIPTION,
        epilog=_COMPLETE_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    complete.set_defaults(run=_complete)
    complete.add_argument("image", type=Path, metavar="IMAGE")
    complete.add_argument("sparse", type=Path, metavar="SPARSE")
    complete.add_argument(
        "-o",
        "--output",
        type=Path,
        action="append",
        required=True,
        metavar="OUT",
        help="where to write; may be given several times",
    )
    complete.add_argument(
        "--depth-scale",
        type=positive_number,
        default=KITTI_DEPTH_SCALE,
        metavar="STEPS",
        help="steps per metre in 16-bit PNG: 256 as in KITTI (default), 1000 for millimetres",
    )
    complete.add_argument(
        "--intrinsics",
        type=float,
        nargs=4,
        metavar=("FX", "FY", "CX", "CY"),
        help="of the rectified image, in pixels; only needed for .ply",
    )
    complete.add_argument(
        "--min-confidence",
        type=share,
        metavar="C",
        help="0 to 1; depth that is less certain is written as unknown (default: keep all)",
    )
    complete.add_argument(
        "--edge-ratio",
        type=positive_number,
        metavar="R",
        help="leave points out of .ply that lie between their neighbours, by more than this share "
        "of their depth to a nearer and to a farther one, such as 0.02 (default: keep all)",
    )
    complete.add_argument(
        "--bundle",
        "--model",  # as the node's parameter
        default="default",
        help="model bundle: name or folder (default: default)",
    )
    complete.add_argument(
        "--backend", choices=BACKENDS, default="auto", help="what runs the networks (default: auto)"
    )
    complete.add_argument(
        "--threads", type=positive_integer, default=2, help="CPU threads (default: 2)"
    )
    complete.add_argument(
        "--min-sparse-points",
        type=positive_integer,
        default=DEFAULT_MIN_SPARSE_POINTS,
        metavar="N",
        help=f"refuse sparse depth with fewer points (default: {DEFAULT_MIN_SPARSE_POINTS})",
    )
    complete.add_argument(
        "--keep-occluded",
        action="store_true",
        help="believe points that look like background seen past edges",
    )
    add_bag_command(commands)
    add_engines_command(commands)
    add_models_command(commands)
    add_doctor_command(commands)
    return parser


def _complete(options: argparse.Namespace) -> int:
    inputs = (options.image, options.sparse)
    for path in options.output:  # before the work, not after it
        check_output(path, inputs, options.intrinsics is not None)
    image = read_image(options.image)
    sparse_depth = read_sparse_depth(
        options.sparse,
        options.depth_scale,
        lambda count: say(f"note: {options.sparse}: {count} negative values are taken as none"),
    )
    intrinsics = _intrinsics(options.intrinsics, image) if options.intrinsics else None
    completer = DepthCompleter.from_bundle(
        options.bundle,
        options.backend,
        options.threads,
        options.min_sparse_points,
        filter_occluded=not options.keep_occluded,
    )
    result = completer.complete(image, sparse_depth)
    depth = result.depth
    if options.min_confidence is not None:
        certain = result.confidence >= options.min_confidence
        depth = np.where(certain, depth, np.float32(np.nan))
    completed = Completed(
        depth, result.confidence, image, intrinsics, options.depth_scale, options.edge_ratio
    )
    saturated = max(write_output(path, completed) for path in options.output)
    for doubt in Doubts().find(image, sparse_depth, result):
        say(f"warning: {doubt}")
    _warn_of_distance(result.depth, saturated, options.depth_scale)
    print(_summary(options, sparse_depth, depth, result))
    return EXIT_OK


def _intrinsics(values: list[float], image: NDArray[np.uint8]) -> Intrinsics:
    fx, fy, cx, cy = values
    height, width = image.shape[:2]
    try:
        return Intrinsics(fx, fy, cx, cy, width, height)
    except ValueError as error:
        raise InputError(f"--intrinsics: {error}") from error


def _warn_of_distance(depth: NDArray[np.float32], saturated: int, depth_scale: float) -> None:
    """Say what a PNG could not hold, and ask for the unit where nearly no scene is that deep.

    Args:
        depth: float32 [H, W] metres, NaN = unknown.
        saturated: pixels that were too far for a PNG.
        depth_scale: of the PNG.
    """
    known = depth[np.isfinite(depth)]
    median = float(np.median(known)) if known.size else 0.0
    if saturated:
        limit = np.iinfo(np.uint16).max / depth_scale
        question = (
            f"; half of the image is farther than {metres(median)}: are these millimetres?"
            if saturated > known.size / 2 or median > _FARTHEST_MEDIAN
            else ""
        )
        say(
            f"warning: {saturated} pixels are farther than {limit:.1f} m, which 16 bits cannot "
            f"hold at --depth-scale {depth_scale:g}; stored as {limit:.1f} m{question}"
        )
    elif median > _FARTHEST_MEDIAN:
        say(
            f"warning: half of the image is farther than {metres(median)}: are these millimetres? "
            "A .npy file holds metres; of a PNG --depth-scale says the unit"
        )


def _summary(
    options: argparse.Namespace,
    sparse_depth: NDArray[np.float32],
    depth: NDArray[np.float32],
    result: CompletionResult,
) -> str:
    """What came in and what was written, in metres, so that a wrong unit is seen."""
    measured = sparse_depth[sparse_depth >= NEAREST]
    scale = f" (--depth-scale {options.depth_scale:g})"
    occluded = result.occluded_points
    left_out = f" ({occluded} left out as occluded)" if occluded else ""
    read_at = "" if options.sparse.suffix.lower() == ".npy" else scale
    unknown = 1 - np.isfinite(depth).mean()
    written = ", ".join(f"{path}{scale if is_depth_png(path) else ''}" for path in options.output)
    return (
        f"completed {measured.size} points{left_out}, {_range(measured)}{read_at}, "
        f"in {result.timings['total']:.2f} s: dense {_range(depth[np.isfinite(depth)])}"
        f"{f', {unknown:.1%} unknown' if unknown else ''} -> {written}"
    )


def _range(depths: NDArray[np.float32]) -> str:
    """From the nearest to the farthest."""
    if depths.size == 0:
        return "nowhere"
    return f"{metres(float(depths.min()))} to {metres(float(depths.max()))}"


if __name__ == "__main__":
    sys.exit(main())
