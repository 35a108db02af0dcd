"""README's accuracy tables, as written from the scores."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks.readme import FAULT_CASES, README, accuracy_table, fault_table, main, with_block

METHODS = (
    "ours", "grey image", "affine robust", "affine+residual", "nearest", "barycentric", "ip_basic",
)  # fmt: skip
WITHOUT_BUNDLE = ("nearest", "barycentric", "ip_basic")


def case(name: str, clean: str | None, rmse: dict[tuple[str, str], float]) -> dict[str, Any]:
    """Every method with an RMSE of 2 but those given, of two bundles."""
    rows = []
    for bundle in ("default", "accurate"):
        for method in METHODS:
            alone = method in WITHOUT_BUNDLE
            if alone and bundle == "accurate":
                continue
            errors = {"rmse": rmse.get((method, bundle), 2.0), "mae": 1.0}
            row = {"method": method, "bundle": None if alone else bundle, "errors": errors}
            rows.append({**row, "rmse_ratio_to_clean": errors["rmse"] if clean else None})
    return {"case": name, "clean": clean, "frames": 7, "rows": rows}


@pytest.fixture
def report() -> dict[str, Any]:
    first, second = FAULT_CASES
    return {
        "bundles": [{"label": "default"}, {"label": "accurate"}],
        "cases": [
            case(first, None, {("ours", "default"): 0.5, ("ours", "accurate"): 0.4}),
            case(f"{first}, 5% outliers", first, {("ours", "default"): 0.6}),
            case(second, None, {("barycentric", "default"): 0.123}),
            case(f"{second}, 5% outliers", second, {("nearest", "default"): 1.5}),
        ],
    }


def test_the_smallest_error_of_a_row_is_bold(report: dict[str, Any]) -> None:
    head, _, first, second = accuracy_table(report).splitlines()
    assert head.startswith("| data, sparse depth (frames) | ours | ours, `accurate` | ours, grey")
    assert first.startswith(f"| {FAULT_CASES[0]} (7) | 0.500 / 1.000 | **0.400 / 1.000** | 2.000")
    assert first.count("**") == 2
    assert "**0.123 / 1.000**" in second


def test_faults_stand_beside_the_best_baseline(report: dict[str, Any]) -> None:
    *_, row = fault_table(report).splitlines()
    assert row == "| 5% outliers | **0.600** (0.60) | 2.000 | 2.000 (2.00) | **1.500** |"


def test_the_readme_gets_both_tables_and_keeps_the_rest(
    report: dict[str, Any], tmp_path: Path
) -> None:
    scores, readme = tmp_path / "scores.json", tmp_path / "README.md"
    scores.write_text(json.dumps(report))
    readme.write_text(README.read_text(encoding="utf-8"), encoding="utf-8")
    assert main([str(scores), "--readme", str(readme)]) == 0
    text = readme.read_text(encoding="utf-8")
    assert accuracy_table(report) in text
    assert fault_table(report) in text
    original = README.read_text(encoding="utf-8")
    for name in ("accuracy", "faults"):
        original, text = (with_block(t, name, "") for t in (original, text))
    assert text == original


@pytest.mark.parametrize(
    "text", ["no markers", "<!-- a -->\nopen", 2 * "<!-- a -->\n\n<!-- /a -->"]
)
def test_a_text_without_its_markers_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not there exactly once"):
        with_block(text, "a", "table")


def test_scores_that_cannot_be_read_leave_the_readme_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    readme = tmp_path / "README.md"
    readme.write_text("as it was")
    (tmp_path / "scores.json").write_text('{"bundles": []}')
    assert main([str(tmp_path / "scores.json"), "--readme", str(readme)]) == 2
    assert "scores.json" in capsys.readouterr().err
    assert readme.read_text() == "as it was"
