from __future__ import annotations

import sys
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from bundles import PARAMETERS


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show beside a failure what the last nodes wrote."""
    report = yield
    if report.failed and "integration.harness" in sys.modules:
        recent = sys.modules["integration.harness"].NodeProcess.recent
        report.sections += [(f"log of process {node.pid}", node.log[-5000:]) for node in recent]
    return report


@pytest.fixture(scope="module")
def start_node(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Callable[..., tuple[Any, Any]]]:
    """Start a node process and a peer in a domain of their own; both end with the module."""
    pytest.importorskip("rclpy", reason="rclpy is needed: see requirements/")
    from integration.harness import NodeProcess, Peer, next_domain

    with ExitStack() as stack:

        def start(**parameters: Any) -> tuple[NodeProcess, Peer]:
            domain = next_domain()
            # ROS parameter names have dots, Python's keywords do not.
            named = {name.replace("__", "."): value for name, value in parameters.items()}
            named = {**PARAMETERS, **named}
            peer = Peer(domain)
            stack.callback(peer.destroy)
            process = NodeProcess(tmp_path_factory.mktemp("node"), domain, named)
            stack.callback(process.stop)
            return process, peer

        yield start


@pytest.fixture(scope="module")
def running(start_node: Callable[..., Any], tiny_bundle: Path) -> tuple[Any, Any]:
    """One active node that has already completed a pair, shared by a module's tests."""
    process, peer = start_node(model=tiny_bundle)
    process.wait_for_log("self-check")
    peer.wait_until_connected()
    peer.complete_good_pair()
    return process, peer
