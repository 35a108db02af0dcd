from __future__ import annotations

import json
import os
import re
import signal
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


def start_demo(
    repository: Path, output: Path, bundle: Path, frames: int = FRAMES, bag: Path | None = None
) -> subprocess.Popen[str]:
    from integration.harness import next_domain

    arguments = ["--frames", str(frames), "--bundle", str(bundle), "--output", str(output)]
    arguments += ["--bag", str(bag)] if bag else []
    return subprocess.Popen(
        [sys.executable, "-m", "demo", *arguments],
        cwd=repository,
        env={**os.environ, "ROS_DOMAIN_ID": str(next_domain())},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # Ctrl-C is ignored by all that a shell starts in the background, such as a CI's job.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


def end(process: subprocess.Popen[str]) -> None:
    """With the three processes that the demo runs, which a kill would leave behind."""
    process.terminate()
    process.communicate(timeout=60)


def run_demo(
    repository: Path, output: Path, bundle: Path, bag: Path | None = None
) -> subprocess.CompletedProcess[str]:
    process = start_demo(repository, output, bundle, bag=bag)
    try:
        stdout, stderr = process.communicate(timeout=240)
    finally:
        end(process)
    return subprocess.CompletedProcess(process.args, process.returncode, stdout, stderr)


@pytest.fixture(scope="module")
def output(
    repository: Path, tiny_bundle: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, str]:
    """Folder and console text of one run of the demo."""
    folder = tmp_path_factory.mktemp("demo") / "output"
    process = run_demo(repository, folder, tiny_bundle, folder.parent / "bag")
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


def test_the_bag_holds_what_was_sent_and_published(
    output: tuple[Path, str], summary: dict[str, Any], tiny_bundle: Path
) -> None:
    from rosbags.rosbag2 import Reader

    from starrygazer_ros.cli import main

    bag = output[0].parent / "bag"
    with Reader(bag) as reader:
        counts = {connection.topic: connection.msgcount for connection in reader.connections}
    assert counts["/camera/image_rect"] == counts["/lidar/sparse_depth"] == FRAMES
    for topic in ("/depth/dense", "/depth/camera_info", "/depth/points", "/depth/confidence"):
        assert counts[topic] >= summary["completed"]
    # Without ROS the same depth comes of it.
    arguments = [str(bag), str(bag.with_name("offline")), "--sparse-depth", "/lidar/sparse_depth"]
    options = ["--namespace", "offline", "--outputs", "dense", "-p", f"model:={tiny_bundle}"]
    assert main(["bag", *arguments, *options]) == 0
    with Reader(bag.with_name("offline")) as reader:
        depths: dict[str, list[bytes]] = {"/depth/dense": [], "/offline/depth/dense": []}
        for connection, _, content in reader.messages():
            if connection.topic in depths:
                depths[connection.topic].append(bytes(content)[-640 * 480 * 4 :])  # the pixels
    assert len(depths["/offline/depth/dense"]) == FRAMES
    assert set(depths["/depth/dense"]) <= set(depths["/offline/depth/dense"])


def test_errors_of_ours_and_both_baselines_are_given(summary: dict[str, Any]) -> None:
    assert set(summary["errors"]) == {"ours", "barycentric", "affine"}
    # Known from the photograph, whatever the bundle does.
    assert summary["errors"]["barycentric"]["rmse_m"] == pytest.approx(0.275, abs=0.02)
    # The tiny bundle knows no shape: it must lose, and the demo must say so.
    assert summary["errors"]["ours"]["rmse_m"] > 1
    assert summary["ours_beats_baselines"] is False


def test_latencies_of_all_stages_are_given(summary: dict[str, Any]) -> None:
    stages = summary["latency_ms"]
    assert {"mde", "refinement", "completer", "node"} <= set(stages)
    assert stages["node"]["p50"] >= stages["completer"]["p50"] > 0


def test_pictures_show_the_frames(output: tuple[Path, str]) -> None:
    strip = cv2.imread(str(output[0] / "strip.png"))
    points = cv2.imread(str(output[0] / "points.png"))

    assert strip.shape[1] == 4 * 640
    assert points.shape[0] > 480  # a caption above it
    assert points.shape[1:] == (640, 3)
    assert points.std() > 20


def test_the_console_tells_the_verdict(output: tuple[Path, str]) -> None:
    assert "does NOT beat both baselines" in output[1]


def test_what_is_finished_is_reported_after_ctrl_c(
    repository: Path, tiny_bundle: Path, tmp_path: Path
) -> None:
    process = start_demo(repository, tmp_path, tiny_bundle, frames=2000)
    try:
        seen = ""
        while not re.search(r"completed=[2-9]", seen):
            character = process.stderr.read(1) if process.stderr else ""
            assert character, seen
            seen += character
        process.send_signal(signal.SIGINT)
        stdout, stderr = process.communicate(timeout=120)
    finally:
        end(process)

    assert process.returncode == 130, stderr
    assert "demo: interrupted. The report is about" in stderr
    assert "Traceback" not in stderr
    assert "error against the true depth" in stdout
    summary = json.loads((tmp_path / "summary.json").read_text(encoding="utf-8"))
    assert 2 <= summary["completed"] <= summary["sent"] < 2000
    assert summary["scored"] == summary["completed"]
    assert (tmp_path / "strip.png").exists()
    assert (tmp_path / "points.png").exists(), (tmp_path / "recorder.log").read_text()


def test_a_node_that_cannot_start_is_reported(
    repository: Path, tiny_bundle_copy: Path, tmp_path: Path
) -> None:
    (tiny_bundle_copy / "refinement.onnx").unlink()

    process = run_demo(repository, tmp_path, tiny_bundle_copy)

    assert process.returncode == 1
    assert "refinement.onnx" in process.stderr
    assert "Traceback" not in process.stderr
