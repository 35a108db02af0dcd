"""What reading messages costs, beside a plain copy of the same bytes by ``np.frombuffer``."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from sensor_msgs.msg import Image, PointCloud2, PointField

from starrygazer_ros.messages import image_from_message, sparse_depth_from_message
from starrygazer_ros.point_clouds import points_from_message

WIDTH, HEIGHT = 640, 480
POINTS = 120_000  # of a LiDAR with 64 lines
IMAGES = {  # bytes of a pixel
    "rgb8": 3,
    "bgr8": 3,
    "rgba8": 4,
    "bgra8": 4,
    "mono8": 1,
    "mono16": 2,
    "bayer_rggb8": 1,
    "yuv422": 2,
    "yuv422_yuy2": 2,
}
DEPTHS = {"32FC1": 4, "16UC1": 2}
CLOUDS = {"xyz": 12, "xyz + intensity, padded": 32}


@dataclass(frozen=True)
class Cost:
    """Medians in microseconds.

    Attributes:
        message: encoding or layout.
        reading: into the array that the node works with, checks included.
        copying: the same bytes as they are.
    """

    message: str
    reading: float
    copying: float


def main(arguments: list[str] | None = None) -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.conversions", description=__doc__)
    parser.add_argument("--repeats", type=int, default=50, help="of each (default: 50)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the numbers here")
    options = parser.parse_args(arguments)
    costs = measure(options.repeats)
    print(
        f"\n| message ({WIDTH}x{HEIGHT}; {POINTS:,} points) | reading µs | plain copy µs | ratio |"
    )
    print("|---|---|---|---|")
    for cost in costs:
        ratio = cost.reading / cost.copying
        print(f"| {cost.message} | {cost.reading:.0f} | {cost.copying:.0f} | {ratio:.1f} |")
    if options.json:
        numbers = [asdict(cost) for cost in costs]
        options.json.write_text(json.dumps(numbers, indent=2) + "\n", encoding="utf-8")
    return 0


def measure(repeats: int) -> list[Cost]:
    """Cost of each kind of message."""
    cases: list[tuple[str, Any, Callable[[Any], object]]] = []
    for encoding, size in IMAGES.items():
        cases.append((encoding, _image(encoding, size), image_from_message))
    for encoding, size in DEPTHS.items():
        cases.append((encoding, _image(encoding, size), sparse_depth_from_message))
    for layout, step in CLOUDS.items():
        cases.append((layout, _cloud(step), points_from_message))
    costs = []
    for name, message, read in cases:
        reading, copying = [], []
        for _ in range(repeats):  # in turn, so that a busy machine slows both
            reading.append(_seconds(lambda m=message, r=read: r(m)))
            copying.append(_seconds(lambda m=message: np.frombuffer(m.data, np.uint8).copy()))
        costs.append(Cost(name, *(float(np.median(s)) * 1e6 for s in (reading, copying))))
    return costs


def _seconds(call: Callable[[], object]) -> float:
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


def _image(encoding: str, size: int) -> Image:
    message = Image(height=HEIGHT, width=WIDTH, encoding=encoding, step=size * WIDTH)
    if encoding == "32FC1":
        pixels = np.ones(HEIGHT * WIDTH, np.float32)
        message.data.frombytes(pixels.tobytes())
    else:
        random = np.random.default_rng(0)
        message.data.frombytes(random.integers(0, 256, HEIGHT * message.step, np.uint8).tobytes())
    return message


def _cloud(step: int) -> PointCloud2:
    message = PointCloud2(height=1, width=POINTS, point_step=step, row_step=step * POINTS)
    message.fields = [
        PointField(name=name, offset=4 * i, datatype=PointField.FLOAT32, count=1)
        for i, name in enumerate("xyz")
    ]
    message.data.frombytes(np.ones(POINTS * step // 4, np.float32).tobytes())
    return message


if __name__ == "__main__":
    sys.exit(main())
