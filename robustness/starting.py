"""A real node in a process of its own, and a peer that talks to it over DDS."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "test"))
from bundles import PARAMETERS, write_tiny_bundle
from integration.harness import COMMAND, NodeProcess, Peer, next_domain

TINY = "tiny"  # the model of the tests, which computes next to nothing


@contextmanager
def running(
    parameters: dict[str, Any],
    folder: Path,
    model: str = TINY,
    inside: Sequence[str] = (),
    **settings: str,
) -> Iterator[tuple[NodeProcess, Peer]]:
    """A node that has loaded its model; it and the peer end with the context.

    Args:
        parameters: of the node.
        folder: existing, for the node's log and the tiny bundle.
        model: ``TINY``, or name or folder of a bundle.
        inside: command that runs the node's, such as :attr:`robustness.disks.Disk.command`.
        settings: added to the node's environment.
    """
    bundle: Path | str = model
    if model == TINY:
        bundle = folder / TINY
        if not bundle.exists():
            write_tiny_bundle(bundle)
    with ExitStack() as stack:
        domain = next_domain()
        peer = Peer(domain)
        stack.callback(peer.destroy)
        of_model = PARAMETERS if model == TINY else {}
        values = {"model": bundle, **of_model, **parameters}
        environment = {**os.environ, **settings}
        process = NodeProcess(folder, domain, values, (*inside, *COMMAND), environment)
        stack.callback(process.stop)
        process.wait_for_log("self-check")
        yield process, peer


def resident_mib(process: NodeProcess) -> float:
    """Resident memory of a process in MiB."""
    status = Path(f"/proc/{process.pid}/status").read_text(encoding="ascii")
    found = re.search(r"VmRSS:\s+(\d+)", status)
    assert found is not None
    return int(found[1]) / 1024
