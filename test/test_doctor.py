from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from starrygazer_ros import doctor
from starrygazer_ros.cli import main
from starrygazer_ros.doctor import BAD, GOOD, OPTIONAL


@pytest.fixture
def healthy(monkeypatch, tmp_path):
    """An environment in which nothing is wrong, whatever else is missing."""
    profile = tmp_path / "profile.xml"
    profile.write_text("<profiles/>")
    monkeypatch.setenv("FASTDDS_DEFAULT_PROFILES_FILE", str(profile))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))


def findings(bundle):
    return {finding.what: finding for finding in doctor.examine(str(bundle))}


def test_a_machine_that_has_what_it_needs_is_healthy(healthy, tiny_bundle, capsys):
    assert main(["doctor", "--bundle", str(tiny_bundle)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert any(line.startswith("ok back end onnxruntime: onnxruntime ") for line in lines)
    assert any("self-check differs by" in line for line in lines)
    assert any(line.startswith(f"ok model {tiny_bundle}: 0.0.1, SHA-256 ") for line in lines)
    assert not any(line.startswith("!!") for line in lines)


def test_every_lack_has_one_suggestion(healthy, tiny_bundle):
    for finding in findings(tiny_bundle).values():
        assert bool(finding.advice) == (finding.state != GOOD)
        assert "\n" not in finding.advice


def test_every_back_end_says_why_it_cannot_run(healthy, tiny_bundle):
    found = findings(tiny_bundle)
    for backend in ("tensorrt", "tensorrt_rtx", "openvino", "onnxruntime"):
        finding = found[f"back end {backend}"]
        assert finding.state == GOOD or "install" in finding.advice


def test_a_damaged_model_is_found(healthy, tiny_bundle_copy, capsys):
    (tiny_bundle_copy / "mde.onnx").write_bytes(b"changed")
    assert main(["doctor", "--bundle", str(tiny_bundle_copy)]) == 1
    assert "was changed: SHA-256" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("middleware", "profile", "state", "part"),
    [
        ("rmw_fastrtps_cpp", "", OPTIONAL, "loses large best-effort images"),
        ("rmw_fastrtps_cpp", "/nowhere.xml", BAD, "FASTDDS_DEFAULT_PROFILES_FILE=/nowhere.xml"),
        ("rmw_cyclonedds_cpp", "", GOOD, "rmw_cyclonedds_cpp"),
    ],
)
def test_the_profile_for_large_images_is_looked_for(monkeypatch, middleware, profile, state, part):
    monkeypatch.setenv("RMW_IMPLEMENTATION", middleware)
    monkeypatch.setenv("FASTDDS_DEFAULT_PROFILES_FILE", profile)
    monkeypatch.delenv("FASTRTPS_DEFAULT_PROFILES_FILE", raising=False)
    finding = doctor._large_images()
    assert finding.state == state
    assert part in finding.found


def test_the_profile_that_is_advised_is_there(monkeypatch):
    monkeypatch.setenv("RMW_IMPLEMENTATION", "rmw_fastrtps_cpp")
    for variable in ("FASTDDS_DEFAULT_PROFILES_FILE", "FASTRTPS_DEFAULT_PROFILES_FILE"):
        monkeypatch.delenv(variable, raising=False)
    assert Path(doctor._large_images().advice.rpartition("=")[2]).is_file()


def test_whoever_reads_the_first_line_only_sees_no_traceback():
    command = [sys.executable, "-m", "starrygazer_ros.cli", "doctor"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout.readline().startswith("ok starrygazer_ros")
        process.stdout.close()
        assert process.stderr.read() == ""
    assert process.returncode == 1


def test_a_cache_that_cannot_be_written_is_told(monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", "/proc/nothing")
    monkeypatch.setattr(doctor.os, "access", lambda *_: False)
    assert doctor._cache().state == BAD


def test_what_is_not_always_needed_is_no_illness():
    missing = doctor._package("no_such_package", "pip install it", optional=True)
    assert (missing.state, missing.advice) == (OPTIONAL, "pip install it")
    assert doctor._package("no_such_package", "pip install it").state == BAD
