"""Frames to calibrate int8 on, for ``starrygazer models quantize``: of none that is scored."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import cv2
import numpy as np

from benchmarks.protocols import cases
from benchmarks.scenes import DEFAULT_DATA

# Neither NYU nor the KITTI drive that is scored.
SCENES = ("kitti_object_frames", "seven_scenes_redkitchen", "mosd_kinect")


def main(arguments: list[str] | None = None) -> int:
    """Write the frames."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.calibration_frames", description=__doc__
    )
    parser.add_argument("folder", type=Path, help="gets image/ and sparse/; must not exist")
    parser.add_argument("--data", type=Path, default=DEFAULT_DATA, help="with the scenes")
    parser.add_argument("--frames", type=int, default=8, help="of each set of scenes (default: 8)")
    options = parser.parse_args(arguments)
    first = {case.scenes.name: case for case in reversed(cases(options.data))}
    missing = [name for name in SCENES if name not in first]
    if missing:
        print(f"calibration_frames: {', '.join(missing)} not in {options.data}", file=sys.stderr)
        return 2
    for name in ("image", "sparse"):
        (options.folder / name).mkdir(parents=True)
    for name in SCENES:
        case = first[name]
        for index in np.linspace(0, case.frames - 1, options.frames).round().astype(int):
            scene = case.scenes.load(case.scenes.keys[index])
            sparse_depth, _ = case.split(scene, int(index))
            bgr = cv2.cvtColor(scene.image, cv2.COLOR_RGB2BGR)
            cv2.imwrite(str(options.folder / "image" / f"{name}_{index:03d}.png"), bgr)
            np.save(options.folder / "sparse" / f"{name}_{index:03d}.npy", sparse_depth)
    return 0


if __name__ == "__main__":
    sys.exit(main())
