"""The start-up benchmark with a real node."""

from __future__ import annotations

import pytest

pytest.importorskip("rclpy", reason="rclpy is needed: see requirements/")

from benchmarks.start_up import main

pytestmark = pytest.mark.integration


def test_cold_and_warm_starts_are_timed_until_there_is_depth(tiny_bundle, tmp_path, capsys):
    path = tmp_path / "starts.json"
    assert main(["--bundle", str(tiny_bundle), "--runs", "1", "--json", str(path)]) == 0
    printed = capsys.readouterr().out
    assert "| without compiled Python | " in printed
    assert "| with caches | " in printed
    assert path.read_text().count('"depth"') == 2
