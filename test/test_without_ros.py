"""What runs on a machine without ROS imports nothing of it."""

from __future__ import annotations

import subprocess
import sys

import pytest

pytest.importorskip("rosbags", reason="rosbags is needed: see requirements/")

PROGRAM = """
import sys

class NoRos:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("rclpy", "rcl_interfaces", "sensor_msgs", "std_msgs", "tf2_ros"):
            raise ModuleNotFoundError(name)

sys.meta_path.insert(0, NoRos())
"""


@pytest.mark.parametrize(
    "module", ["starrygazer_ros.cli", "starrygazer_ros.bags.command", "starrygazer_ros.files"]
)
def test_files_and_bags_need_no_ros(module):
    result = subprocess.run(
        [sys.executable, "-c", f"{PROGRAM}import {module}"], capture_output=True, text=True
    )
    assert (result.returncode, result.stderr) == (0, "")
    node = "starrygazer_ros.nodes.completion"
    refused = subprocess.run(
        [sys.executable, "-c", f"{PROGRAM}import {node}"], capture_output=True, text=True
    )
    assert "ModuleNotFoundError" in refused.stderr  # the program does what it says
