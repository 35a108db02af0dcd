"""Broken messages for a running node: it goes on, counts each with its cause, and stays as large.

``make fuzz`` runs it; ``python -m robustness.running_node --cases 5000``.
"""

from __future__ import annotations

import argparse
import re
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hypothesis import strategies as st
from rclpy.qos import QoSProfile
from sensor_msgs.msg import CameraInfo, CompressedImage, Image, PointCloud2

from robustness import messages
from robustness.drawing import for_each
from robustness.starting import resident_mib, running

from integration.harness import Peer, accounted, wait_for  # isort: skip

WANTED_CASES = 5000
BETWEEN_CHECKS = 200  # cases
PAUSE = 0.002  # s after each, so that the queues of DDS keep all
QUEUE = 1000  # messages
LARGEST_GROWTH = 150  # MiB of resident memory from the first good pair on

IMAGES = messages.images()
DEPTHS = messages.images(("32FC1", "16UC1"))
FILES = messages.compressed_images()
DEPTH_FILES = messages.compressed_images(depth=True)
INFOS = messages.camera_infos()
CLOUDS = messages.point_clouds()


@dataclass(frozen=True)
class Mode:
    """Parameters of a node, and what it hears: message type and strategy by topic."""

    parameters: dict[str, Any]
    topics: dict[str, tuple[type, st.SearchStrategy[Any]]]
    good_pairs: bool = False  # the harness can send them


MODES = {
    "images": Mode(
        {},
        {
            "image": (Image, IMAGES),
            "sparse_depth": (Image, DEPTHS),
            "camera_info": (CameraInfo, INFOS),
            "sparse_depth/camera_info": (CameraInfo, INFOS),
        },
        good_pairs=True,
    ),
    "compressed": Mode(
        {"input.image_transport": "compressed", "input.sparse_depth_transport": "compressedDepth"},
        {
            "image/compressed": (CompressedImage, FILES),
            "sparse_depth/compressedDepth": (CompressedImage, DEPTH_FILES),
            "camera_info": (CameraInfo, INFOS),
        },
    ),
    "points": Mode(
        {
            "input.sparse_depth_transport": "points",
            "extrinsics.source": "parameter",
            "extrinsics.rotation": "[0.5, -0.5, 0.5, 0.5]",
            "sync.policy": "latest",
        },
        {
            "image": (Image, IMAGES),
            "points": (PointCloud2, CLOUDS),
            "camera_info": (CameraInfo, INFOS),
        },
    ),
}


@dataclass
class Outcome:
    """What is wrong, and the node's own counters at the end."""

    problems: list[str] = field(default_factory=list)
    values: dict[str, str] = field(default_factory=dict)
    growth: float = 0.0


def fuzz(mode: Mode, cases: int, folder: Path, number: int | None = None) -> Outcome:
    """Send a node so many broken messages.

    Args:
        mode: how the node is configured.
        cases: messages on each topic.
        folder: existing, for the bundle and the node's log.
        number: seed; ``None`` = other messages each time.
    """
    outcome = Outcome()
    with running({"qos.input_depth": QUEUE, **mode.parameters}, folder) as (process, peer):
        publishers = {
            topic: peer.node.create_publisher(kind, topic, QoSProfile(depth=QUEUE))
            for topic, (kind, _) in mode.topics.items()
        }
        wait_for(
            lambda: all(p.get_subscription_count() for p in publishers.values()), "subscriptions"
        )
        _check_that_it_works(mode, peer)
        before = resident_mib(process)
        sent = 0

        def send(case: tuple[tuple[Any, ...], bool]) -> None:
            nonlocal sent
            together, own_stamps = case
            stamp = peer.new_stamp()
            for publisher, message in zip(publishers.values(), together, strict=True):
                if not own_stamps:  # so that image and sparse depth become a pair
                    message.header.stamp.sec, message.header.stamp.nanosec = divmod(stamp, 10**9)
                publisher.publish(message)
                time.sleep(PAUSE)
            sent += 1
            if sent % BETWEEN_CHECKS == 0 and process.running:
                _check_that_it_works(mode, peer)

        _each(mode, cases, number, send)
        time.sleep(2.0)
        if not process.running:
            outcome.problems.append(f"the process ended with {process.exit_code()}")
            return outcome
        _check_that_it_works(mode, peer)
        outcome.values = peer.diagnostics()[1]
        outcome.growth = resident_mib(process) - before
        outcome.problems += _problems(outcome, process.log, sent)
        if process.stop() != 0:
            outcome.problems.append("the exit code is not 0")
    return outcome


def _problems(outcome: Outcome, log: str, sent: int) -> Iterator[str]:
    """What the counters, the memory and the log say against the node."""
    if outcome.growth > LARGEST_GROWTH:
        yield f"resident memory grew by {outcome.growth:.0f} MiB"
    for topic in ("image", "sparse_depth"):
        if not accounted(outcome.values, topic):
            yield f"not every message of {topic} is accounted for"
        received = int(outcome.values[f"received {topic}"])
        if received < 0.95 * sent:
            yield f"only {received} of {sent} messages of {topic} arrived"
    for word in ("internal_error", "Traceback", "Warning"):
        yield from re.findall(f".*{word}.*", log)[:3]


def _each(mode: Mode, cases: int, number: int | None, send: Any) -> None:
    """Call ``send`` with a message of each topic, and whether their stamps are to stay."""
    together = st.tuples(*(strategy for _, strategy in mode.topics.values()))
    drawn = st.tuples(together, st.sampled_from([False, False, False, False, True]))
    for_each(drawn, cases, send, number)


def _check_that_it_works(mode: Mode, peer: Peer) -> None:
    """A good pair is completed; where the harness cannot send one, diagnostics are published."""
    if mode.good_pairs:
        peer.complete_good_pair()
    else:
        peer.diagnostics()


def main(arguments: list[str] | None = None) -> int:
    """Print what became of the messages; 1 if something broke."""
    parser = argparse.ArgumentParser(prog="python -m robustness.running_node", description=__doc__)
    parser.add_argument(
        "--cases",
        type=int,
        default=WANTED_CASES,
        help="of all modes together, a message on each topic",
    )
    parser.add_argument("--seed", type=int, help="(default: other messages each time)")
    parser.add_argument("--only", choices=MODES, help="one mode")
    options = parser.parse_args(arguments)
    names = [options.only] if options.only else list(MODES)
    broken = False
    for name in names:
        with tempfile.TemporaryDirectory() as folder:
            began = time.monotonic()
            outcome = fuzz(MODES[name], -(-options.cases // len(names)), Path(folder), options.seed)
        counts = ", ".join(
            f"{value} {key}"
            for key, value in outcome.values.items()
            if key.startswith(("received", "dropped", "completed", "matched", "warning"))
        )
        seconds = time.monotonic() - began
        print(f"{name}: {seconds:.0f} s, memory {outcome.growth:+.0f} MiB: {counts}", flush=True)
        for problem in outcome.problems:
            broken = True
            print(f"  BROKEN: {problem}")
    return int(broken)


if __name__ == "__main__":
    sys.exit(main())
