"""What the package says about itself in several places agrees."""

from __future__ import annotations

import re
import subprocess
import sys
import xml.etree.ElementTree as ElementTree

import pytest

import starrygazer_ros


def package_xml(repository):
    return ElementTree.parse(repository / "package.xml").getroot()


def test_the_version_is_the_same_everywhere(repository):
    version = starrygazer_ros.__version__
    assert package_xml(repository).findtext("version") == version
    assert f'version="{version}"' in (repository / "setup.py").read_text(encoding="utf-8")
    changelog = (repository / "CHANGELOG.rst").read_text(encoding="utf-8")
    assert re.search(r"^(\d+\.\d+\.\d+) \(.+\)\n-+$", changelog, re.MULTILINE).group(1) == version


def test_every_ros_package_that_is_imported_is_a_dependency(repository):
    listed = {element.text for element in package_xml(repository) if "depend" in element.tag}
    ros = "rclpy|rcl_interfaces|message_filters|launch|launch_ros|lifecycle_msgs|[a-z]+_msgs"
    ros += "|builtin_interfaces|ament_index_python"
    pattern = re.compile(rf"^\s*(?:from|import) ({ros})\b", re.MULTILINE)
    sources = [*(repository / "starrygazer_ros").rglob("*.py"), *repository.glob("launch/*.py")]
    imported = {name for path in sources for name in pattern.findall(path.read_text("utf-8"))}
    assert {"rclpy", "sensor_msgs", "launch_ros"} <= imported
    assert imported <= listed


@pytest.mark.parametrize("node", ["completion_node", "projection_node"])
def test_the_node_says_that_it_needs_ros(node):
    code = (
        "import sys; sys.modules['rclpy'] = None; "
        f"from starrygazer_ros.nodes.{node} import main; main()"
    )
    process = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert process.returncode == 1
    assert "needs ROS 2" in process.stderr
    assert "Traceback" not in process.stderr


def test_the_core_runs_without_ros():
    code = (
        "import sys, starrygazer_ros.completion, starrygazer_ros.backends.onnxruntime,"
        "starrygazer_ros.completion.projection, starrygazer_ros.completion.motion;"
        "ros = [m for m in sys.modules if m.split('.')[0] in ('rclpy', 'sensor_msgs')];"
        "sys.exit(', '.join(ros) or 0)"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
