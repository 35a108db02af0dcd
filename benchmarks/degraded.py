"""How wrong the depth becomes when an input does, whether the confidence falls, and who says so.

For each fault and amount: the RMSE over that without the fault, on the same frames; the mean
confidence, and that of the pixels that became worse; the share of the frames at which the node
would have warned. The criterion: before the error is a quarter larger, it warns.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from benchmarks.degradations import EgoMotion
from benchmarks.engine_options import add_engine_options
from benchmarks.input_faults import FAULTS, Depth, Inputs
from benchmarks.plots import write_degraded_plots
from benchmarks.protocols import Case, cases
from benchmarks.scenes import DEFAULT_DATA
from starrygazer_ros.backends.options import EngineOptions
from starrygazer_ros.completion import CompletionError, DepthCompleter
from starrygazer_ros.completion.completer import CompletionResult
from starrygazer_ros.completion.doubts import LEAST_USUAL, Doubts, History, far_share
from starrygazer_ros.completion.edge_alignment import EdgeAlignment
from starrygazer_ros.completion_parameters import CompletionParameters

WRONG = 1.25  # RMSE over that without the fault
WORSE = 0.05  # of the depth, by which the error of a pixel has grown when it became worse
MOST_FALSE = 0.05  # share of the frames without a fault at which there is a warning
WARNED = 0.5  # share of the frames of an amount: a node at 10 Hz then warns within half a second
WALKING = EgoMotion(forward=1.0, turn=0.5)  # a robot indoors
DRIVING = EgoMotion(forward=10.0, turn=0.35)  # a car that turns into another street
# Frames of each case; KITTI's own LiDAR, indoor points, and the lines of a small LiDAR.
CASES = {
    "motorcycle, 16 lines": 1,
    "nyu_train, 500 points": 12,
    "seven_scenes_redkitchen, 16 lines": 8,
    "kitti_rebuilt_gt_0009, 64 lines": 8,
}
SEEN = 60  # frames in which a node has looked for edges, 48 s at 10 Hz, where a case has so many
DRIVEN = "kitti"  # data sets that begin so were driven


@dataclass(frozen=True)
class Degraded:
    """All frames of a case with an amount of a fault; all figures are means over the frames.

    Attributes:
        case: name.
        fault: name; empty without one.
        amount: of the fault.
        rmse: over that without the fault, geometric mean.
        confidence: difference from that without the fault.
        confidence_worse: the same on the pixels that became worse; NaN without any.
        worse: share of these pixels.
        warned: share of the frames with a doubt.
        causes: of the doubts, the most frequent first.
    """

    case: str
    fault: str
    amount: float | str
    rmse: float
    confidence: float
    confidence_worse: float
    worse: float
    warned: float
    causes: tuple[str, ...]


@dataclass(frozen=True)
class _Frame:
    rmse: float
    confidence: float
    confidence_worse: float
    worse: float
    causes: tuple[str, ...]


def main(arguments: list[str] | None = None) -> int:
    """Print the table; 1 if a criterion is missed, 2 if nothing can be measured."""
    options = _parser().parse_args(arguments)
    every = {case.name: case for case in cases(options.data)}
    chosen = [(every[name], frames) for name, frames in CASES.items() if name in every]
    try:
        completer = DepthCompleter.from_bundle(
            options.bundle, options.backend, options.threads,
            options=EngineOptions(options.precision),
        )  # fmt: skip
        rows = [
            row
            for case, frames in chosen
            for row in degrade(case, min(frames, options.limit), completer)
        ]
    except CompletionError as error:
        print(f"degraded: {error}", file=sys.stderr)
        return 2
    print(summary(rows))
    if options.json:
        text = json.dumps([asdict(row) for row in rows], indent=2)
        options.json.write_text(f"{text}\n", encoding="utf-8")
    if options.plots:
        write_degraded_plots(rows, options.plots)
    met = True
    for text, holds in criteria(rows):
        met &= holds
        print(f"{'met   ' if holds else 'MISSED'}  {text}")
    return 0 if met else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.degraded", description=__doc__)
    parser.add_argument("--data", type=Path, default=DEFAULT_DATA, help="folder of the data sets")
    parser.add_argument("--bundle", default="default", help="name or folder (default: default)")
    parser.add_argument("--threads", type=int, default=2, help="of an inference (default: 2)")
    parser.add_argument("--limit", type=int, default=10**9, help="most frames of a case")
    add_engine_options(parser)
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the numbers here")
    parser.add_argument("--plots", type=Path, metavar="FOLDER", help="also draw the curves here")
    return parser


def degrade(case: Case, frames: int, completer: DepthCompleter) -> Iterator[Degraded]:
    """Every fault by every amount, and first none.

    Args:
        case: with its scenes.
        frames: so many of them, spread evenly.
        completer: completes them.

    Raises:
        CompletionError: a frame cannot be completed.
    """
    clean = [_load(case, index, completer) for index in _spread(case, frames)]
    before = [_inputs(case, index)[0] for index in _spread(case, SEEN)]
    applied = [(fault, amount) for fault in FAULTS for amount in fault.amounts]
    alignment = _seen(before)
    unchanged = [_compare(frame.inputs, frame.result, frame, alignment) for frame in clean]
    yield _mean(case.name, "", "", unchanged)
    for fault, amount in tqdm(applied, case.name, leave=False, disable=None):
        degraded = [fault.apply(frame.inputs, amount) for frame in clean]
        alignment = _seen(fault.apply(inputs, amount) for inputs in before)
        compared = [
            _compare(
                inputs, completer.complete(inputs.image, inputs.sparse_depth), frame, alignment
            )
            for inputs, frame in zip(degraded, clean, strict=True)
        ]
        yield _mean(case.name, fault.name, amount, compared)


@dataclass(frozen=True)
class _Clean:
    """A frame without a fault."""

    inputs: Inputs
    truth: Depth
    result: CompletionResult


def _spread(case: Case, frames: int) -> list[int]:
    """Numbers of so many frames of a case at most."""
    indices = np.linspace(0, case.frames - 1, min(frames, case.frames)).round().astype(int)
    return list(indices.tolist())


def _inputs(case: Case, index: int) -> tuple[Inputs, Depth]:
    """A frame without a fault, and its truth."""
    scene = case.scenes.load(case.scenes.keys[index])
    sparse_depth, truth = case.split(scene, index)
    motion = DRIVING if case.name.startswith(DRIVEN) else WALKING
    return Inputs(scene, scene.image, sparse_depth, seed=index, motion=motion), truth


def _load(case: Case, index: int, completer: DepthCompleter) -> _Clean:
    inputs, truth = _inputs(case, index)
    return _Clean(inputs, truth, completer.complete(inputs.image, inputs.sparse_depth))


def _seen(frames: Iterable[Inputs]) -> EdgeAlignment:
    """What a node has seen of a fault that lasts."""
    alignment = EdgeAlignment()
    for inputs in frames:
        alignment.add(inputs.image, inputs.sparse_depth)
    return alignment


def _compare(
    inputs: Inputs, result: CompletionResult, clean: _Clean, alignment: EdgeAlignment
) -> _Frame:
    """A frame with a fault beside itself without it, where the truth and both depths are known."""
    known = (clean.truth > 0) & np.isfinite(result.depth) & np.isfinite(clean.result.depth)
    true = clean.truth[known].astype(np.float64)
    now, before = (np.abs(r.depth[known] - true) for r in (result, clean.result))
    change = result.confidence[known] - clean.result.confidence[known]
    worse = now - before > WORSE * true
    return _Frame(
        rmse=float(np.sqrt(np.mean(now**2) / np.mean(before**2))),
        confidence=float(change.mean()),
        confidence_worse=float(change[worse].mean()) if worse.any() else np.nan,
        worse=float(worse.mean()),
        causes=_causes(inputs, result, clean.inputs.sparse_depth > 0, alignment),
    )


def _causes(
    inputs: Inputs, result: CompletionResult, usual: NDArray[np.bool_], alignment: EdgeAlignment
) -> tuple[str, ...]:
    """What the node would have warned of, after frames with the usual points."""
    parameters = CompletionParameters()
    history = History(
        deque([int(np.count_nonzero(usual))] * LEAST_USUAL),
        deque([far_share(usual)] * LEAST_USUAL),
        alignment,
    )
    doubts = Doubts(parameters.doubt_limits(), history)
    found = [doubt.cause for doubt in doubts.find(inputs.image, inputs.sparse_depth, result)]
    if inputs.offset > parameters.largest_offset():
        found.append("stamp_offset")
    return tuple(found)


def _mean(case: str, fault: str, amount: float | str, frames: Sequence[_Frame]) -> Degraded:
    causes = [cause for frame in frames for cause in frame.causes]
    worse = [frame.confidence_worse for frame in frames if np.isfinite(frame.confidence_worse)]
    return Degraded(
        case,
        fault,
        amount,
        rmse=float(np.exp(np.mean([np.log(frame.rmse) for frame in frames]))),
        confidence=float(np.mean([frame.confidence for frame in frames])),
        confidence_worse=float(np.mean(worse)) if worse else np.nan,
        worse=float(np.mean([frame.worse for frame in frames])),
        warned=float(np.mean([bool(frame.causes) for frame in frames])),
        causes=tuple(sorted(set(causes), key=causes.count, reverse=True)),
    )


def criteria(rows: Sequence[Degraded]) -> Iterator[tuple[str, bool]]:
    """What is asked for: no warning without a fault, one before the depth is wrong."""
    for case in dict.fromkeys(row.case for row in rows):
        of_case = [row for row in rows if row.case == case]
        (clean,) = (row for row in of_case if not row.fault)
        yield (
            f"{case}: warns of {clean.warned:.0%} of the frames without a fault, at most "
            f"{MOST_FALSE:.0%}",
            clean.warned <= MOST_FALSE,
        )
        for fault in FAULTS:
            wrong = [r for r in of_case if r.fault == fault.name and r.rmse >= WRONG]
            if not wrong:
                yield f"{case}, {fault.name}: never {WRONG} times the error", True
                continue
            silent = [str(row.amount) for row in wrong if row.warned < WARNED]
            told = f"silent at {', '.join(silent)}" if silent else "warns wherever it is"
            yield f"{case}, {fault.name}: {WRONG} times the error or more, {told}", not silent


def summary(rows: Sequence[Degraded]) -> str:
    """A line for each fault and case, as Markdown; all amounts are in the JSON and the plots."""
    lines = [
        "| fault, amounts | data | RMSE over clean at each | confidence where it became worse "
        "| wrong from | warned from | of |",
        "|---|---|---|---|---|---|---|",
    ]
    for fault in FAULTS:
        for case in dict.fromkeys(row.case for row in rows):
            own = [row for row in rows if (row.fault, row.case) == (fault.name, case)]
            amounts = ", ".join(str(row.amount) for row in own)
            errors = ", ".join(f"{row.rmse:.2f}" for row in own)
            changes = ", ".join(_signed(row.confidence_worse) for row in own)
            wrong = _first(row.amount for row in own if row.rmse >= WRONG)
            warned = _first(row.amount for row in own if row.warned >= WARNED)
            causes = dict.fromkeys(cause for row in own for cause in row.causes)
            lines.append(
                f"| {fault.name}: {amounts} | {case} | {errors} | {changes} | {wrong} | {warned} "
                f"| {', '.join(causes) or '-'} |"
            )
    return "\n".join(lines)


def _signed(value: float) -> str:
    return f"{value:+.2f}" if np.isfinite(value) else "-"


def _first(amounts: Iterator[float | str]) -> float | str:
    return next(amounts, "-")


if __name__ == "__main__":
    sys.exit(main())
