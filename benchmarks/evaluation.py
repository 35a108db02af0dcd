"""All methods on one frame, scored on the same pixels."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt

from benchmarks import baselines, metrics
from benchmarks.edges import near_depth_edges
from benchmarks.metrics import Metrics
from benchmarks.protocols import Case
from benchmarks.sparsification import Sparsification, sparsify
from starrygazer_ros.completion import DepthCompleter

OURS, GREY = "ours", "grey image"
NEAREST, BARYCENTRIC, INPAINTING = "nearest", "barycentric", "inpainting"
IP_BASIC, IP_BASIC_ORIGINAL = "ip_basic", "ip_basic original"
AFFINE, AFFINE_ROBUST, AFFINE_RESIDUAL = "affine", "affine robust", "affine+residual"
LEARNT = (OURS, GREY)
GREY_LEVEL = 128

Depth = NDArray[np.float32]
T = TypeVar("T")


@dataclass(frozen=True)
class Method:
    """A way to complete depth.

    Attributes:
        name: one of this module's names.
        bundle: label of the bundle it needs, None for those without a network.
    """

    name: str
    bundle: str | None = None


@dataclass(frozen=True)
class Score:
    """A method on one frame.

    Attributes:
        errors: on all compared pixels.
        near_edges: on those near depth edges; None where there are none or the truth is sparse.
        seconds: wall time of this method alone, what it shares with others included.
        sparsification: by its own confidence; None without one.
        by_distance: by the distance to the nearest sparse point, a control for the confidence.
    """

    errors: Metrics
    near_edges: Metrics | None
    seconds: float
    sparsification: Sparsification | None = None
    by_distance: Sparsification | None = None


@dataclass(frozen=True)
class FrameScores:
    """All methods on one frame.

    Attributes:
        points: sparse points that the methods were given.
        coverage: share of the true pixels that are compared, where no bundle says NaN.
        scores: by method.
    """

    points: int
    coverage: float
    scores: dict[Method, Score]


@dataclass(frozen=True)
class Completion:
    """What a method makes of a frame.

    Attributes:
        depth: float32 [H, W] metres, NaN = unknown.
        seconds: wall time of this method alone, what it shares with others included.
        confidence: float32 [H, W], larger = more reliable; None for methods without one.
    """

    depth: Depth
    seconds: float
    confidence: NDArray[np.float32] | None = None


def score_frame(case: Case, index: int, completers: dict[str, DepthCompleter]) -> FrameScores:
    """Score every method on one frame of a case.

    Args:
        case: with its scenes.
        index: of the frame; also the seed of everything random in the case.
        completers: by the label of their bundle.

    Raises:
        CompletionError: a bundle cannot complete the frame.
        ValueError: no pixel can be compared.
    """
    scene = case.scenes.load(case.scenes.keys[index])
    sparse, truth = case.split(scene, index)
    return _compare(case, sparse, truth, complete(scene.image, sparse, completers))


def complete(
    image: NDArray[np.uint8], sparse: Depth, completers: dict[str, DepthCompleter]
) -> dict[Method, Completion]:
    """Every method on one frame.

    Args:
        image: uint8 [H, W, 3] RGB.
        sparse: float32 [H, W] metres, 0 = none.
        completers: by the label of their bundle.

    Raises:
        CompletionError: a bundle cannot complete the frame.
    """
    dense = _without_network(sparse)
    # What barycentric needs and the residual needs again: made once, charged to both.
    interpolation, triangulating = _timed(lambda: baselines.Interpolation(sparse))
    values = sparse[sparse > 0]
    depth, spreading = _timed(lambda: interpolation.spread(values))
    dense[Method(BARYCENTRIC)] = Completion(depth, triangulating + spreading)
    for label, completer in completers.items():
        result = completer.complete(image, sparse)
        relative, total = result.relative_depth, result.timings["total"]
        dense[Method(OURS, label)] = Completion(result.depth, total, result.confidence)
        # What is left when the image says nothing.
        grey = completer.complete(np.full_like(image, GREY_LEVEL), sparse)
        dense[Method(GREY, label)] = Completion(grey.depth, grey.timings["total"])
        if np.ptp(relative) == 0:  # of a bundle without networks: nothing to fit
            continue
        relative_seconds = result.timings["prepare_mde"] + result.timings["mde"]
        fits: dict[str, tuple[Callable[[], Depth], float]] = {
            AFFINE: (partial(baselines.affine_fit, relative, sparse), 0.0),
            AFFINE_ROBUST: (partial(baselines.affine_fit, relative, sparse, robust=True), 0.0),
            AFFINE_RESIDUAL: (
                partial(baselines.affine_barycentric_residual, relative, sparse, interpolation),
                triangulating,
            ),
        }
        for name, (fit, shared) in fits.items():
            depth, seconds = _timed(fit)
            dense[Method(name, label)] = Completion(depth, relative_seconds + shared + seconds)
    return dense


def point_methods() -> dict[str, Callable[[Depth], Depth]]:
    """Those that need the sparse depth only, but barycentric, whose triangles others share.

    IP-Basic's original is among them where it is installed.
    """
    methods = {
        NEAREST: baselines.nearest,
        INPAINTING: baselines.inpainted,
        IP_BASIC: baselines.ip_basic,
    }
    original = baselines.original_ip_basic()
    return methods | ({IP_BASIC_ORIGINAL: original} if original else {})


def left_out() -> str:
    """What :func:`point_methods` lacks here, for the console; empty if nothing."""
    if IP_BASIC_ORIGINAL in point_methods():
        return ""
    return f"without {IP_BASIC_ORIGINAL}: no package ip_basic (https://github.com/kujason/ip_basic)"


def _without_network(sparse: Depth) -> dict[Method, Completion]:
    return {
        Method(name): Completion(*_timed(partial(method, sparse)))
        for name, method in point_methods().items()
    }


def _compare(
    case: Case, sparse: Depth, truth: Depth, dense: dict[Method, Completion]
) -> FrameScores:
    compared = truth > 0
    for method, made in dense.items():
        if method.name in LEARNT:
            compared &= np.isfinite(made.depth)
    near_edges = near_depth_edges(truth) & compared if case.dense_truth else np.zeros_like(compared)
    distance = distance_transform_edt(sparse <= 0)[compared]
    scores = {}
    for method, made in dense.items():
        score = Score(
            errors=metrics.compare(made.depth, truth, compared),
            near_edges=metrics.compare(made.depth, truth, near_edges) if near_edges.any() else None,
            seconds=made.seconds,
        )
        if made.confidence is not None:
            error = made.depth[compared] - truth[compared]
            score = replace(
                score,
                sparsification=sparsify(error, made.confidence[compared]),
                by_distance=sparsify(error, -distance),
            )
        scores[method] = score
    return FrameScores(
        points=int(np.count_nonzero(sparse > 0)),
        coverage=float(compared[truth > 0].mean()),
        scores=scores,
    )


def _timed(call: Callable[[], T]) -> tuple[T, float]:
    start = time.perf_counter()
    result = call()
    return result, time.perf_counter() - start
