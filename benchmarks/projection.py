"""Projection of LiDAR scans beside KITTI's projected depth and beside OpenCV.

KITTI's own sparse depth counts pixels from 1, as MATLAB does, so that all of it lies one pixel to
the left and above of where the calibration says; both ways of counting are scored. Frames that have
no scan beside their projected depth are scored by the way there and back: each pixel's depth
as a LiDAR point, projected again.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.report import markdown_head, markdown_row
from benchmarks.scenes import DEFAULT_DATA
from starrygazer_ros.completion.cameras import Camera, rectified_camera
from starrygazer_ros.completion.projection import project

UNITS_PER_METRE = 256  # of KITTI's depth PNGs
EQUAL = 0.99  # of the pixels that either has
POINTS = 120_000
SEQUENCE = Path("kitti_raw_0009_sequence/2011_09_26/2011_09_26_drive_0009_sync/velodyne_points")
REBUILT, OBJECT = "kitti_rebuilt_gt_0009", "kitti_object_frames"


class ProjectionDataError(ValueError):
    """The data folder holds nothing that can be scored."""


@dataclass(frozen=True)
class Frame:
    """Projected LiDAR of KITTI and what it was made of.

    Attributes:
        name: data set and frame.
        reference: uint16 [H, W], 256 per metre, 0 = none.
        projection: float64 [3, 4], P2.
        rect_from_lidar: float64 [4, 4].
        points: float32 [N, 3] in the LiDAR's frame; ``None`` where there is no scan.
    """

    name: str
    reference: NDArray[np.uint16]
    projection: NDArray[np.float64]
    rect_from_lidar: NDArray[np.float64]
    points: NDArray[np.float32] | None

    def camera(self, first_pixel: int) -> Camera:
        """The camera, its pixels counted from 0 or 1."""
        height, width = self.reference.shape
        shift = np.array([[1.0, 0, -first_pixel], [0, 1, -first_pixel], [0, 0, 1]])
        return rectified_camera(shift @ self.projection, width, height)


def main(arguments: list[str] | None = None) -> int:
    """Print the tables; 1 if a criterion is missed, 2 without the data."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.projection", description=__doc__)
    parser.add_argument("--data", type=Path, default=DEFAULT_DATA, help="local data folder")
    parser.add_argument("--repeats", type=int, default=30, help="of the timing (default: 30)")
    options = parser.parse_args(arguments)
    try:
        frames = list(read_frames(options.data))
    except ProjectionDataError as error:
        print(f"projection: {error}", file=sys.stderr)
        return 2
    print("\n".join(markdown_head(["frame", "pixels", "equal from 1", "equal from 0"])))
    shares = []
    for frame in frames:
        pixels = np.count_nonzero(frame.reference)
        if frame.points is None:
            share = equal_pixels(frame, back_projected(frame), 0)
            cells = [f"{frame.name} (there and back)", f"{pixels}", "", f"{share:.2%}"]
            shares.append(share)
        else:
            from_one, from_zero = (equal_pixels(frame, frame.points, n) for n in (1, 0))
            cells = [frame.name, f"{pixels}", f"{from_one:.2%}", f"{from_zero:.2%}"]
            shares.append(max(from_one, from_zero))
        print(markdown_row(cells))
    timings = _timings(frames[0], options.repeats)
    print(f"\n{POINTS} points into {frames[0].reference.shape[::-1]}, median of the same run:\n")
    print("\n".join(markdown_head(["", "ms"])))
    for name, seconds in timings.items():
        print(markdown_row([name, f"{1000 * seconds:.2f}"]))
    ours, opencv, *_ = timings.values()
    criteria = {
        f"every frame has at least {EQUAL:.0%} equal pixels": min(shares) >= EQUAL,
        "faster than OpenCV and a z-buffer": ours < opencv,
    }
    print()
    for text, met in criteria.items():
        print(f"{'met   ' if met else 'MISSED'}  {text}")
    return 0 if all(criteria.values()) else 1


def read_frames(data: Path) -> Iterator[Frame]:
    """Frames of the local data folder, those with scans first.

    Raises:
        ProjectionDataError: there are none with scans.
    """
    rebuilt, frames = data / REBUILT, data / OBJECT
    scans = {path.stem: path for path in sorted((data / SEQUENCE).rglob("*.bin"))}
    keys = [path.stem for path in sorted((rebuilt / "velodyne_raw").glob("*.png"))]
    found = [key for key in keys if key in scans]
    object_keys = [path.stem for path in sorted((frames / "velodyne_raw").glob("*.png"))]
    with_scan = [key for key in object_keys if (frames / "velodyne" / f"{key}.bin").is_file()]
    if not found and not with_scan:
        raise ProjectionDataError(
            f"{data} has neither {SEQUENCE} beside {REBUILT} nor {OBJECT}/velodyne/*.bin: "
            "name the data folder with --data"
        )
    for key in found:
        yield Frame(
            f"{REBUILT} {key}",
            _read(rebuilt / "velodyne_raw" / f"{key}.png"),
            np.loadtxt(rebuilt / "calib" / "P_rect_02.txt"),
            np.loadtxt(rebuilt / "calib" / "Tr_velo_to_rectcam0.txt"),
            _read_scan(scans[key]),
        )
    for key in sorted(object_keys, key=lambda key: key not in with_scan):
        scan = frames / "velodyne" / f"{key}.bin"
        yield Frame(
            f"{OBJECT} {key}",
            _read(frames / "velodyne_raw" / f"{key}.png"),
            np.loadtxt(frames / "calib" / f"{key}_P2.txt"),
            np.loadtxt(frames / "calib" / f"{key}_Tr_velo_to_rect.txt"),
            _read_scan(scan) if scan.is_file() else None,
        )


def equal_pixels(frame: Frame, points: NDArray[np.float32], first_pixel: int) -> float:
    """Share of the pixels with depth, in either image, that have the same 16-bit value."""
    result = project(
        points, frame.camera(first_pixel), frame.rect_from_lidar, filter_occluded=False
    )
    stored = np.rint(result.depth * UNITS_PER_METRE).astype(np.uint16)
    known = (stored > 0) | (frame.reference > 0)
    return float(np.mean(stored[known] == frame.reference[known]))


def back_projected(frame: Frame) -> NDArray[np.float32]:
    """LiDAR points of the pixels that have depth, float32 [N, 3]."""
    rows, columns = np.nonzero(frame.reference)
    depth = frame.reference[rows, columns] / UNITS_PER_METRE
    seen = np.stack([columns * depth, rows * depth, depth, np.ones_like(depth)])
    image_from_lidar = np.vstack([frame.projection, [0, 0, 0, 1]]) @ frame.rect_from_lidar
    return np.linalg.solve(image_from_lidar, seen)[:3].T.astype(np.float32)


def opencv_and_z_buffer(
    points: NDArray[np.float32], camera: Camera, frame_from_points: NDArray[np.float64]
) -> NDArray[np.float32]:
    """The usual way: ``cv2.projectPoints``, then the nearest of each pixel with numpy."""
    transform = camera.from_frame @ frame_from_points
    intrinsics = camera.intrinsics
    matrix = np.array(
        [[intrinsics.fx, 0, intrinsics.cx], [0, intrinsics.fy, intrinsics.cy], [0, 0, 1.0]]
    )
    rotation, _ = cv2.Rodrigues(transform[:3, :3])
    pixels = cv2.projectPoints(points, rotation, transform[:3, 3], matrix, None)[0][:, 0]
    z = points @ transform[2, :3].astype(np.float32) + np.float32(transform[2, 3])
    u, v = np.rint(pixels.T)
    width, height = intrinsics.width, intrinsics.height
    inside = (z > 0) & (u >= 0) & (u < width) & (v >= 0) & (v < height)
    depth = np.full((height, width), np.inf, np.float32)
    np.minimum.at(depth, (v[inside].astype(int), u[inside].astype(int)), z[inside])
    depth[np.isinf(depth)] = 0
    return depth


def _timings(frame: Frame, repeats: int) -> dict[str, float]:
    """Median seconds of this project, of OpenCV, and of this project with its filter."""
    assert frame.points is not None
    camera, extrinsics = frame.camera(0), frame.rect_from_lidar
    # The scans are cut to what lies ahead; a whole one has about as many points behind.
    whole = np.concatenate([frame.points, frame.points * np.float32([-1, 1, 1])])
    points = np.ascontiguousarray(np.resize(whole, (POINTS, 3)))
    calls: dict[str, Callable[[], object]] = {
        "starrygazer_ros": lambda: project(points, camera, extrinsics, filter_occluded=False),
        "cv2.projectPoints and numpy": lambda: opencv_and_z_buffer(points, camera, extrinsics),
        "starrygazer_ros, without hidden background": lambda: project(points, camera, extrinsics),
    }
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(repeats):  # in turn, so that all meet the same load
        for name, call in calls.items():
            start = time.perf_counter()
            call()
            seconds[name].append(time.perf_counter() - start)
    return {name: float(np.median(values)) for name, values in seconds.items()}


def _read_scan(path: Path) -> NDArray[np.float32]:
    """x, y and z of a KITTI scan; the fourth value is the reflectance."""
    return np.fromfile(path, np.float32).reshape(-1, 4)[:, :3]


def _read(path: Path) -> NDArray[np.uint16]:
    stored = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    if stored is None:
        raise ProjectionDataError(f"{path} cannot be read as an image")
    return np.asarray(stored, np.uint16)


if __name__ == "__main__":
    sys.exit(main())
