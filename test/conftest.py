from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(Path(__file__).parent))  # tests import bundles and integration.harness

# ROS wheels from PyPI do not set it, and parts of ROS look their resources up there.
os.environ.setdefault("AMENT_PREFIX_PATH", sys.prefix)


@pytest.fixture(scope="session")
def repository() -> Path:
    """Root of the source checkout."""
    return REPOSITORY


@pytest.fixture(scope="session")
def tiny_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a complete bundle with a known answer; see bundles.py. Do not change it."""
    pytest.importorskip("onnx", reason="onnx is needed to make the tiny model bundle")
    from bundles import write_tiny_bundle

    return write_tiny_bundle(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture
def tiny_bundle_copy(tiny_bundle: Path, tmp_path: Path) -> Path:
    """A copy of the tiny bundle that a test may damage."""
    return Path(shutil.copytree(tiny_bundle, tmp_path / "tiny"))
