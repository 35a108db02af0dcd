from __future__ import annotations

import pytest

pytest.importorskip("rosbags", reason="rosbags is needed: see requirements/")

from starrygazer_ros.bags.parameter_files import parameters_of_node
from starrygazer_ros.bags.recording import BagError


@pytest.fixture
def threads(tmp_path):
    """What the node gets of sections that each set threads; a section is its name and value."""

    def read(*sections, namespace=""):
        file = tmp_path / "parameters.yaml"
        file.write_text(
            "".join(f"{name}:\n  ros__parameters: {{threads: {n}}}\n" for name, n in sections)
        )
        return parameters_of_node(file, namespace)["threads"]

    return read


@pytest.mark.parametrize(
    "name",
    [
        "/**",
        "completion_node",
        "/completion_node",
        "/*",
        "/**/completion_node",
        "/front/completion_node",
        "front/left/completion_node",
    ],
)
def test_the_section_may_be_called_as_for_the_node(threads, name):
    assert threads(("projection_node", 9), (name, 3)) == 3


@pytest.mark.parametrize("name", ["/front/**", "/*/completion_node", "/front/*", "/**"])
def test_a_pattern_counts_for_the_nodes_that_it_fits(threads, name):
    assert threads((name, 3), namespace="/front") == 3


def test_a_namespace_may_be_a_level_of_its_own(tmp_path):
    file = tmp_path / "parameters.yaml"
    file.write_text("front:\n  completion_node:\n    ros__parameters: {sync: {slop: 0.5}}\n")
    assert parameters_of_node(file, "") == {"sync.slop": 0.5}


def test_the_nodes_own_section_wins_whatever_the_order(threads):
    assert threads(("/front/completion_node", 3), ("/**", 5)) == 3


def test_of_several_nodes_the_namespace_chooses(threads):
    sections = ("/front/completion_node", 3), ("/rear/completion_node", 5)
    assert threads(*sections, namespace="/rear") == 5
    with pytest.raises(
        BagError, match="of /front/completion_node, /rear/completion_node: choose one by --name"
    ):
        threads(*sections)


def test_the_node_without_namespace_needs_no_choice(threads):
    assert threads(("/front/completion_node", 3), ("completion_node", 5)) == 5


def test_sections_of_others_only_are_named(threads):
    with pytest.raises(BagError, match="of the node's name; it has /rear/\\*\\*, /projection_node"):
        threads(("/rear/**", 3), ("projection_node", 5))
