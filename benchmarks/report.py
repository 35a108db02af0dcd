"""Tables of outcomes, for the console and as Markdown for the documents."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from benchmarks.evaluation import (
    AFFINE,
    AFFINE_RESIDUAL,
    AFFINE_ROBUST,
    BARYCENTRIC,
    GREY,
    INPAINTING,
    IP_BASIC,
    IP_BASIC_ORIGINAL,
    LEARNT,
    NEAREST,
    OURS,
    Method,
)
from benchmarks.outcomes import Outcome, Row

_ORDER = (
    OURS, GREY, NEAREST, BARYCENTRIC, INPAINTING, IP_BASIC, IP_BASIC_ORIGINAL,
    AFFINE, AFFINE_ROBUST, AFFINE_RESIDUAL,
)  # fmt: skip
_MISSING = "-"


@dataclass(frozen=True)
class BundleInfo:
    """What the tables say about a bundle.

    Attributes:
        label: its name in the tables.
        name: in its manifest.
        version: in its manifest.
        backend: that really runs.
        parameters: by graph, ``mde`` and ``refinement``.
    """

    label: str
    name: str
    version: str
    backend: str
    parameters: dict[str, int]

    def of(self, method: Method) -> int:
        """Parameters that a method needs of this bundle."""
        return self.parameters["mde"] + (
            self.parameters["refinement"] if method.name in LEARNT else 0
        )


@dataclass(frozen=True)
class _Column:
    head: str
    unit: str
    width: int
    cell: Callable[[Row], str]


class Report:
    """Formats outcomes of the same bundles.

    Args:
        bundles: in the order of the command line.
    """

    def __init__(self, bundles: list[BundleInfo]) -> None:
        self._bundles = {bundle.label: bundle for bundle in bundles}
        self._columns = (
            _Column("RMSE", "m", 9, lambda row: f"{row.errors.rmse:.4f}"),
            _Column("MAE", "m", 9, lambda row: f"{row.errors.mae:.4f}"),
            _Column("median", "m", 9, lambda row: f"{row.errors.median:.4f}"),
            _Column("REL", "", 8, lambda row: f"{row.errors.absrel:.4f}"),
            _Column("iRMSE", "1/km", 9, lambda row: f"{row.errors.irmse:.2f}"),
            _Column("δ1", "", 8, lambda row: f"{row.errors.delta1:.4f}"),
            _Column("edge RMSE", "m", 11, lambda row: _edges(row, "rmse")),
            _Column("edge MAE", "m", 10, lambda row: _edges(row, "mae")),
            _Column("AUSE RMSE", "", 11, lambda row: _ause(row, "rmse")),
            _Column("AUSE MAE", "", 10, lambda row: _ause(row, "mae")),
            _Column("ms", "", 8, lambda row: f"{row.milliseconds:.0f}"),
            _Column("param.", "M", 8, self._parameters),
        )

    def text(self, outcome: Outcome) -> str:
        """One case: what it is, a line per method, how ours compares."""
        head = f"\n{outcome.case}: {_size(outcome)}"
        names = "".join(f"{column.head:>{column.width}}" for column in self._columns)
        units = "".join(f"{column.unit:>{column.width}}" for column in self._columns)
        lines = [head, *([f"  {outcome.note}"] if outcome.note else [])]
        lines += [f"  {'':<26}{names}", f"  {'':<26}{units}"]
        for row in self._rows(outcome):
            cells = "".join(f"{c.cell(row):>{c.width}}" for c in self._columns)
            lines.append(f"  {self._label(row.method):<26}{cells}")
        lines += [f"  {self._verdict(outcome, label)}" for label in self._bundles]
        return "\n".join(lines)

    def faults(self, outcomes: Iterable[Outcome]) -> str:
        """RMSE of every method with a fault, over its RMSE without; empty if there is none."""
        faulty = [o for o in outcomes if any(row.rmse_ratio for row in o.rows.values())]
        if not faulty:
            return ""
        lines = ["\nfaults: RMSE and MAE in m, in brackets over those without the fault"]
        for outcome in faulty:
            lines.append(f"  {outcome.case}, {_size(outcome)}")
            lines += [
                f"    {self._label(row.method):<26}{row.errors.rmse:>8.4f} ({row.rmse_ratio:.2f})"
                f"{row.errors.mae:>9.4f} ({row.mae_ratio:.2f})"
                for row in self._rows(outcome)
            ]
        return "\n".join(lines)

    def markdown(self, outcomes: list[Outcome]) -> str:
        """All cases: RMSE / MAE side by side, the faults, then every figure."""
        if not outcomes:
            return ""
        methods = [row.method for row in self._rows(outcomes[0])]
        labels = [self._label(method) for method in methods]
        parts = ["RMSE / MAE in metres, the smallest RMSE in bold.", ""]
        parts += markdown_head(["data, sparse depth (frames)", *labels])
        for outcome in outcomes:
            best = min(row.errors.rmse for row in outcome.rows.values())
            parts.append(
                markdown_row(
                    [
                        f"{outcome.case} ({outcome.frames})",
                        *(
                            _bold_if(outcome.rows[m].errors.rmse == best, outcome.rows[m])
                            for m in methods
                        ),
                    ]
                )
            )
        faulty = [o for o in outcomes if any(row.rmse_ratio for row in o.rows.values())]
        if faulty:
            parts += ["", "RMSE / MAE with a fault over those without it.", ""]
            parts += markdown_head(["data, sparse depth, fault", *labels])
            parts += [
                markdown_row([o.case, *(_ratio(o.rows[method]) for method in methods)])
                for o in faulty
            ]
        parts += ["", "Every figure.", ""]
        heads = [f"{c.head} [{c.unit}]" if c.unit else c.head for c in self._columns]
        parts += markdown_head(["data, sparse depth", "method", *heads])
        for outcome in outcomes:
            parts += [
                markdown_row(
                    [outcome.case, self._label(row.method), *(c.cell(row) for c in self._columns)]
                )
                for row in self._rows(outcome)
            ]
        notes = {o.note: o.case.split(",")[0] for o in outcomes if o.note}
        parts += ["", *(f"- {name}: {note}." for note, name in notes.items())] if notes else []
        return "\n".join(parts)

    def _rows(self, outcome: Outcome) -> list[Row]:
        bundles = [None, *self._bundles]
        return sorted(
            outcome.rows.values(),
            key=lambda row: (_ORDER.index(row.method.name), bundles.index(row.method.bundle)),
        )

    def _label(self, method: Method) -> str:
        if method.bundle is None or len(self._bundles) == 1:
            return method.name
        return f"{method.name} [{method.bundle}]"

    def _parameters(self, row: Row) -> str:
        if row.method.bundle is None:
            return "0"
        return f"{self._bundles[row.method.bundle].of(row.method) / 1e6:.2f}"

    def _verdict(self, outcome: Outcome, label: str) -> str:
        ours = outcome.rows[Method(OURS, label)]
        ratios = []
        for metric, name in (("rmse", "RMSE"), ("mae", "MAE"), ("absrel", "REL")):
            best = outcome.best_baseline(label, metric)
            ratio = getattr(ours.errors, metric) / getattr(best.errors, metric)
            ratios.append(f"{name} {ratio:.3f} ({self._label(best.method)})")
        return (
            f"{self._label(ours.method)} over the best baseline: {', '.join(ratios)}; "
            f"better than barycentric in {ours.wins:.0%} of the frames"
        )


def _size(outcome: Outcome) -> str:
    return (
        f"{outcome.frames} frame{'s' * (outcome.frames != 1)}, {outcome.points} points (median), "
        f"{outcome.coverage:.1%} of the truth compared"
    )


def _edges(row: Row, name: str) -> str:
    return f"{getattr(row.near_edges, name):.4f}" if row.near_edges else _MISSING


def _ause(row: Row, name: str) -> str:
    return f"{getattr(row.sparsification, f'ause_{name}'):.3f}" if row.sparsification else _MISSING


def _ratio(row: Row) -> str:
    return f"{row.rmse_ratio:.2f} / {row.mae_ratio:.2f}"


def _bold_if(best: bool, row: Row) -> str:
    cell = f"{row.errors.rmse:.3f} / {row.errors.mae:.3f}"
    return f"**{cell}**" if best else cell


def markdown_head(cells: list[str]) -> list[str]:
    """First two lines of a table."""
    return [markdown_row(cells), "|" + "---|" * len(cells)]


def markdown_row(cells: list[str]) -> str:
    """A line of a table."""
    return f"| {' | '.join(cells)} |"
