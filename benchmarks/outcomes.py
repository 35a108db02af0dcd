"""From the scores of frames to the rows of a table."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from benchmarks import metrics, sparsification
from benchmarks.evaluation import BARYCENTRIC, LEARNT, OURS, FrameScores, Method, Score
from benchmarks.metrics import Metrics
from benchmarks.protocols import Case
from benchmarks.sparsification import REMOVED, Sparsification


@dataclass(frozen=True)
class Row:
    """A method on a case, mean over the frames, each weighing the same.

    Attributes:
        method: its name and bundle.
        errors: on all compared pixels.
        near_edges: on those near depth edges, mean over the frames that have some.
        milliseconds: median over the frames.
        wins: share of the frames where its RMSE is smaller than that of barycentric interpolation.
        sparsification: by its own confidence.
        by_distance: by the distance to the nearest sparse point.
        rmse_ratio: RMSE over that of the case without the fault.
        mae_ratio: the same for the MAE.
    """

    method: Method
    errors: Metrics
    near_edges: Metrics | None
    milliseconds: float
    wins: float
    sparsification: Sparsification | None
    by_distance: Sparsification | None
    rmse_ratio: float | None = None
    mae_ratio: float | None = None


@dataclass(frozen=True)
class Outcome:
    """All methods on a case.

    Attributes:
        case: its name.
        note: what a reader must know about the truth.
        clean: name of the case without the fault, for a case with one.
        frames: how many were scored.
        points: median number of sparse points.
        coverage: share of the true pixels that were compared.
        rows: by method.
    """

    case: str
    note: str
    clean: str | None
    frames: int
    points: int
    coverage: float
    rows: dict[Method, Row]

    def best_baseline(self, bundle: str, metric: str = "rmse") -> Row:
        """The row of the smallest error among those without a refinement network.

        Args:
            bundle: label; baselines that use another bundle's relative depth do not count.
            metric: name of an attribute of :class:`Metrics` of which less is better.
        """
        candidates = [
            row
            for method, row in self.rows.items()
            if method.name not in LEARNT and method.bundle in (None, bundle)
        ]
        return min(candidates, key=lambda row: float(getattr(row.errors, metric)))


def summarise(case: Case, frames: list[FrameScores]) -> Outcome:
    """Average the frames of a case."""
    by_method = {m: [frame.scores[m] for frame in frames] for m in frames[0].scores}
    reference = by_method[Method(BARYCENTRIC)]
    return Outcome(
        case=case.name,
        note=case.note,
        clean=case.clean,
        frames=len(frames),
        points=int(np.median([frame.points for frame in frames])),
        coverage=float(np.mean([frame.coverage for frame in frames])),
        rows={m: _row(m, scores, reference) for m, scores in by_method.items()},
    )


def with_ratios(outcome: Outcome, others: Iterable[Outcome]) -> Outcome:
    """Add the ratios to the clean case; unchanged where there is none."""
    clean = next((other for other in others if other.case == outcome.clean), None)
    if clean is None:
        return outcome
    rows = {}
    for method, row in outcome.rows.items():
        reference = clean.rows[method].errors
        rows[method] = replace(
            row,
            rmse_ratio=row.errors.rmse / reference.rmse,
            mae_ratio=row.errors.mae / reference.mae,
        )
    return replace(outcome, rows=rows)


def as_json(outcome: Outcome) -> dict[str, Any]:
    """Everything in numbers; None where a number is not defined."""
    return {
        "case": outcome.case,
        "note": outcome.note,
        "clean": outcome.clean,
        "frames": outcome.frames,
        "points": outcome.points,
        "coverage": outcome.coverage,
        "rows": [_row_as_json(row) for row in outcome.rows.values()],
    }


def _row(method: Method, scores: list[Score], reference: list[Score]) -> Row:
    edges = [score.near_edges for score in scores if score.near_edges is not None]
    curves = [score.sparsification for score in scores if score.sparsification is not None]
    distances = [score.by_distance for score in scores if score.by_distance is not None]
    wins = [s.errors.rmse < r.errors.rmse for s, r in zip(scores, reference, strict=True)]
    return Row(
        method=method,
        errors=metrics.mean(score.errors for score in scores),
        near_edges=metrics.mean(edges) if edges else None,
        milliseconds=float(np.median([score.seconds for score in scores])) * 1000,
        wins=float(np.mean(wins)),
        sparsification=sparsification.mean(curves) if curves else None,
        by_distance=sparsification.mean(distances) if distances else None,
    )


def _row_as_json(row: Row) -> dict[str, Any]:
    return {
        "method": row.method.name,
        "bundle": row.method.bundle,
        "errors": asdict(row.errors),
        "near_edges": asdict(row.near_edges) if row.near_edges else None,
        "milliseconds": row.milliseconds,
        "wins": row.wins if row.method.name == OURS else None,
        "rmse_ratio_to_clean": row.rmse_ratio,
        "mae_ratio_to_clean": row.mae_ratio,
        "sparsification": _curves_as_json(row.sparsification),
        "sparsification_by_distance": _curves_as_json(row.by_distance),
    }


def _curves_as_json(curves: Sparsification | None) -> dict[str, Any] | None:
    if curves is None:
        return None
    return {
        "ause_rmse": curves.ause_rmse,
        "ause_mae": curves.ause_mae,
        "removed": REMOVED.tolist(),
        **{name: np.round(curve, 5).tolist() for name, curve in vars(curves).items()},
    }
