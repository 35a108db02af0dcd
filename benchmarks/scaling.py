"""How time and memory grow with pixels, sparse points, threads and cameras."""

from __future__ import annotations

import argparse
import json
import multiprocessing
import resource
import sys
import threading
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from benchmarks.curves import Curve, draw
from benchmarks.engine_options import add_engine_options
from benchmarks.speed import photograph
from starrygazer_ros.backends.options import EngineOptions
from starrygazer_ros.completion import CompletionError, DepthCompleter, SharedEngines
from starrygazer_ros.files import write_image

SIZES = ((320, 240), (640, 480), (960, 720), (1280, 720), (1920, 1080))
POINTS = (50, 500, 5_000, 50_000, 200_000)
THREADS = (1, 2)
CAMERAS = (1, 2, 3, 4)
SIZE = (640, 480)  # where points, threads and cameras are varied
SOME_POINTS = 5_000
MOST_STEEP = 1.0  # exponent of the time over the pixels: no more than linear
MOST_SLANTED = 0.1  # the same over the points: flat
WARM_UP = 2


@dataclass(frozen=True)
class Setting:
    """What is measured in a process of its own.

    Attributes:
        width: of the image in pixels.
        height: of the image in pixels.
        points: of the sparse depth.
        threads: of an inference.
        cameras: that share the engines, each in a thread.
    """

    width: int
    height: int
    points: int = SOME_POINTS
    threads: int = max(THREADS)
    cameras: int = 1


@dataclass(frozen=True)
class Measured:
    """A setting with the median time of a frame, of all cameras together, and peak memory."""

    setting: Setting
    milliseconds: float
    peak_mib: float


def main(arguments: list[str] | None = None) -> int:
    """Print the tables; 1 if a criterion is missed, 2 if nothing can be measured."""
    options = _parser().parse_args(arguments)
    try:
        sizes = _measure([Setting(w, h) for w, h in SIZES], options)
        points = _measure([Setting(*SIZE, points=n) for n in POINTS], options)
        threads = _measure([Setting(*SIZE, threads=n) for n in THREADS], options)
        cameras = _measure([Setting(*SIZE, cameras=n) for n in CAMERAS], options)
    except CompletionError as error:
        print(f"scaling: {error}", file=sys.stderr)
        return 2
    print(_table("pixels", [(f"{m.setting.width}x{m.setting.height}", m) for m in sizes]))
    print(_table("sparse points", [(f"{m.setting.points:,}", m) for m in points]))
    print(_table("threads", [(str(m.setting.threads), m) for m in threads]))
    print(_table("cameras", [(str(m.setting.cameras), m) for m in cameras]))
    pixels = [(m.setting.width * m.setting.height, m.milliseconds) for m in sizes]
    over_pixels = Curve("pixels", pixels)
    over_points = Curve("sparse points", [(m.setting.points, m.milliseconds) for m in points])
    criteria = {
        f"time grows with the power {over_pixels.exponent:.2f} of the pixels, "
        f"at most {MOST_STEEP}": over_pixels.exponent <= MOST_STEEP,
        f"and with the power {over_points.exponent:.2f} of the points, "
        f"at most {MOST_SLANTED}": over_points.exponent <= MOST_SLANTED,
    }
    for text, met in criteria.items():
        print(f"{'met   ' if met else 'MISSED'}  {text}")
    if options.plot:
        write_image(options.plot, draw([over_pixels, over_points], "milliseconds per image"))
    if options.json:
        rows = [asdict(m) for m in (*sizes, *points, *threads, *cameras)]
        options.json.write_text(json.dumps(rows, indent=2) + "\n", encoding="utf-8")
    return 0 if all(criteria.values()) else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scaling", description=__doc__)
    parser.add_argument("--bundle", default="default", help="name or folder (default: default)")
    parser.add_argument("--frames", type=int, default=10, help="measured frames per setting")
    add_engine_options(parser)
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the numbers here")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="also draw the curves here (PNG)")
    return parser


def _measure(settings: list[Setting], options: argparse.Namespace) -> list[Measured]:
    """Each in a new process, which tells its own peak memory."""
    measured = []
    engine = EngineOptions(options.precision)
    for setting in tqdm(settings, leave=False, disable=None):
        spawn = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(1, mp_context=spawn) as process:
            task = process.submit(
                measure, setting, options.bundle, options.backend, engine, options.frames
            )
            measured.append(task.result())
    return measured


def measure(
    setting: Setting, bundle: str, backend: str, engine: EngineOptions, frames: int
) -> Measured:
    """Complete the same image again and again; median time of a frame.

    Raises:
        CompletionError: the bundle cannot be used, or cannot complete the image.
    """
    image, depth = photograph(setting.width, setting.height)
    sparse_depth = _some_of(depth, setting.points)
    shared = SharedEngines()
    completers = [
        DepthCompleter.from_bundle(bundle, backend, setting.threads, shared=shared, options=engine)
        for _ in range(setting.cameras)
    ]

    def complete(completer: DepthCompleter) -> None:
        completer.complete(image, sparse_depth)

    seconds = []
    for frame in range(WARM_UP + frames):
        threads = [threading.Thread(target=complete, args=(c,)) for c in completers]
        started = time.perf_counter()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if frame >= WARM_UP:
            seconds.append(time.perf_counter() - started)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024  # Linux: KiB
    return Measured(setting, float(np.median(seconds)) * 1000, peak)


def _some_of(depth: NDArray[np.float32], points: int) -> NDArray[np.float32]:
    """So many points of a dense depth, spread at random; all if there are fewer."""
    places = np.flatnonzero(depth)
    chosen = np.random.default_rng(0).permutation(places)[:points]
    sparse_depth = np.zeros_like(depth)
    sparse_depth.ravel()[chosen] = depth.ravel()[chosen]
    return sparse_depth


def _table(what: str, rows: list[tuple[str, Measured]]) -> str:
    lines = [f"\n| {what} | ms per image of all cameras | images per second | peak memory MiB |"]
    lines.append("|---|---|---|---|")
    for name, measured in rows:
        rate = 1000 * measured.setting.cameras / measured.milliseconds
        lines.append(
            f"| {name} | {measured.milliseconds:.1f} | {rate:.1f} | {measured.peak_mib:.0f} |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
