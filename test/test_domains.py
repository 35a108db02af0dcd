"""Tests in several processes at once do not hear each other's nodes."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

pytest.importorskip("rclpy", reason="rclpy is needed: see requirements/")

from integration import harness

SCRIPT = """
import itertools, json, sys
from integration import harness

harness._domains = itertools.count(int(sys.argv[1]))
print(json.dumps([harness.next_domain() for _ in range(20)]))
"""


def test_processes_that_look_for_domains_in_one_order_find_different_ones(repository):
    ours = [harness.next_domain() for _ in range(20)]
    command = [sys.executable, "-c", SCRIPT, str(ours[0] - 1)]
    result = subprocess.run(
        command, cwd=repository / "test", capture_output=True, text=True, check=True
    )
    theirs = json.loads(result.stdout)
    assert len({*ours, *theirs}) == 40
    assert {*ours, *theirs} <= set(range(1, harness.DOMAINS + 1))
