"""On how many sparse depth images the filter of occluded points acts, clean and with faults.

It should act where a LiDAR beside the camera sees past edges (KITTI), and nowhere else.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.report import markdown_head, markdown_row
from benchmarks.sampling import misregistered, outliers, random_points, range_noise
from benchmarks.scenes import DEFAULT_DATA, SceneSet, local_sets
from starrygazer_ros.completion.occlusion import occluded_points

Depth = NDArray[np.float32]

LIDAR = ("kitti_rebuilt_gt_0009", "kitti_object_frames")
WITHOUT_PARALLAX = ("nyu_train", "hololens", "seven_scenes_redkitchen", "mosd_kinect")
FRAMES = 9  # of a set without parallax, about
SHARES = (0.005, 0.01, 0.05, 0.14, 0.19, 1.0)  # of the known pixels that are measured
FAULTS: dict[str, Callable[[Depth], Depth]] = {
    "clean": lambda sparse: sparse,
    **{
        f"{share:.0%} outliers": lambda sparse, share=share: outliers(sparse, share, 1)
        for share in (0.01, 0.02, 0.03, 0.05, 0.1, 0.2)
    },
    "5% range noise": lambda sparse: range_noise(sparse, 0.05, 1),
    "2 px misregistration": lambda sparse: misregistered(sparse, 2, 1),
}


def main(arguments: list[str] | None = None) -> int:
    """Print the table; 2 without the data."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.occlusion", description=__doc__)
    parser.add_argument("--data", type=Path, default=DEFAULT_DATA, help="local data folder")
    options = parser.parse_args(arguments)
    sets = local_sets(options.data)
    if missing := [name for name in (*LIDAR, *WITHOUT_PARALLAX) if name not in sets]:
        print(f"occlusion: not in {options.data}: {', '.join(missing)}", file=sys.stderr)
        return 2
    groups = {name: _measured(sets[name]) for name in LIDAR}
    groups["without parallax"] = (
        depth for name in WITHOUT_PARALLAX for depth in _sampled(sets[name])
    )
    lines = [*markdown_head(["sparse depth", *FAULTS])]
    for name, depths in groups.items():
        acts = np.array(
            [[occluded_points(fault(depth)).any() for fault in FAULTS.values()] for depth in depths]
        )
        lines.append(markdown_row([name, *(f"{n} of {len(acts)}" for n in acts.sum(axis=0))]))
    print("\n".join(lines))
    return 0


def _measured(scenes: SceneSet) -> Iterator[Depth]:
    """All that the LiDAR has measured of every scene."""
    for key in scenes.keys:
        scene = scenes.load(key)
        yield scene.depth if scene.sparse_depth is None else scene.sparse_depth


def _sampled(scenes: SceneSet) -> Iterator[Depth]:
    """Random points of some scenes, from few to all."""
    for key in scenes.keys[:: max(1, len(scenes.keys) // FRAMES)]:
        depth = scenes.load(key).depth
        for share in SHARES:
            points = round(share * np.count_nonzero(depth))
            yield depth if share == 1 else random_points(depth, points, 1)


if __name__ == "__main__":
    sys.exit(main())
