"""The lock file pins with hashes what setup.py asks for."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

pytest.importorskip("packaging", reason="comes with pytest")

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

LOCKED = re.compile(r"^([\w.-]+)==(\S+) \\\n((?:    --hash=sha256:[0-9a-f]{64}(?: \\)?\n)+)", re.M)


@pytest.fixture(scope="module")
def versions(repository: Path) -> dict[str, str]:
    """Pinned version by name."""
    text = (repository / "requirements" / "lock.txt").read_text(encoding="utf-8")
    return {canonicalize_name(name): version for name, version, _ in LOCKED.findall(text)}


def wanted(repository: Path) -> list[Requirement]:
    """What the run time and bags need, by setup.py."""
    found: list[str] = []
    for node in ast.walk(ast.parse((repository / "setup.py").read_text(encoding="utf-8"))):
        if isinstance(node, ast.keyword) and node.arg == "install_requires":
            found += ast.literal_eval(node.value)
        if isinstance(node, ast.keyword) and node.arg == "extras_require":
            found += ast.literal_eval(node.value)["bags"]
    return [Requirement(text) for text in found]


def test_every_pinned_version_has_hashes(repository: Path, versions: dict[str, str]) -> None:
    text = (repository / "requirements" / "lock.txt").read_text(encoding="utf-8")
    assert len(versions) == len(re.findall(r"^[\w.-]+==", text, re.M)) >= 4


def test_the_pinned_versions_are_those_that_setup_allows(
    repository: Path, versions: dict[str, str]
) -> None:
    requirements = wanted(repository)
    assert {"numpy", "onnxruntime", "rosbags"} <= {r.name for r in requirements}
    for requirement in requirements:
        name = canonicalize_name(requirement.name)
        if name != "setuptools":  # what builds is not pinned with what runs
            assert requirement.specifier.contains(versions[name]), requirement
