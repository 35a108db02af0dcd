"""The ``starrygazer`` command: depth completion of files, without ROS."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from starrygazer_ros import __version__
from starrygazer_ros.backends import BACKENDS
from starrygazer_ros.completion import DepthCompleter, Intrinsics
from starrygazer_ros.completion.completer import DEFAULT_MIN_SPARSE_POINTS
from starrygazer_ros.completion.errors import CompletionError, InputError
from starrygazer_ros.files import (
    KITTI_DEPTH_SCALE,
    FileError,
    read_image,
    read_sparse_depth,
    write_depth_npy,
    write_depth_png,
    write_image,
    write_point_cloud,
)
from starrygazer_ros.visualization import colour_depth

EXIT_OK, EXIT_BAD_INPUT, EXIT_INTERRUPTED = 0, 2, 130

_DESCRIPTION = "Dense metric depth from a camera image and sparse depth, without ROS."

_EPILOG = """\
examples:
  starrygazer complete image.png lidar.png -o dense.png
  starrygazer complete --help

The ROS 2 node of the same package is started with
  ros2 launch starrygazer_ros complete.launch.py
"""

_COMPLETE_DESCRIPTION = """\
Complete sparse depth with the help of the image it belongs to.

IMAGE   a colour or grey image in any format that OpenCV reads
SPARSE  depth along the optical axis for some pixels of IMAGE, of the same size:
          .npy       floating point, metres, 0 or NaN = no measurement
          16-bit PNG metres times --depth-scale, 0 = no measurement
OUT     the dense depth; the ending says in which form:
          .npy               float32, metres, NaN = unknown
          .png               16-bit, metres times --depth-scale, 0 = unknown
          .preview.png .jpg  coloured picture, near = red, far = blue
          .ply               coloured point cloud in metres, needs --intrinsics
"""

_COMPLETE_EPILOG = """\
examples:
  KITTI's 16-bit PNG in and out (metres times 256), with a picture to look at:
    starrygazer complete image.png lidar.png -o dense.png -o dense.preview.png
  A depth camera's PNG in millimetres, to a float array:
    starrygazer complete colour.jpg depth.png --depth-scale 1000 -o dense.npy
  A point cloud, with fx fy cx cy of the camera in pixels:
    starrygazer complete image.png sparse.npy --intrinsics 721.5 721.5 609.6 172.9 -o dense.ply
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command.

    Args:
        arguments: without the program's name; default: the process's own.

    Returns:
        The exit code: 0, or 2 for bad input with one line on stderr.

    Raises:
        SystemExit: for ``--help``, ``--version`` and arguments that cannot be parsed.
    """
    options = _parser().parse_args(arguments)
    try:
        return int(options.run(options))
    except (CompletionError, FileError) as error:
        print(f"starrygazer: error: {' '.join(str(error).split())}", file=sys.stderr)
        return EXIT_BAD_INPUT
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
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
        type=_positive_number,
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
        "--bundle", default="default", help="model bundle: name or folder (default: default)"
    )
    complete.add_argument(
        "--backend", choices=BACKENDS, default="auto", help="what runs the networks (default: auto)"
    )
    complete.add_argument(
        "--threads", type=_positive_integer, default=2, help="CPU threads (default: 2)"
    )
    complete.add_argument(
        "--min-sparse-points",
        type=_positive_integer,
        default=DEFAULT_MIN_SPARSE_POINTS,
        metavar="N",
        help=f"refuse sparse depth with fewer points (default: {DEFAULT_MIN_SPARSE_POINTS})",
    )
    complete.add_argument(
        "--keep-occluded",
        action="store_true",
        help="believe points that look like background seen past edges",
    )
    return parser


def _positive_number(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = np.nan
    if not (np.isfinite(number) and number > 0):
        raise argparse.ArgumentTypeError(f"{text} is not a positive number")
    return number


def _positive_integer(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a whole number of at least 1")
    return int(text)


def _complete(options: argparse.Namespace) -> int:
    for path in options.output:  # before the work, not after it
        _check_output(path, options)
    image = read_image(options.image)
    sparse_depth = read_sparse_depth(options.sparse, options.depth_scale)
    intrinsics = _intrinsics(options.intrinsics, image) if options.intrinsics else None
    completer = DepthCompleter.from_bundle(
        options.bundle,
        options.backend,
        options.threads,
        options.min_sparse_points,
        filter_occluded=not options.keep_occluded,
    )
    result = completer.complete(image, sparse_depth)
    for path in options.output:
        _write(path, result.depth, image, intrinsics, options.depth_scale)
    points = int(np.count_nonzero(sparse_depth > 0))
    seconds = result.timings["total"]
    written = ", ".join(map(str, options.output))
    left_out = f", {result.occluded_points} left out as occluded" if result.occluded_points else ""
    print(f"{points} points{left_out} completed in {seconds:.2f} s: {written}")
    return EXIT_OK


def _intrinsics(values: list[float], image: NDArray[np.uint8]) -> Intrinsics:
    fx, fy, cx, cy = values
    height, width = image.shape[:2]
    try:
        return Intrinsics(fx, fy, cx, cy, width, height)
    except ValueError as error:
        raise InputError(f"--intrinsics: {error}") from error


def _is_picture(path: Path) -> bool:
    name = path.name.lower()
    return name.endswith((".preview.png", ".jpg", ".jpeg"))


def _check_output(path: Path, options: argparse.Namespace) -> None:
    ending = path.suffix.lower()
    if path.resolve() in (options.image.resolve(), options.sparse.resolve()):
        raise FileError(f"{path} is an input and would be overwritten: choose another name")
    if ending not in (".npy", ".png", ".ply") and not _is_picture(path):
        raise FileError(
            f"{path}: the ending must be .png, .npy, .preview.png, .jpg or .ply "
            "(see starrygazer complete --help)"
        )
    if ending == ".ply" and options.intrinsics is None:
        raise FileError(f"{path}: a point cloud needs the camera: add --intrinsics FX FY CX CY")
    if not path.parent.is_dir():
        raise FileError(f"{path}: there is no folder {path.parent}")


def _write(
    path: Path,
    depth: NDArray[np.float32],
    image: NDArray[np.uint8],
    intrinsics: Intrinsics | None,
    depth_scale: float,
) -> None:
    ending = path.suffix.lower()
    if _is_picture(path):
        write_image(path, colour_depth(depth))
    elif ending == ".npy":
        write_depth_npy(path, depth)
    elif ending == ".ply":
        assert intrinsics is not None  # _check_output
        write_point_cloud(path, depth, image, intrinsics)
    else:
        saturated = write_depth_png(path, depth, depth_scale)
        if saturated:
            limit = np.iinfo(np.uint16).max / depth_scale
            print(
                f"starrygazer: warning: {saturated} pixels are farther than {limit:.1f} m, which "
                f"16 bits cannot hold at --depth-scale {depth_scale:g}; stored as {limit:.1f} m",
                file=sys.stderr,
            )


if __name__ == "__main__":
    sys.exit(main())
