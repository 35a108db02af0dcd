from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from benchmarks import gpu_check
from benchmarks.gpu_check import Checked, Measured
from starrygazer_ros.completion import DepthCompleter

SMALL = (48, 64)


def test_without_a_gpu_the_report_says_why_and_the_check_fails(tmp_path, tiny_bundle, capsys):
    report = tmp_path / "report.json"
    arguments = ["--bundle", str(tiny_bundle), "--report", str(report), "--frames", "2"]
    assert gpu_check.main(arguments) == 1
    content = json.loads(report.read_text())
    assert [checked["backend"] for checked in content["checks"]] == ["tensorrt", "tensorrt_rtx"]
    assert all(checked["error"] for checked in content["checks"])
    assert content["machine"]
    assert "no back end for GPUs runs here" in capsys.readouterr().err


def test_the_reference_is_equal_to_itself(tiny_bundle):
    completer = DepthCompleter.from_bundle(tiny_bundle, "onnxruntime", 1)
    measured = gpu_check.measure(completer, completer, SMALL, 2)
    assert measured.largest_difference == 0
    assert measured.milliseconds["total"][0] > 0


def test_depth_that_is_missing_is_a_difference(tiny_bundle):
    reference = DepthCompleter.from_bundle(tiny_bundle, "onnxruntime", 1)

    class Blind:
        def complete(self, image, sparse_depth):
            result = reference.complete(image, sparse_depth)
            return replace(result, depth=np.full_like(result.depth, np.nan))

    measured = gpu_check.measure(Blind(), reference, SMALL, 1)
    assert measured.largest_difference == np.inf


@pytest.mark.parametrize(("difference", "code"), [(0.001, 0), (0.03, 1), (float("nan"), 1)])
def test_a_back_end_that_is_wrong_fails_the_check(difference, code):
    measured = Measured(SMALL, 0.0, difference, {"total": (1.0, 2.0)}, 100.0)
    checked = Checked("tensorrt", "fp32", description="tensorrt 10", sizes=[measured])
    broken = Checked("tensorrt_rtx", "fp32", error="not here")
    assert gpu_check.verdict([checked, broken], 0.01) == code
    assert "48" in gpu_check.as_text(checked)
    assert gpu_check.as_text(broken) == "tensorrt_rtx fp32: not here"
