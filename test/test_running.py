"""What a process of nodes does before the first of them."""

from __future__ import annotations

import pytest

pytest.importorskip("rclpy")

from starrygazer_ros.nodes import running
from starrygazer_ros.nodes.stopping import Stop


def test_memory_is_kept_from_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    done = []
    monkeypatch.setattr(running, "keep_freed_memory", lambda: done.append("memory"))
    monkeypatch.setattr(running.sys, "argv", ["completion_node"])

    def make() -> None:
        done.append("node")
        raise ValueError("no node")

    assert running.run([make], Stop()) == 1
    assert done == ["memory", "node"]
