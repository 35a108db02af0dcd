"""Everything that reads messages, with whatever comes: a result within bounds, or one clear reason.

``make fuzz`` runs it; ``python -m robustness.conversions --cases 100000``.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
from hypothesis import strategies as st

from robustness import messages
from robustness.drawing import for_each
from robustness.refusals import attempt, in_words, require
from starrygazer_ros.calibration import CalibrationCache
from starrygazer_ros.camera_models import camera_from_message, image_size
from starrygazer_ros.cloud_projector import CloudProjector
from starrygazer_ros.compressed import image_from_compressed, sparse_depth_from_compressed
from starrygazer_ros.headers import stamp_of
from starrygazer_ros.messages import (
    LARGEST_IMAGE,
    image_from_message,
    sparse_depth_from_message,
)
from starrygazer_ros.point_clouds import points_from_message
from starrygazer_ros.projection_parameters import CloudParameters
from starrygazer_ros.transforms import FixedTransform

BYTES_PER_BYTE = 64  # that a message of this many may need while it is read …
FIXED_BYTES = 64 << 20  # … and as many, whatever it is
BYTES_PER_PIXEL = 32  # of the largest image that a header alone may ask for
WANTED_CASES = 100_000


def _image(message: Any) -> None:
    pixels = image_from_message(message)
    require(pixels.dtype == np.uint8 and pixels.shape == (message.height, message.width, 3))


def _sparse_depth(message: Any) -> None:
    _require_depth(sparse_depth_from_message(message))


def _compressed_image(message: Any) -> None:
    pixels = image_from_compressed(message)
    require(pixels.dtype == np.uint8 and pixels.ndim == 3 and pixels.shape[2] == 3)


def _compressed_depth(message: Any) -> None:
    _require_depth(sparse_depth_from_compressed(message))


def _calibration(message: Any) -> None:
    cache = CalibrationCache()
    cache.store(message)
    for width, height in (image_size(message), (message.width, message.height)):
        found = cache.find(message.header.frame_id, width, height, stamp_of(message))
        require(np.isfinite([found.intrinsics.fx, found.intrinsics.cx]).all())
        k, p = found.matrices((3, 4))
        require((k.shape, p.shape) == ((9,), (12,)))


def _camera(message: Any) -> None:
    for rectified in (True, False):
        camera = camera_from_message(message, rectified)
        pixels = camera.project(np.array([[0.1, 0.2, 3.0], [np.nan, 0, 1], [1e300, -1e300, 1e-30]]))
        require(pixels.shape == (3, 2))


def _cloud(message: Any) -> None:
    for with_times in (False, True):
        points = points_from_message(message, with_times).points
        require(points.ndim == 2 and points.shape[1] == 3 and points.dtype.kind == "f")


def _projection(pair: Any) -> None:
    camera_info, cloud, rectified, sweeps = pair
    values = CloudParameters(
        rectified=rectified,
        sweeps_count=sweeps,
        sweeps_fixed_frame="odom",
        sweeps_compensate_motion=sweeps == 3,
    )
    projector = CloudProjector(values, FixedTransform((0, 0, 0), (0.5, -0.5, 0.5, 0.5)))
    projector.store(camera_info)
    projector.receive(cloud)
    depth = projector.project(cloud).projection.depth
    _require_depth(depth)


TARGETS: dict[str, tuple[Callable[[Any], None], st.SearchStrategy[Any]]] = {
    "image": (_image, messages.images()),
    "sparse depth": (_sparse_depth, messages.images(("32FC1", "16UC1"))),
    "compressed image": (_compressed_image, messages.compressed_images()),
    "compressed depth": (_compressed_depth, messages.compressed_images(depth=True)),
    "camera_info": (_calibration, messages.camera_infos()),
    "camera model": (_camera, messages.camera_infos()),
    "point cloud": (_cloud, messages.point_clouds()),
    "projection": (
        _projection,
        st.tuples(
            messages.camera_infos(),
            messages.point_clouds(),
            st.booleans(),
            st.sampled_from([1, 2, 3]),
        ),
    ),
}


def fuzz(name: str, cases: int, number: int | None = None) -> Counter[str]:
    """Give a target so many messages; what became of them, by cause.

    Args:
        name: of the target.
        cases: messages.
        number: seed; ``None`` = other ones each time.

    Raises:
        BrokenError: with the smallest message that was found to do it.
    """
    check, strategy = TARGETS[name]
    outcomes: Counter[str] = Counter()

    def one(message: Any) -> None:
        outcomes[attempt(check, message, allowed_bytes(message))] += 1

    for_each(strategy, cases, one, number, shrink=True)
    return outcomes


def allowed_bytes(message: Any) -> int:
    """Bytes that may be needed to read it."""
    parts = message if isinstance(message, tuple) else (message,)
    sizes = sum(len(part.data) for part in parts if hasattr(part, "data"))
    allowed = FIXED_BYTES + BYTES_PER_BYTE * sizes
    for part in parts:
        if hasattr(part, "k") or hasattr(part, "format"):
            allowed += BYTES_PER_PIXEL * LARGEST_IMAGE
    return allowed


def _require_depth(depth: Any) -> None:
    require(depth.dtype == np.float32 and depth.ndim == 2)
    require(bool(np.isfinite(depth).all() and (depth >= 0).all()))


def main(arguments: list[str] | None = None) -> int:
    """Print what became of the messages; 1 if one broke something."""
    parser = argparse.ArgumentParser(prog="python -m robustness.conversions", description=__doc__)
    parser.add_argument("--cases", type=int, default=WANTED_CASES, help="(default: %(default)d)")
    parser.add_argument("--seed", type=int, help="(default: other messages each time)")
    parser.add_argument("--only", choices=TARGETS, help="one target")
    options = parser.parse_args(arguments)
    names = [options.only] if options.only else list(TARGETS)
    failed = 0
    for name in names:
        began = time.monotonic()
        try:
            outcomes = fuzz(name, -(-options.cases // len(names)), options.seed)
        except Exception as error:  # with the smallest example in its notes
            failed += 1
            print(f"{name}: BROKEN: {type(error).__name__}: {error}")
            for note in getattr(error, "__notes__", []):
                print(f"  {note}"[:3000])
            continue
        seconds = time.monotonic() - began
        print(
            f"{name}: {sum(outcomes.values())} in {seconds:.0f} s: {in_words(outcomes)}", flush=True
        )
    return int(bool(failed))


if __name__ == "__main__":
    sys.exit(main())
