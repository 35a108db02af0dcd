from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import cv2
import pytest

pytestmark = pytest.mark.integration
for needed in ("rclpy", "scipy", "skimage", "tqdm"):
    pytest.importorskip(needed, reason="the demo needs requirements/")

FRAMES = 6


def run_demo(repository: Path, output: Path, bundle: Path) -> subprocess.CompletedProcess[str]:
    from integration.harness import next_domain

    arguments = ["--frames", str(FRAMES), "--bundle", str(bundle), "--output", str(output)]
    return subprocess.run(
        [sys.executable, "-m", "demo", *arguments],
        cwd=repository,
        env={**os.environ, "ROS_DOMAIN_ID": str(next_domain())},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.fixture(scope="module")
def output(
    repository: Path, tiny_bundle: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, str]:
    """Folder and console text of one run of the demo."""
    folder = tmp_path_factory.mktemp("demo") / "output"
    process = run_demo(repository, folder, tiny_bundle)
    assert process.returncode == 0, process.stderr
    return folder, process.stdout


@pytest.fixture
def summary(output: tuple[Path, str]) -> dict[str, Any]:
    """summary.json of that run."""
    return dict(json.loads((output[0] / "summary.json").read_text(encoding="utf-8")))


def test_every_frame_is_completed_or_dropped_for_a_cause(summary: dict[str, Any]) -> None:
    assert summary["sent"] == FRAMES
    assert summary["completed"] >= 1
    assert summary["sent"] == summary["completed"] + sum(summary["dropped"].values())


def test_errors_of_ours_and_both_baselines_are_given(summary: dict[str, Any]) -> None:
    assert set(summary["errors"]) == {"ours", "barycentric", "affine"}
    # Known from the photograph, whatever the bundle does.
    assert summary["errors"]["barycentric"]["rmse_m"] == pytest.approx(0.275, abs=0.02)
    # The tiny bundle knows no shape: it must lose, and the demo must say so.
    assert summary["errors"]["ours"]["rmse_m"] > 1
    assert summary["ours_beats_both"] is False


def test_latencies_of_all_stages_are_given(summary: dict[str, Any]) -> None:
    stages = summary["latency_ms"]
    assert {"mde", "refinement", "completer", "node"} <= set(stages)
    assert stages["node"]["p50"] >= stages["completer"]["p50"] > 0


def test_pictures_show_the_frames(output: tuple[Path, str]) -> None:
    strip = cv2.imread(str(output[0] / "strip.png"))
    points = cv2.imread(str(output[0] / "points.png"))

    assert strip.shape[1] == 4 * 640
    assert points.shape == (480, 640, 3)
    assert points.std() > 20


def test_the_console_tells_the_verdict(output: tuple[Path, str]) -> None:
    assert "does NOT beat both baselines" in output[1]


def test_a_node_that_cannot_start_is_reported(
    repository: Path, tiny_bundle_copy: Path, tmp_path: Path
) -> None:
    (tiny_bundle_copy / "refinement.onnx").unlink()

    process = run_demo(repository, tmp_path, tiny_bundle_copy)

    assert process.returncode == 1
    assert "refinement.onnx" in process.stderr
    assert "Traceback" not in process.stderr
