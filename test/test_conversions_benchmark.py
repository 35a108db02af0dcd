"""The table of what reading messages costs."""

from __future__ import annotations

import json

import pytest

pytest.importorskip("rclpy", reason="rclpy is needed: see requirements/")

from benchmarks import conversions


def test_every_encoding_is_read_and_compared_with_a_copy(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(conversions, "POINTS", 100)
    monkeypatch.setattr(conversions, "WIDTH", 16)
    monkeypatch.setattr(conversions, "HEIGHT", 8)
    path = tmp_path / "costs.json"
    assert conversions.main(["--repeats", "2", "--json", str(path)]) == 0
    rows = [line for line in capsys.readouterr().out.splitlines() if line.startswith("| ")][1:]
    names = [*conversions.IMAGES, *conversions.DEPTHS, *conversions.CLOUDS]
    assert [row.split(" | ")[0].removeprefix("| ") for row in rows] == names
    for cost in json.loads(path.read_text()):
        assert cost["reading"] > 0
        assert cost["copying"] > 0
