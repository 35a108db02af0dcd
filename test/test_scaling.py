"""The arithmetic of the scaling benchmark, on a model and images that cost nothing."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("skimage", reason="scikit-image's photograph is completed")

from benchmarks import scaling
from benchmarks.curves import Curve, draw
from benchmarks.scaling import Setting, measure
from starrygazer_ros.backends.options import EngineOptions


@pytest.mark.parametrize("power", [-0.5, 0.0, 1.0, 2.0])
def test_the_exponent_is_that_of_a_power_law(power):
    curve = Curve("pixels", [(x, 3 * x**power) for x in (10, 100, 5000)])
    assert curve.exponent == pytest.approx(power)


def test_curves_are_drawn_beside_each_other():
    curve = Curve("pixels", [(10, 1), (1000, 100)])
    picture = draw([curve, Curve("points", [(10, 5), (1000, 5)])], "milliseconds")
    assert picture.dtype == np.uint8
    assert picture.shape == (420, 2 * 560, 3)
    line = (picture == (31, 119, 180)).all(2)
    rising, flat = (np.flatnonzero(half.any(1)) for half in np.hsplit(line, 2))
    assert rising[-1] - rising[0] > 200 > 20 > flat[-1] - flat[0]


def test_cameras_that_share_engines_are_measured_together(tiny_bundle):
    setting = Setting(96, 64, points=200, threads=1, cameras=2)
    measured = measure(setting, str(tiny_bundle), "onnxruntime", EngineOptions(), frames=2)
    assert measured.setting == setting
    assert measured.milliseconds > 0
    assert measured.peak_mib > 10


def test_the_sparse_depth_has_the_points_that_are_asked_for():
    depth = np.zeros((20, 30), np.float32)
    depth[5:15] = 2.0
    assert np.count_nonzero(scaling._some_of(depth, 40)) == 40
    assert np.count_nonzero(scaling._some_of(depth, 1000)) == 300


def test_the_run_prints_every_table_and_writes_numbers_and_plot(
    tiny_bundle, tmp_path, capsys, monkeypatch
):
    monkeypatch.setattr(scaling, "SIZES", ((48, 32), (96, 64)))
    monkeypatch.setattr(scaling, "SIZE", (48, 32))
    for name in ("POINTS", "THREADS", "CAMERAS"):
        monkeypatch.setattr(scaling, name, getattr(scaling, name)[:2])
    json, plot = tmp_path / "scaling.json", tmp_path / "scaling.png"
    arguments = ["--bundle", str(tiny_bundle), "--frames", "1"]
    assert scaling.main([*arguments, "--json", str(json), "--plot", str(plot)]) in (0, 1)
    printed = capsys.readouterr().out
    for words in ("| pixels |", "| 96x64 |", "| sparse points |", "| cameras |", "with the power"):
        assert words in printed
    assert json.read_text().count('"milliseconds"') == 8
    assert plot.read_bytes().startswith(b"\x89PNG")
