"""Writes the accuracy tables of README.md and docs/accuracy.md.

From a JSON file of ``python -m benchmarks.accuracy``.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from benchmarks.evaluation import (
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
)
from benchmarks.report import markdown_head, markdown_row

REPOSITORY = Path(__file__).resolve().parents[1]
# All but the plain affine fit, for which the robust one stands.
BASELINES = {
    NEAREST: "nearest",
    BARYCENTRIC: "barycentric",
    AFFINE_ROBUST: "MDE alone, robust affine fit",
    AFFINE_RESIDUAL: "affine + barycentric residual",
    INPAINTING: "OpenCV inpainting",
    IP_BASIC: "IP-Basic",
    IP_BASIC_ORIGINAL: "IP-Basic, its authors' code",
}
OPTIONAL = {IP_BASIC_ORIGINAL}  # needs a package that may be missing
FAULT_CASES = ("motorcycle, 16 lines", "nyu_train, 500 points")
SHORT_CASES = (
    "motorcycle, 16 lines",
    "nyu_train, 500 points",
    "kitti_rebuilt_gt_0009, 64 lines",
    "kitti_rebuilt_gt_0009, 16 lines",
    "seven_scenes_redkitchen, 500 points",
    "rpng_visslam_azurekinect, 4 of 5 SLAM points",
)

Json = Mapping[str, Any]


def main(arguments: list[str] | None = None) -> int:
    """Rewrite the tables; 2 if the scores or the files' markers are not as expected."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.tables", description=__doc__)
    parser.add_argument("scores", type=Path, help="of all cases; its first bundle is `ours`")
    parser.add_argument(
        "--repository", type=Path, default=REPOSITORY, help="default: the one that this is part of"
    )
    options = parser.parse_args(arguments)
    try:
        report = json.loads(options.scores.read_text(encoding="utf-8"))
        files = {
            options.repository / "README.md": {"accuracy": short_table(report)},
            options.repository / "docs" / "accuracy.md": {
                "targets": target_table(report),
                "accuracy": accuracy_table(report),
                "faults": fault_table(report),
            },
        }
        texts = {path: _with_tables(path, tables) for path, tables in files.items()}
    except (OSError, ValueError, KeyError, TypeError) as error:
        print(f"tables: {options.scores} or {options.repository}: {error!r}", file=sys.stderr)
        return 2
    for path, text in texts.items():
        path.write_text(text, encoding="utf-8")
    return 0


def _with_tables(path: Path, tables: Mapping[str, str]) -> str:
    text = path.read_text(encoding="utf-8")
    for name, table in tables.items():
        text = with_block(text, name, table)
    return text


def with_block(text: str, name: str, block: str) -> str:
    """The text with another content between the comments ``<!-- NAME -->`` and ``<!-- /NAME -->``.

    Raises:
        ValueError: the text has not each of them once, in this order.
    """
    begin, end = f"<!-- {name} -->\n", f"\n<!-- /{name} -->"
    before, found, rest = text.partition(begin)
    _, closed, after = rest.partition(end)
    if not (found and closed) or begin in after:
        raise ValueError(f"{begin.strip()} … {end.strip()} is not there exactly once")
    return f"{before}{begin}{block}{end}{after}"


def accuracy_table(report: Json) -> str:
    """RMSE / MAE of the cases without a fault; the smallest RMSE of a row in bold."""
    first, *others = [bundle["label"] for bundle in report["bundles"]]
    columns = {(OURS, first): "ours"}
    columns |= {(OURS, label): f"ours, `{label}`" for label in others}
    columns |= {(GREY, first): "ours, grey image"}
    scored = {row["method"] for case in report["cases"] for row in case["rows"]}
    columns |= {
        (method, first): title
        for method, title in BASELINES.items()
        if method in scored or method not in OPTIONAL
    }
    rows = []
    for case in report["cases"]:
        if case["clean"]:
            continue
        errors = [_row(case, *column)["errors"] for column in columns]
        best = min(e["rmse"] for e in errors)
        cells = [f"{e['rmse']:.3f} / {e['mae']:.3f}" for e in errors]
        bold = [f"**{c}**" if e["rmse"] == best else c for c, e in zip(cells, errors, strict=True)]
        rows.append([f"{case['case']} ({case['frames']})", *bold])
    return _table(["data, sparse depth (frames)", *columns.values()], rows)


def short_table(report: Json) -> str:
    """RMSE in metres of a few cases beside the best of all baselines."""
    labels = _labels(report)
    head = ["data, sparse depth (frames)", *_titles(labels), "best baseline"]
    rows = []
    for name in SHORT_CASES:
        case = _case(report, name)
        best = min(_baselines(case, labels), key=_rmse)
        errors = [_rmse(_row(case, OURS, label)) for label in labels] + [_rmse(best)]
        cells = [f"**{e:.3f}**" if e == min(errors) else f"{e:.3f}" for e in errors]
        cells[-1] += f" ({BASELINES.get(best['method'], best['method'])})"
        rows.append([f"{name} ({case['frames']})", *cells])
    return _table(head, rows)


def fault_table(report: Json) -> str:
    """RMSE with a fault, in brackets over that without, beside the best of all baselines.

    Raises:
        ValueError: a fault is scored on one of the two cases only.
    """
    labels = _labels(report)
    by_fault: dict[str, list[str]] = {}
    for clean in FAULT_CASES:
        for case in report["cases"]:
            if case["clean"] != clean:
                continue
            ours = [_row(case, OURS, label) for label in labels]
            errors = [_rmse(row) for row in ours]
            errors.append(min(map(_rmse, _baselines(case, labels))))
            cells = [f"**{e:.3f}**" if e == min(errors) else f"{e:.3f}" for e in errors]
            for index, row in enumerate(ours):
                cells[index] += f" ({row['rmse_ratio_to_clean']:.2f})"
            by_fault.setdefault(case["case"].removeprefix(f"{clean}, "), []).extend(cells)
    columns = len(FAULT_CASES) * (len(labels) + 1)
    if any(len(cells) != columns for cells in by_fault.values()):
        raise ValueError(f"not every fault is scored on {' and '.join(FAULT_CASES)}")
    head = ["fault"]
    for clean in FAULT_CASES:
        head += [f"{clean}: {_titles(labels)[0]}", *_titles(labels)[1:], "best baseline"]
    return _table(head, [[fault, *cells] for fault, cells in by_fault.items()])


@dataclass(frozen=True)
class Target:
    """What was to be reached on a case.

    Attributes:
        case: name.
        what: for the table.
        limit: of the figure.
        figure: of our row, the best baseline's and the case.
        unit: of figure and limit.
    """

    case: str
    what: str
    limit: float
    figure: Callable[[Json, Sequence[Json]], float]
    unit: str = ""


def _of_best(error: str, methods: Sequence[str] = ()) -> Callable[[Json, Sequence[Json]], float]:
    """Our error over that of the best baseline, or of the best of some of them."""

    def figure(ours: Json, baselines: Sequence[Json]) -> float:
        others = [row for row in baselines if not methods or row["method"] in methods]
        return float(ours["errors"][error] / min(row["errors"][error] for row in others))

    return figure


_KITTI = "kitti_rebuilt_gt_0009"
_CLASSIC = (IP_BASIC, BARYCENTRIC)
_OF_CLASSIC, _OF_ALL = "over the better of IP-Basic and barycentric", "over the best baseline"
TARGETS = (
    Target("nyu_train, 500 points", "RMSE", 0.145, lambda ours, _: _rmse(ours), " m"),
    Target("nyu_train, 50 points", f"RMSE {_OF_ALL}", 0.7, _of_best("rmse")),
    Target(f"{_KITTI}, 64 lines", f"RMSE {_OF_CLASSIC}", 0.8, _of_best("rmse", _CLASSIC)),
    Target(f"{_KITTI}, 64 lines", f"MAE {_OF_CLASSIC}", 0.8, _of_best("mae", _CLASSIC)),
    Target(f"{_KITTI}, 16 lines", f"RMSE {_OF_ALL}", 0.7, _of_best("rmse")),
    Target(f"{_KITTI}, 8 lines", f"RMSE {_OF_ALL}", 0.7, _of_best("rmse")),
    *(
        Target(
            f"{clean}, 5% outliers and 2 px",
            "RMSE over that without the fault",
            1.3,
            lambda ours, _: float(ours["rmse_ratio_to_clean"]),
        )
        for clean in FAULT_CASES
    ),
)


def target_table(report: Json) -> str:
    """What was to be reached, and what is; reached figures in bold."""
    labels = _labels(report)
    rows = []
    for target in TARGETS:
        case = _case(report, target.case)
        cells = []
        for label in labels:
            figure = target.figure(_row(case, OURS, label), _baselines(case, [label]))
            cell = f"{figure:.3f}{target.unit}"
            cells.append(f"**{cell}**" if figure <= target.limit else cell)
        limit = f"at most {target.limit:g}{target.unit}"
        rows.append([target.case, target.what, limit, *cells])
    cases = report["cases"]
    for error, name in (("rmse", "RMSE"), ("absrel", "REL")):
        firsts = [sum(_is_first(case, label, error) for case in cases) for label in labels]
        cells = [f"**{first}**" if first == len(cases) else str(first) for first in firsts]
        rows.append([f"all {len(cases)}", f"{name} below all baselines", str(len(cases)), *cells])
    ours = [[math.log(_rmse(_row(case, OURS, label))) for case in cases] for label in labels]
    means = [math.exp(fmean(errors) - fmean(ours[0])) for errors in ours]
    cells = [f"{mean:.3f}" for mean in means]
    rows.append([f"all {len(cases)}", "RMSE over that of `ours`, geometric mean", "", *cells])
    return _table(["data, sparse depth", "what", "target", *_titles(labels)], rows)


def _is_first(case: Json, label: str, error: str) -> bool:
    others = [row["errors"][error] for row in _baselines(case, [label])]
    return bool(_row(case, OURS, label)["errors"][error] <= min(others))


def _labels(report: Json) -> list[str]:
    return [bundle["label"] for bundle in report["bundles"]]


def _titles(labels: Sequence[str]) -> list[str]:
    return ["ours", *(f"ours, `{label}`" for label in labels[1:])]


def _rmse(row: Json) -> float:
    return float(row["errors"]["rmse"])


def _case(report: Json, name: str) -> Json:
    for case in report["cases"]:
        if case["case"] == name:
            return dict(case)
    raise ValueError(f"the scores have no case {name}")


def _row(case: Json, method: str, label: str) -> Json:
    """What a case says of a method; those that need no bundle have none."""
    for row in case["rows"]:
        if row["method"] == method and row["bundle"] in (None, label):
            return dict(row)
    raise ValueError(f"{case['case']} has no {method} of {label}")


def _baselines(case: Json, labels: Sequence[str]) -> list[Json]:
    """Those that need no bundle, and those on the MDEs of some bundles."""
    return [
        row
        for row in case["rows"]
        if row["method"] not in LEARNT and row["bundle"] in (None, *labels)
    ]


def _table(head: list[str], rows: list[list[str]]) -> str:
    return "\n".join([*markdown_head(head), *map(markdown_row, rows)])


if __name__ == "__main__":
    sys.exit(main())
