"""colcon builds a clean copy, and what it installs runs."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("rclpy", reason="rclpy is needed: see requirements/")

COLCON = Path(sys.executable).with_name("colcon")
PACKAGE_FILES = (
    "package.xml",
    "setup.py",
    "setup.cfg",
    "pyproject.toml",
    "resource",
    "launch",
    "config",
    "starrygazer_ros",
)

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(not COLCON.exists(), reason="colcon is not installed in this environment"),
]


@pytest.fixture(params=["installed", "symlinked"])
def workspace(request, repository, tiny_bundle, tmp_path):
    """A workspace with the package built in it, and the environment after sourcing it."""
    package = tmp_path / "src" / "starrygazer_ros"
    package.mkdir(parents=True)
    for name in PACKAGE_FILES:
        source = repository / name
        if source.is_dir():
            shutil.copytree(source, package / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, package)
    shutil.copytree(tiny_bundle, package / "models" / "default")
    # colcon starts "python3", which must be the one of this environment.
    environment = {**os.environ, "PATH": f"{COLCON.parent}{os.pathsep}{os.environ['PATH']}"}
    environment.pop("PYTHONPATH", None)
    command = [str(COLCON), "build", "--event-handlers", "console_direct+"]
    if request.param == "symlinked":
        command.append("--symlink-install")
    built = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300
    )
    assert built.returncode == 0, built.stdout + built.stderr
    sourced = subprocess.run(
        ["bash", "-c", "source install/setup.bash && env -0"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    environment = dict(line.split("=", 1) for line in sourced.split("\0") if "=" in line)
    # The source checkout must not hide what is installed, nor its models.
    return tmp_path / "install" / "starrygazer_ros", environment


def test_installs_everything_and_the_node_runs_with_the_default_bundle(workspace, tmp_path):
    from integration.harness import NodeProcess, Peer, next_domain

    prefix, environment = workspace
    share = prefix / "share" / "starrygazer_ros"
    for path in (
        share / "package.xml",
        share / "launch" / "complete.launch.py",
        share / "config" / "complete.yaml",
        share / "models" / "default" / "manifest.yaml",
        prefix / "share" / "ament_index" / "resource_index" / "packages" / "starrygazer_ros",
    ):
        assert path.is_file(), path
    assert os.access(prefix / "lib" / "starrygazer_ros" / "starrygazer", os.X_OK)

    domain = next_domain()
    command = [str(prefix / "lib" / "starrygazer_ros" / "completion_node")]
    process = NodeProcess(tmp_path, domain, {}, command, environment, folder_to_run_in=tmp_path)
    peer = Peer(domain)
    try:
        process.wait_for_log("model 'tiny'")
        peer.wait_until_connected()
        peer.complete_good_pair()
    finally:
        peer.destroy()
        code = process.stop()
    assert code == 0
