"""Disks that are full or read-only under a node's cache and logs, and under a bag in the making."""

from __future__ import annotations

import importlib.util
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from robustness.disks import NO_NAMESPACES, Disk, can_make_disks
from robustness.outcomes import Outcome, account, worst_sentences
from robustness.starting import running

from bundles import PARAMETERS as OF_TINY  # isort: skip
from recordings import record_drive  # isort: skip

Inject = Callable[[Outcome, Path, Path], None]
"""Does a fault in an existing folder, with a bundle, and writes down what happened."""

# The harness's stamps are years old; the first image of a size takes long on OpenVINO.
PARAMETERS = {
    **OF_TINY,
    "threads": 1,
    "diagnostics.max_stamp_age": 0.0,
    "diagnostics.max_latency": 0.0,
}
CLI = "import sys; from starrygazer_ros.cli import main; sys.exit(main())"
FRAMES = 20
ROOM_FOR_FRAMES = "2500k"  # and not for the bag of them


def cache_is_full(outcome: Outcome, folder: Path, _: Path) -> None:
    """The compiled models do not fit; started again with room they are kept."""
    _start_with_cache(outcome, folder, "size=64k")


def cache_is_read_only(outcome: Outcome, folder: Path, _: Path) -> None:
    """As where the whole file system of a robot is; then it is not any more."""
    _start_with_cache(outcome, folder, "ro")


def logs_are_full(outcome: Outcome, folder: Path, bundle: Path) -> None:
    """ROS can make its log file and write nothing into it."""
    with Disk(folder, "size=64k") as disk:
        disk.fill()
        _start(outcome, folder, disk, bundle, ROS_LOG_DIR=str(folder))


def logs_are_read_only(outcome: Outcome, folder: Path, bundle: Path) -> None:
    """ROS cannot make its log file, which without more ado ends a process."""
    with Disk(folder, "ro") as disk:
        log = _start(outcome, folder, disk, bundle, ROS_LOG_DIR=str(folder / "log"))
    said = next((line for line in log.splitlines() if line.startswith("no log files")), "")
    outcome.said = (said,)
    if not said:
        outcome.problems.append("nothing was said")


def bag_does_not_fit(outcome: Outcome, folder: Path, bundle: Path) -> None:
    """``starrygazer bag`` runs out of room, and is repeated when there is some."""
    source = record_drive(folder.parent / f"{folder.name}_recording", frames=FRAMES)
    command = ["-c", CLI, "bag", str(source), str(folder / "out"), "-p", f"model:={bundle}"]
    with Disk(folder, f"size={ROOM_FOR_FRAMES}") as disk:
        full = disk.python(*command)
        outcome.said = (full.stderr.splitlines()[-1],)
        if full.returncode != 2 or "Traceback" in full.stderr:
            outcome.problems.append(f"exit code {full.returncode}")
        disk.make_room()
        began = time.monotonic()
        again = disk.python(*command)
        outcome.recovery = time.monotonic() - began
        left = {path.parts[0] for path in disk.files()}
    outcome.received = outcome.completed = FRAMES
    if f"completed {FRAMES} of {FRAMES} images" not in again.stdout or left != {"out"}:
        outcome.problems.append(f"the bag was not finished: {again.stderr}, there is {left}")


FAULTS: dict[str, Inject] = {
    "cache on a full disk": cache_is_full,
    "cache read-only": cache_is_read_only,
    "logs on a full disk": logs_are_full,
    "logs read-only": logs_are_read_only,
    "bag on a full disk": bag_does_not_fit,
}


def inject(name: str, folder: Path, bundle: Path) -> Outcome:
    """Do one of ``FAULTS``.

    Args:
        name: of the fault.
        folder: existing, for the disk and the node's log.
        bundle: of a model that computes next to nothing.
    """
    outcome = Outcome(name)
    if not can_make_disks():
        outcome.skipped = NO_NAMESPACES
    elif name.startswith("cache") and importlib.util.find_spec("openvino") is None:
        outcome.skipped = "only OpenVINO and TensorRT have a cache: pip install openvino"
    else:
        place = folder / name.replace(" ", "_")
        place.mkdir()
        try:
            FAULTS[name](outcome, place, bundle)
        except (AssertionError, OSError, subprocess.SubprocessError) as error:
            outcome.problems.append(" ".join(str(error).split())[:300])
        outcome.said = tuple(said.replace(str(folder), "…") for said in outcome.said)
    return outcome


def _start_with_cache(outcome: Outcome, folder: Path, options: str) -> None:
    with Disk(folder, options) as disk:
        _start(outcome, folder, disk, None, XDG_CACHE_HOME=str(folder))
        if not any("cannot be kept" in said for said in outcome.said):
            outcome.problems.append("nothing was said")
        disk.make_room()
        mended = Outcome(outcome.fault)
        _start(mended, folder, disk, None, XDG_CACHE_HOME=str(folder))
        outcome.problems += mended.problems
        outcome.problems += [said for said in mended.said if "cannot be kept" in said]
        if not disk.files():
            outcome.problems.append("nothing was kept although there was room")


def _start(outcome: Outcome, folder: Path, disk: Disk, bundle: Path | None, **settings: str) -> str:
    """Start a node on a disk and let it complete a pair; its log.

    Args:
        outcome: is told what happened; the recovery is the time from the start to depth.
        folder: of the disk.
        disk: for the node.
        bundle: of the model; ``None``: the shipped one, on OpenVINO.
        settings: of the node's environment.
    """
    model = "default" if bundle is None else str(bundle)
    backend = "openvino" if bundle is None else "onnxruntime"
    parameters = {**PARAMETERS, "backend": backend}
    began = time.monotonic()
    with running(parameters, folder.parent, model, disk.command, **settings) as (process, peer):
        peer.complete_good_pair()
        outcome.recovery = time.monotonic() - began
        seen = len(peer.received["/diagnostics"])
        while len(peer.received["/diagnostics"]) < seen + 2:
            peer.complete_good_pair()
        outcome.said = worst_sentences(peer, seen)
        account(outcome, process, peer)
        return process.log
