"""What goes wrong on a robot, done to a running node: what it says, and when depth is back.

``make faults`` runs it. Every message that the node received must be in a pair, waiting or counted
by the cause it was dropped for, every pair completed or counted, and depth must come back.
"""

from __future__ import annotations

import argparse
import multiprocessing
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from robustness import disk_faults
from robustness.outcomes import Outcome, account, table, worst_sentences
from robustness.overload import OVERLOAD, images_are_too_many
from robustness.starting import running

from bundles import PARAMETERS, write_tiny_bundle  # isort: skip
from integration.harness import (  # isort: skip
    NodeProcess,
    Peer,
    image_message,
    sparse_depth_message,
    stamp_of,
    wait_for,
)

HOUR = 3600 * 10**9  # ns
WATCHDOG = 2.0  # s, of the node under test
HANGS, FAILS, GOOD = (
    255,
    0,
    51,
)  # grey levels of images that trouble the engine, see test/bundles.py
LOOPS, PAIRS_OF_A_LOOP = 100, 5
LOOP = PAIRS_OF_A_LOOP * 10**8  # ns; the harness's pairs are 0.1 s apart
TOO_MANY = f"{OVERLOAD} times the pairs it can do"
SPAWN = multiprocessing.get_context("spawn")
LONGEST_RECOVERY = 30.0  # s


Inject = Callable[[NodeProcess, Peer, float], float]
"""Does a fault for so many seconds, if it lasts; monotonic time from which depth is awaited."""


def engine_hangs(process: NodeProcess, peer: Peer, _: float) -> float:
    """Images on which the engine computes for years, then good ones."""
    began = time.monotonic()
    _send_until(process, "hung:", peer, HANGS)  # one alone might be replaced by the next
    _send_until(process, "loaded again:", peer)
    return began


def engine_fails(process: NodeProcess, peer: Peer, _: float) -> float:
    """Images on which the engine raises, one after the other."""
    began = time.monotonic()
    _send_until(process, "loaded again:", peer, FAILS)
    return began


def publisher_is_killed(_: NodeProcess, peer: Peer, seconds: float) -> float:
    """Another process publishes the pairs, is killed in mid stream, and another one goes on."""
    depth = peer.received["/depth/dense"]
    began = 0.0
    for _restart in range(2):
        # Depth of its stamps must not be taken for that of those before or of the next pair.
        peer.shift_stamps(HOUR)
        first = peer.new_stamp()
        domain = peer.node.context.get_domain_id()
        publisher = SPAWN.Process(target=_publish, args=(domain, first), daemon=True)
        publisher.start()
        wait_for(lambda first=first: depth and stamp_of(depth[-1]) > first, "the publisher")
        back = time.monotonic()
        time.sleep(seconds / 2)
        publisher.kill()
        publisher.join()
        recovery, began = back - began, time.monotonic()
    peer.shift_stamps(HOUR)
    return time.monotonic() - recovery


def sparse_depth_stops(_: NodeProcess, peer: Peer, seconds: float) -> float:
    """Images alone."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        peer.send_one("image", image_message(), peer.new_stamp())
        time.sleep(0.1)
    return time.monotonic()


def images_flood(_: NodeProcess, peer: Peer, seconds: float) -> float:
    """Pairs as fast as they can be sent."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        _send(peer)
    return time.monotonic()


def processor_is_busy(_: NodeProcess, peer: Peer, seconds: float) -> float:
    """Four processes for each core compute beside the node."""
    spinners = [
        SPAWN.Process(target=_spin, daemon=True) for _ in range(4 * multiprocessing.cpu_count())
    ]
    for spinner in spinners:
        spinner.start()
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        _send(peer)
        time.sleep(0.1)
    for spinner in spinners:
        spinner.kill()
        spinner.join()
    return time.monotonic()


def node_stands_still(process: NodeProcess, peer: Peer, seconds: float) -> float:
    """The process is stopped as by a debugger, then goes on."""
    process.send(signal.SIGSTOP)
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        _send(peer)
        time.sleep(0.1)
    process.send(signal.SIGCONT)
    return time.monotonic()


def clock_jumps_ahead(_: NodeProcess, peer: Peer, __: float) -> float:
    """Stamps an hour later from one pair to the next."""
    peer.shift_stamps(HOUR)
    _send(peer)
    return time.monotonic()


def clock_jumps_back(_: NodeProcess, peer: Peer, __: float) -> float:
    """Stamps an hour earlier from one pair to the next."""
    peer.shift_stamps(-HOUR)
    _send(peer)
    return time.monotonic()


def bag_loops(_: NodeProcess, peer: Peer, __: float) -> float:
    """The same half second again and again."""
    for _loop in range(LOOPS):
        for _pair in range(PAIRS_OF_A_LOOP):
            _send(peer)
            time.sleep(0.002)
        peer.shift_stamps(-LOOP)
    peer.shift_stamps(LOOP)  # depth of its stamps must not be taken for that of the next pair
    return time.monotonic()


FAULTS: dict[str, Inject] = {
    "engine hangs": engine_hangs,
    "engine fails": engine_fails,
    "publisher killed and restarted": publisher_is_killed,
    "sparse depth stops": sparse_depth_stops,
    "pairs flood": images_flood,
    TOO_MANY: images_are_too_many,
    "processor busy": processor_is_busy,
    "node stands still": node_stands_still,
    "clock an hour ahead": clock_jumps_ahead,
    "clock an hour back": clock_jumps_back,
    f"bag loops {LOOPS} times": bag_loops,
}
KILLED = "node killed and restarted"
MODELS = {TOO_MANY: "default"}  # of the others the bundle that can be troubled


def main(arguments: list[str] | None = None) -> int:
    """Print the table; 1 if depth did not come back or something was lost unseen."""
    parser = argparse.ArgumentParser(prog="python -m robustness.faults", description=__doc__)
    parser.add_argument(
        "--seconds", type=float, default=30.0, help="that a lasting fault lasts (default: 30)"
    )
    parser.add_argument("--only", nargs="+", metavar="WORD", help="faults whose name has a word")
    options = parser.parse_args(arguments)
    names = [
        name
        for name in (*FAULTS, KILLED, *disk_faults.FAULTS)
        if not options.only or any(word in name for word in options.only)
    ]
    outcomes = []
    with tempfile.TemporaryDirectory(prefix="starrygazer_faults_") as folder:
        bundle = write_tiny_bundle(Path(folder) / "troubled", troubled=True)
        for name in names:
            outcomes.append(inject(name, Path(folder), bundle, options.seconds))
            print(f"{name}: {outcomes[-1].recovery:.2f} s", file=sys.stderr)
    print(table(outcomes))
    return 1 if any(outcome.problems for outcome in outcomes) else 0


def inject(name: str, folder: Path, bundle: Path, seconds: float) -> Outcome:
    """Do a fault to a node of its own.

    Args:
        name: of the fault.
        folder: existing, for the node's log.
        bundle: model whose engine can be made to hang and to fail.
        seconds: that a lasting fault lasts.
    """
    if name in disk_faults.FAULTS:
        return disk_faults.inject(name, folder, bundle)
    outcome = Outcome(name)
    parameters = {
        **PARAMETERS,
        "backend": "onnxruntime",  # OpenVINO would not fail where the troubled model is to
        "threads": 1,
        "diagnostics.max_stamp_age": 0.0,  # the stamps of the harness are years old
        "watchdog.timeout": WATCHDOG if name not in MODELS else 30.0,
    }
    try:
        if name == KILLED:
            with running(parameters, folder, str(bundle)) as (process, peer):
                peer.complete_good_pair()
                process.send(signal.SIGKILL)
                began = time.monotonic()
                process.exit_code()
            with running(parameters, folder, str(bundle)) as (process, peer):
                peer.complete_good_pair()
                outcome.recovery = time.monotonic() - began
                account(outcome, process, peer)
            return outcome
        with running(parameters, folder, MODELS.get(name, str(bundle))) as (process, peer):
            peer.complete_good_pair()
            seen = len(peer.received["/diagnostics"])
            began = FAULTS[name](process, peer, seconds)
            peer.complete_good_pair()
            outcome.recovery = time.monotonic() - began
            outcome.said = worst_sentences(peer, seen)
            account(outcome, process, peer)
    except (AssertionError, subprocess.TimeoutExpired) as error:
        outcome.problems.append(" ".join(str(error).split())[:300])
    if outcome.recovery > LONGEST_RECOVERY:
        outcome.problems.append(f"depth was back after {outcome.recovery:.0f} s only")
    return outcome


def _send(peer: Peer, grey: int = GOOD) -> None:
    peer.send_pair(image_message(grey), sparse_depth_message(), peer.new_stamp())


def _send_until(process: NodeProcess, logged: str, peer: Peer, grey: int = GOOD) -> None:
    deadline = time.monotonic() + LONGEST_RECOVERY
    while logged not in process.log and time.monotonic() < deadline:
        _send(peer, grey)
        time.sleep(0.1)


def _publish(domain: int, first: int) -> None:
    peer = Peer(domain)
    peer.shift_stamps(first - peer.new_stamp())
    while True:
        _send(peer)
        time.sleep(0.05)


def _spin() -> None:
    while True:
        pass


if __name__ == "__main__":
    sys.exit(main())
