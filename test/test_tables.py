"""The accuracy tables of README and docs, as written from the scores."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks.evaluation import GREY, OURS
from benchmarks.tables import (
    BASELINES,
    FAULT_CASES,
    REPOSITORY,
    SHORT_CASES,
    TARGETS,
    accuracy_table,
    fault_table,
    main,
    short_table,
    target_table,
    with_block,
)

WITHOUT_BUNDLE = ("nearest", "barycentric", "inpainting", "ip_basic", "ip_basic original")
METHODS = ("ours", "grey image", "affine robust", "affine+residual", *WITHOUT_BUNDLE)


def case(name: str, clean: str | None, rmse: dict[tuple[str, str], float]) -> dict[str, Any]:
    """Every method with an RMSE of 2 but those given, of two bundles."""
    rows = []
    for bundle in ("default", "accurate"):
        for method in METHODS:
            alone = method in WITHOUT_BUNDLE
            if alone and bundle == "accurate":
                continue
            errors = {"rmse": rmse.get((method, bundle), 2.0), "mae": 1.0, "absrel": 0.1}
            row = {"method": method, "bundle": None if alone else bundle, "errors": errors}
            rows.append({**row, "rmse_ratio_to_clean": errors["rmse"] if clean else None})
    return {"case": name, "clean": clean, "frames": 7, "rows": rows}


@pytest.fixture
def report() -> dict[str, Any]:
    first, second = FAULT_CASES
    given = {
        first: {("ours", "default"): 0.5, ("ours", "accurate"): 0.4, ("nearest", "default"): 1.9},
        second: {("barycentric", "default"): 0.123},
    }
    faults = {
        "5% outliers": ({("ours", "default"): 0.6}, {("nearest", "default"): 1.5}),
        "5% outliers and 2 px": ({("ours", "accurate"): 1.25}, {}),
    }
    names = dict.fromkeys([*given, *SHORT_CASES, *(target.case for target in TARGETS)])
    cases = [case(n, None, given.get(n, {})) for n in names if " and 2 px" not in n]
    for fault, errors in faults.items():
        for clean, rmse in zip(FAULT_CASES, errors, strict=True):
            cases.append(case(f"{clean}, {fault}", clean, rmse))
    return {"bundles": [{"label": "default"}, {"label": "accurate"}], "cases": cases}


def test_the_smallest_error_of_a_row_is_bold(report: dict[str, Any]) -> None:
    head, _, first, second, *_ = accuracy_table(report).splitlines()
    assert head.startswith("| data, sparse depth (frames) | ours | ours, `accurate` | ours, grey")
    assert first.startswith(f"| {FAULT_CASES[0]} (7) | 0.500 / 1.000 | **0.400 / 1.000** | 2.000")
    assert first.count("**") == 2
    assert "**0.123 / 1.000**" in second


def test_every_baseline_has_its_column(report: dict[str, Any]) -> None:
    name = "kitti, 8 lines"
    report["cases"] = [case(name, None, {("nearest", "default"): 0.25})]
    head, _, row = accuracy_table(report).splitlines()
    column = head.split(" | ").index("nearest")
    assert row.split(" | ")[column] == "**0.250 / 1.000**"
    shown = {OURS, GREY, *BASELINES}
    assert {row["method"] for row in report["cases"][0]["rows"]} == shown


def test_the_original_ip_basic_has_a_column_only_where_it_was_scored(
    report: dict[str, Any],
) -> None:
    title = BASELINES["ip_basic original"]
    assert title in accuracy_table(report).splitlines()[0]
    for scored in report["cases"]:
        scored["rows"] = [r for r in scored["rows"] if r["method"] != "ip_basic original"]
    assert title not in accuracy_table(report)


@pytest.mark.parametrize("best", ["inpainting", "ip_basic original"])
def test_every_baseline_can_be_the_best(best: str, report: dict[str, Any]) -> None:
    first, *_ = report["cases"]
    first["rows"] = case(first["case"], None, {(best, "default"): 0.05})["rows"]
    _, _, row, *_ = short_table(report).splitlines()
    assert row.endswith(f"| **0.050** ({BASELINES[best]}) |")


def test_faults_stand_beside_the_best_baseline(report: dict[str, Any]) -> None:
    _, _, row, _ = fault_table(report).splitlines()
    assert row == (
        "| 5% outliers | **0.600** (0.60) | 2.000 (2.00) | 2.000 "
        "| 2.000 (2.00) | 2.000 (2.00) | **1.500** |"
    )


def test_a_fault_that_is_scored_on_one_case_only_is_refused(report: dict[str, Any]) -> None:
    del report["cases"][-1]
    with pytest.raises(ValueError, match="not every fault is scored"):
        fault_table(report)


def test_the_short_table_names_the_best_baseline(report: dict[str, Any]) -> None:
    _, _, first, second, *_ = short_table(report).splitlines()
    assert first == f"| {FAULT_CASES[0]} (7) | 0.500 | **0.400** | 1.900 (nearest) |"
    assert second == f"| {FAULT_CASES[1]} (7) | 2.000 | 2.000 | **0.123** (barycentric) |"


def test_targets_that_are_reached_are_bold(report: dict[str, Any]) -> None:
    rows = target_table(report).splitlines()[2:]
    assert len(rows) == len(TARGETS) + 3
    assert rows[0].endswith("| RMSE | at most 0.145 m | 2.000 m | 2.000 m |")
    fault = next(row for row in rows if row.startswith(f"| {FAULT_CASES[0]}, 5% outliers and"))
    assert fault.endswith("| at most 1.3 | 2.000 | **1.250** |")
    cases = len(report["cases"])
    lost = 2  # to barycentric interpolation and the nearest point
    assert rows[-3].endswith(
        f"| RMSE below all baselines | {cases} | {cases - lost} | {cases - lost} |"
    )
    assert rows[-2].endswith(f"| REL below all baselines | {cases} | **{cases}** | **{cases}** |")
    # Of `accurate` over `default` on the three cases where they differ.
    mean = (0.4 / 0.5 * 2 / 0.6 * 1.25 / 2) ** (1 / cases)
    assert rows[-1].endswith(f"geometric mean |  | 1.000 | {mean:.3f} |")


def test_the_files_get_their_tables_and_keep_the_rest(
    report: dict[str, Any], tmp_path: Path
) -> None:
    scores = tmp_path / "scores.json"
    scores.write_text(json.dumps(report))
    (tmp_path / "docs").mkdir()
    tables = {
        "README.md": {"accuracy": short_table(report)},
        "docs/accuracy.md": {
            "targets": target_table(report),
            "accuracy": accuracy_table(report),
            "faults": fault_table(report),
        },
    }
    for name in tables:
        (tmp_path / name).write_text((REPOSITORY / name).read_text(encoding="utf-8"))
    assert main([str(scores), "--repository", str(tmp_path)]) == 0
    for name, blocks in tables.items():
        text = (tmp_path / name).read_text(encoding="utf-8")
        original = (REPOSITORY / name).read_text(encoding="utf-8")
        for block, table in blocks.items():
            assert table in text
            original, text = (with_block(t, block, "") for t in (original, text))
        assert text == original


@pytest.mark.parametrize(
    "text", ["no markers", "<!-- a -->\nopen", 2 * "<!-- a -->\n\n<!-- /a -->"]
)
def test_a_text_without_its_markers_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not there exactly once"):
        with_block(text, "a", "table")


@pytest.mark.parametrize("scores", ['{"bundles": []}', "[]", "{}", "no JSON"])
def test_scores_that_cannot_be_read_leave_the_readme_alone(
    scores: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    readme = tmp_path / "README.md"
    readme.write_text("as it was")
    (tmp_path / "scores.json").write_text(scores)
    assert main([str(tmp_path / "scores.json"), "--repository", str(tmp_path)]) == 2
    assert "scores.json" in capsys.readouterr().err
    assert readme.read_text() == "as it was"
