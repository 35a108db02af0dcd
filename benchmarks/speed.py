"""Speed of the completer and of the node, beside the classical methods on the same frames."""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from benchmarks.baselines import barycentric
from benchmarks.engine_options import add_engine_options
from benchmarks.evaluation import BARYCENTRIC, left_out, point_methods
from benchmarks.limit import EngineCalls, on_host
from benchmarks.scenes import assumed_intrinsics, motorcycle
from demo.exchange import Exchange
from demo.run import DemoError, Run
from starrygazer_ros.backends.options import EngineOptions
from starrygazer_ros.completion import CompletionError, DepthCompleter
from starrygazer_ros.demo.scan_lines import scan_lines

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
            node = _measure_node(options.bundle, options.frames)
            again = _measure(completer, next(iter(SIZES)), options.frames)
            node["limit_ms"] = _between(timings[0].limit, again.limit)
    except (CompletionError, DemoError) as error:
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
        report = {"machine": machine, "bundle": f"{bundle.name} {bundle.version}", "node": node}
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


def _measure_node(bundle: str, frames: int) -> dict[str, Any]:
    """Play frames to the real node over DDS; its own diagnostics give the latencies."""
    with tempfile.TemporaryDirectory(prefix="starrygazer_speed_") as folder:
        run = Run(Exchange(Path(folder)), frames, bundle, Path(folder))
        peak_memory = run.play()
        stages = run.latencies()
        counts = run.counts()
    from benchmarks.echo import echo_seconds  # needs ROS

    width, height, _ = next(iter(SIZES.values()))
    return {
        "stages_ms": stages,
        "echo_ms": asdict(Duration.of(echo_seconds(width, height, frames))),
        "completed": counts.completed,
        "dropped": counts.dropped,
        "peak_memory": peak_memory,
    }


def _between(before: Duration | None, after: Duration | None) -> float | None:
    """Median of the engine calls around a measurement: the machine's mood changes by the minute."""
    return (before.p50 + after.p50) / 2 if before and after else None


def _criteria(timings: list[Timing], node: dict[str, Any] | None) -> dict[str, bool]:
    criteria = {}
    for timing in timings:
        if timing.limit is not None:
            criteria[
                f"completer at {timing.size}: {timing.ratio:.3f} times the engine calls alone, "
                f"at most {MOST_OF_COMPLETER:.2f}"
            ] = timing.ratio <= MOST_OF_COMPLETER
    if node is not None and node["limit_ms"] is not None:
        latency, echo = node["stages_ms"]["node"]["p50"], node["echo_ms"]["p50"]
        ratio = (latency - echo) / node["limit_ms"]
        criteria[
            f"node at {timings[0].size}: {latency:.1f} ms from the later input's arrival to "
            f"publication, without the {echo:.1f} ms of a bare echo node {ratio:.3f} times the "
            f"engine calls alone before and after, at most {MOST_OF_NODE:.2f}"
        ] = ratio <= MOST_OF_NODE
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


def _node_table(node: dict[str, Any]) -> str:
    dropped = ", ".join(f"{n} {cause}" for cause, n in node["dropped"].items()) or "none"
    peak = node["peak_memory"]
    memory = f", peak memory of the node {peak / 2**20:.0f} MiB" if peak else ""
    lines = [
        "",
        f"{'640x480, node over DDS':<34}{'p50 ms':>9}{'p95 ms':>9}",
        *(_row(name, v["p50"], v["p95"]) for name, v in node["stages_ms"].items()),
        _row("a bare echo node", node["echo_ms"]["p50"], node["echo_ms"]["p95"]),
        f"  {node['completed']} frames completed, dropped: {dropped}{memory}",
    ]
    return "\n".join(lines)


def _row(name: str, p50: float, p95: float) -> str:
    return f"  {name:<32}{p50:>9.1f}{p95:>9.1f}"


if __name__ == "__main__":
    sys.exit(main())
