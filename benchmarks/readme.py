"""Writes the accuracy tables of README.md from a JSON file of ``python -m benchmarks.accuracy``."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.evaluation import (
    AFFINE_RESIDUAL,
    AFFINE_ROBUST,
    BARYCENTRIC,
    GREY,
    IP_BASIC,
    LEARNT,
    OURS,
)

README = Path(__file__).resolve().parents[1] / "README.md"
BASELINES = {
    BARYCENTRIC: "barycentric",
    AFFINE_ROBUST: "MDE alone, robust affine fit",
    AFFINE_RESIDUAL: "affine + barycentric residual",
    IP_BASIC: "IP-Basic",
}
FAULT_CASES = ("motorcycle, 16 lines", "nyu_train, 500 points")

Json = Mapping[str, Any]


def main(arguments: list[str] | None = None) -> int:
    """Rewrite the tables; 2 if the scores or the README's markers are not as expected."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.readme", description=__doc__)
    parser.add_argument("scores", type=Path, help="of all cases; its first bundle is `ours`")
    parser.add_argument("--readme", type=Path, default=README, help="default: the repository's")
    options = parser.parse_args(arguments)
    try:
        report = json.loads(options.scores.read_text(encoding="utf-8"))
        tables = {"accuracy": accuracy_table(report), "faults": fault_table(report)}
        text = options.readme.read_text(encoding="utf-8")
        for name, table in tables.items():
            text = with_block(text, name, table)
    except (OSError, ValueError, KeyError) as error:
        print(f"readme: {options.scores} or {options.readme}: {error!r}", file=sys.stderr)
        return 2
    options.readme.write_text(text, encoding="utf-8")
    return 0


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
    columns |= {(method, first): title for method, title in BASELINES.items()}
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


def fault_table(report: Json) -> str:
    """RMSE with a fault, in brackets over that without, beside the best of all baselines."""
    label = report["bundles"][0]["label"]
    by_fault: dict[str, list[str]] = {}
    for clean in FAULT_CASES:
        for case in report["cases"]:
            if case["clean"] != clean:
                continue
            ours = _row(case, OURS, label)
            best = min(row["errors"]["rmse"] for row in _baselines(case, label))
            cell, other = f"{ours['errors']['rmse']:.3f}", f"{best:.3f}"
            if ours["errors"]["rmse"] <= best:
                cell = f"**{cell}**"
            else:
                other = f"**{other}**"
            fault = case["case"].removeprefix(f"{clean}, ")
            cells = by_fault.setdefault(fault, [])
            cells += [f"{cell} ({ours['rmse_ratio_to_clean']:.2f})", other]
    head = ["fault"]
    for clean in FAULT_CASES:
        head += [clean, "best baseline"]
    return _table(head, [[fault, *cells] for fault, cells in by_fault.items()])


def _row(case: Json, method: str, label: str) -> Json:
    """What a case says of a method; those that need no bundle have none."""
    for row in case["rows"]:
        if row["method"] == method and row["bundle"] in (None, label):
            return dict(row)
    raise ValueError(f"{case['case']} has no {method} of {label}")


def _baselines(case: Json, label: str) -> Iterator[Json]:
    for row in case["rows"]:
        if row["method"] not in LEARNT and row["bundle"] in (None, label):
            yield row


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


if __name__ == "__main__":
    sys.exit(main())
