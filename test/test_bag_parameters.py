from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("rosbags", reason="rosbags is needed: see requirements/")

from starrygazer_ros.bags.parameters import read_parameters
from starrygazer_ros.bags.recording import BagError
from starrygazer_ros.completion_parameters import CompletionParameters

CONFIG = Path(__file__).parents[1] / "config" / "complete.yaml"


def test_the_packages_own_file_holds_the_defaults():
    assert read_parameters(CONFIG, []) == CompletionParameters() == read_parameters(None, [])


def test_assignments_come_after_the_file(tmp_path):
    file = tmp_path / "parameters.yaml"
    file.write_text(
        "/**:\n  ros__parameters:\n    sync: {slop: 0.5, policy: exact}\n    of_others: 3\n"
        "completion_node:\n  ros__parameters:\n    points.stride: 4\n"
        "projection_node:\n  ros__parameters:\n    points.stride: 9\n"
    )
    values = read_parameters(file, ["sync.policy:=latest", "sync.max_age:=1"])
    assert (values.sync_slop, values.sync_policy, values.points_stride) == (0.5, "latest", 4)
    assert values.sync_max_age == 1.0


@pytest.mark.parametrize(
    ("assignment", "part"),
    [
        ("sync.slop=0.1", "write it as name:=value"),
        ("sync.slip:=0.1", "there is no parameter sync.slip: did you mean sync.slop?"),
        ("sync.slop:=much", "sync.slop is a float, got 'much'"),
        ("sync.slop:=-1", "sync.slop is from 0.0 to 10.0"),
        ("sync.slop:=[", "is no YAML value"),
        ("range.max:=-1.0", "range.max is from"),
        ("sweeps.count:=3", "need sweeps.fixed_frame"),
    ],
)
def test_refuses_what_the_node_refuses_with_the_reason(assignment, part):
    with pytest.raises(BagError) as caught:
        read_parameters(None, [assignment])
    assert part in str(caught.value)


def test_a_number_may_have_an_exponent():
    assert read_parameters(None, ["sync.slop:=1e-2"]).sync_slop == 0.01


@pytest.mark.parametrize("content", [None, "", "- 1", "a: {b: c", "node:\n  ros__parameters: {}"])
def test_a_file_without_parameters_is_told(tmp_path, content):
    file = tmp_path / "parameters.yaml"
    if content is not None:
        file.write_text(content)
    with pytest.raises(BagError, match=r"parameters\.yaml (cannot be read|has no parameters)"):
        read_parameters(file, [])


def test_a_misspelt_parameter_of_a_file_is_refused_with_the_right_name(tmp_path):
    file = tmp_path / "parameters.yaml"
    file.write_text("/**:\n  ros__parameters:\n    sync: {slip: 0.5}\n")
    with pytest.raises(BagError, match=r"no parameter sync\.slip: did you mean sync\.slop\?"):
        read_parameters(file, [])


def test_what_changes_nothing_is_told_in_one_line(tmp_path, capsys):
    file = tmp_path / "parameters.yaml"
    file.write_text(
        "completion_node:\n  ros__parameters:\n    use_sim_time: true\n    autostart: true\n"
        "    qos: {input_depth: 9, output_depth: 1}\n    sync.slop: 0.1\n"
    )
    read_parameters(file, ["extrinsics.timeout:=2.0"])
    expected = "change nothing for a bag: use_sim_time, qos.input_depth, extrinsics.timeout\n"
    assert capsys.readouterr().err.endswith(expected)


def test_the_packages_own_file_needs_no_word(capsys):
    read_parameters(CONFIG, [])
    assert capsys.readouterr().err == ""
