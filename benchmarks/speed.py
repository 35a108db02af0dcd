"""Speed of the completer and of the node, beside the classical methods on the same frames."""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from benchmarks.baselines import barycentric
from benchmarks.engine_options import add_engine_options
from benchmarks.evaluation import BARYCENTRIC, left_out, point_methods
from benchmarks.limit import EngineCalls, on_host
from benchmarks.scenes import assumed_intrinsics, motorcycle
from starrygazer_ros.backends.options import EngineOptions
from starrygazer_ros.completion import CompletionError, DepthCompleter
from starrygazer_ros.demo.scan_lines import scan_lines
from starrygazer_ros.freed_memory import keep_freed_memory

if TYPE_CHECKING:
    from benchmarks.round_trips import RoundTrips

SIZES = {"640x480": (640, 480, 16), "1216x352": (1216, 352, 64)}  # width, height, scan lines
WARM_UP = 3
MOST_OF_COMPLETER = 1.10  # times the engine calls alone
MOST_OF_NODE = 1.15  # times the engine calls alone, beside what ROS itself costs


@dataclass(frozen=True)
class Duration:
    """Percentiles over the frames, in milliseconds."""

    p50: float
    p95: float

    @classmethod
    def of(cls, seconds: list[float]) -> Duration:
        """Percentiles of durations in seconds."""
        p50, p95 = np.percentile(seconds, (50, 95)) * 1000
        return cls(float(p50), float(p95))


@dataclass(frozen=True)
class Timing:
    """Times at one image size.

    Attributes:
        size: width x height.
        stages: of the completer, and ``total``.
        limit: the engine calls alone, made in turn with the completer; ``None`` on a device.
        ratio: the completer over the calls next to it, median over the frames.
        others: the classical methods.
        peak_memory: peak resident memory of this process in bytes so far.
    """

    size: str
    stages: dict[str, Duration]
    limit: Duration | None
    ratio: float
    others: dict[str, Duration]
    peak_memory: int


def main(arguments: list[str] | None = None) -> int:
    """Print the tables; 1 if a criterion is missed, 2 if nothing can be measured."""
    options = _parser().parse_args(arguments)
    keep_freed_memory()  # as the nodes do
    machine = _machine()
    print(", ".join(f"{name} {value}" for name, value in machine.items()))
    try:
        completer = DepthCompleter.from_bundle(
            options.bundle,
            options.backend,
            options.threads,
            options=EngineOptions(options.precision),
        )
        bundle = completer.bundle
        print(f"bundle {bundle.name} {bundle.version}, {completer.backend_description}")
        timings = [_measure(completer, name, options.frames) for name in SIZES]
        node = None
        if not options.without_node:
            node = _measure_node(completer, options)
    except (CompletionError, AssertionError) as error:
        print(f"speed: {error}", file=sys.stderr)
        return 2
    if left_out():
        print(left_out(), file=sys.stderr)
    for timing in timings:
        print(_table(timing))
    criteria = _criteria(timings, node)
    if node is not None:
        print(_node_table(node))
    print()
    for text, met in criteria.items():
        print(f"{'met   ' if met else 'MISSED'}  {text}")
    if options.json:
        report = {
            "machine": machine,
            "bundle": f"{bundle.name} {bundle.version}",
            "node": node and asdict(node),
        }
        report["completer"] = [asdict(timing) for timing in timings]
        options.json.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    return 0 if all(criteria.values()) else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.speed", description=__doc__)
    parser.add_argument("--bundle", default="default", help="name or folder (default: default)")
    parser.add_argument("--frames", type=int, default=30, help="measured frames per size")
    parser.add_argument("--threads", type=int, default=2, help="of the completer (default: 2)")
    add_engine_options(parser)
    parser.add_argument("--without-node", action="store_true", help="needs no ROS")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the numbers here")
    return parser


def _machine() -> dict[str, str]:
    names = ("onnxruntime", "numpy", "opencv-python-headless", "scipy")
    load = os.getloadavg()[0]
    return {
        "CPU": _cpu_model(),
        "cores": str(os.cpu_count()),
        "load": f"{load:.1f}",
        "Python": platform.python_version(),
        **{name: version(name) for name in names},
    }


def _cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    models = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.machine()


def _measure(completer: DepthCompleter, name: str, frames: int) -> Timing:
    width, height, lines = SIZES[name]
    image, sparse_depth = _input(width, height, lines)
    alone = None
    if on_host(completer.pipeline) is not None:
        alone = EngineCalls(completer.pipeline, image, sparse_depth)
    laps: list[dict[str, float]] = []
    limit: list[float] = []
    for frame in tqdm(range(WARM_UP + frames), desc=name, leave=False, disable=None):
        timings = completer.complete(image, sparse_depth).timings
        seconds = alone.seconds() if alone else 0.0
        if frame >= WARM_UP:
            laps.append(timings)
            limit.append(seconds)
    peak_memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024  # Linux: KiB
    return Timing(
        size=name,
        stages={stage: Duration.of([lap[stage] for lap in laps]) for stage in laps[0]},
        limit=Duration.of(limit) if alone else None,
        ratio=float(np.median([lap["total"] / s for lap, s in zip(laps, limit, strict=True)]))
        if alone
        else float("nan"),
        others={
            name: _time(partial(method, sparse_depth), frames)
            for name, method in ({BARYCENTRIC: barycentric} | point_methods()).items()
        },
        peak_memory=peak_memory,
    )


def _input(width: int, height: int, lines: int) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    image, depth = photograph(width, height)
    return image, scan_lines(depth, lines, assumed_intrinsics(width, height))


def photograph(width: int, height: int) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """The middle of the motorcycle photograph with its depth; enlarged where it is too small."""
    scene = motorcycle()
    scale = max(1.0, width / scene.image.shape[1], height / scene.image.shape[0])
    size = (round(scene.image.shape[1] * scale), round(scene.image.shape[0] * scale))
    image = cv2.resize(scene.image, size, interpolation=cv2.INTER_LINEAR)
    depth = cv2.resize(scene.depth, size, interpolation=cv2.INTER_NEAREST)
    top, left = (size[1] - height) // 2, (size[0] - width) // 2
    part = (slice(top, top + height), slice(left, left + width))
    return np.ascontiguousarray(image[part]), np.ascontiguousarray(depth[part])


def _time(call: Callable[[], object], frames: int) -> Duration:
    seconds = []
    for frame in range(1 + frames):
        start = time.perf_counter()
        call()
        if frame:
            seconds.append(time.perf_counter() - start)
    return Duration.of(seconds)


def _measure_node(completer: DepthCompleter, options: argparse.Namespace) -> RoundTrips:
    """The node with the model, back end and threads of the completer."""
    from benchmarks.round_trips import round_trips  # needs ROS

    parameters = {
        "model": options.bundle,
        "backend": options.backend,
        "threads": options.threads,
        "precision": options.precision,
    }
    image, sparse_depth = _input(*next(iter(SIZES.values())))
    calls = EngineCalls(completer.pipeline, image, sparse_depth)
    return round_trips(parameters, image, sparse_depth, calls, options.frames)


def _criteria(timings: list[Timing], node: RoundTrips | None) -> dict[str, bool]:
    criteria = {}
    for timing in timings:
        if timing.limit is not None:
            criteria[
                f"completer at {timing.size}: {timing.ratio:.3f} times the engine calls alone, "
                f"at most {MOST_OF_COMPLETER:.2f}"
            ] = timing.ratio <= MOST_OF_COMPLETER
    if node is not None:
        criteria[
            f"node at {timings[0].size}: from both inputs sent to the depth received, without what "
            f"a bare echo node takes, {node.ratio:.3f} times the engine calls alone, at most "
            f"{MOST_OF_NODE:.2f}"
        ] = node.ratio <= MOST_OF_NODE
    return criteria


def _table(timing: Timing) -> str:
    lines = [
        "",
        f"{timing.size + ', completer':<34}{'p50 ms':>9}{'p95 ms':>9}",
        *(_row(name, d.p50, d.p95) for name, d in timing.stages.items()),
        *(_row(name, d.p50, d.p95) for name, d in timing.others.items()),
        *([_row("engine calls alone", timing.limit.p50, timing.limit.p95)] if timing.limit else []),
        f"  peak memory of this process {timing.peak_memory / 2**20:.0f} MiB",
    ]
    return "\n".join(lines)


def _node_table(node: RoundTrips) -> str:
    size = next(iter(SIZES))
    rows = {
        "completion node": Duration.of(node.node),
        "a bare echo node": Duration.of(node.echo),
        "engine calls alone": Duration.of(node.engines),
    }
    lines = [
        "",
        f"{size + ', over DDS and back':<34}{'p50 ms':>9}{'p95 ms':>9}",
        *(_row(name, d.p50, d.p95) for name, d in rows.items()),
        "  stages by the node's own diagnostics",
        *(_row(name, v["p50"], v["p95"]) for name, v in node.stages.items()),
    ]
    return "\n".join(lines)


def _row(name: str, p50: float, p95: float) -> str:
    return f"  {name:<32}{p50:>9.1f}{p95:>9.1f}"


if __name__ == "__main__":
    sys.exit(main())
