"""From the start of the node's process to its first dense depth, cold and with caches."""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "test"))
from integration.harness import COMMAND, NodeProcess, Peer, next_domain


@dataclass(frozen=True)
class Start:
    """Seconds from the start of the process.

    Attributes:
        loaded: until the log says that the model has passed its self-check.
        depth: until the first dense depth arrived.
    """

    loaded: float
    depth: float


def main(arguments: list[str] | None = None) -> int:
    """Print the table; 2 if no depth came."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.start_up", description=__doc__)
    parser.add_argument("--bundle", default="default", help="name or folder (default: default)")
    parser.add_argument("--runs", type=int, default=5, help="of each (default: 5)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the numbers here")
    options = parser.parse_args(arguments)
    try:
        starts = measure(options.bundle, options.runs)
    except AssertionError as error:
        print(f"start_up: {error}", file=sys.stderr)
        return 2
    print("\n| start (median) | model loaded and checked s | first dense depth s |")
    print("|---|---|---|")
    for name, runs in starts.items():
        loaded, depth = (
            float(np.median([getattr(r, n) for r in runs])) for n in ("loaded", "depth")
        )
        print(f"| {name} | {loaded:.2f} | {depth:.2f} |")
    if options.json:
        numbers = {name: [asdict(run) for run in runs] for name, runs in starts.items()}
        options.json.write_text(json.dumps(numbers, indent=2) + "\n", encoding="utf-8")
    return 0


def measure(bundle: str, runs: int) -> dict[str, list[Start]]:
    """Starts by kind; cold is without compiled Python, in both the files are in memory.

    Raises:
        AssertionError: no depth came in time.
    """
    found: dict[str, list[Start]] = {"without compiled Python": [], "with caches": []}
    with tempfile.TemporaryDirectory(prefix="starrygazer_start_") as folder:
        warm = Path(folder) / "warm"
        start(bundle, Path(folder), warm)  # fills the caches
        for run in range(runs):  # in turn, so that a busy machine slows both
            cold = Path(folder) / f"cold_{run}"
            found["without compiled Python"].append(start(bundle, Path(folder), cold))
            found["with caches"].append(start(bundle, Path(folder), warm))
    return found


def start(bundle: str, folder: Path, compiled: Path) -> Start:
    """Start a node, send good pairs until there is depth, stop it.

    Args:
        bundle: name or folder of the model.
        folder: for the node's log.
        compiled: where Python keeps what it compiles.

    Raises:
        AssertionError: no depth came in time.
    """
    environment = {**os.environ, "PYTHONPYCACHEPREFIX": str(compiled)}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)  # else nothing is ever kept
    with ExitStack() as stack:
        peer = Peer(domain := next_domain())
        stack.callback(peer.destroy)
        began = time.monotonic()
        process = NodeProcess(folder, domain, {"model": bundle}, COMMAND, environment)
        stack.callback(process.stop)
        process.wait_for_log("self-check")
        loaded = time.monotonic() - began
        peer.complete_good_pair()
        return Start(loaded, time.monotonic() - began)


if __name__ == "__main__":
    sys.exit(main())
