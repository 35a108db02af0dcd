"""A node at work for long: memory, files, threads and latency stay flat, no message is lost unseen.

``make soak`` runs it; ``python -m robustness.soak --minutes 60`` at the rate of a camera with the
shipped model, ``--frames 20000 --rate 200 --model tiny`` with the one of the tests, which computes
next to nothing, so that the node itself is what works.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import tempfile
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from rclpy.qos import QoSProfile
from sensor_msgs.msg import CameraInfo, Image
from tqdm import tqdm

from robustness.starting import running
from starrygazer_ros.console import bar_interval

from integration.harness import (  # isort: skip
    NodeProcess,
    Peer,
    accounted,
    image_message,
    pairs_dropped,
    sparse_depth_array,
    sparse_depth_message,
    wait_for,
)

QUEUE = 100  # messages
WARM_UP = 0.2  # of the samples, left out of the slopes: allocators and DDS keep what they need once
# Of a whole run, by its slope; a leak of 1 KiB a frame makes 35 MiB of an hour at 10 Hz.
LARGEST_GROWTH = {"memory_mib": 12.0, "files": 2.0, "threads": 1.0}


@dataclass(frozen=True)
class Sample:
    """The node at one moment.

    Attributes:
        seconds: since the first frame.
        memory_mib: resident memory.
        files: open file descriptors.
        threads: of the process.
        latency_ms: median from the later input's arrival to the published depth.
    """

    seconds: float
    memory_mib: float
    files: int
    threads: int
    latency_ms: float


@dataclass
class Soak:
    """What was seen.

    Attributes:
        sent: pairs of image and sparse depth.
        samples: once a second.
        values: the node's counters at the end.
        problems: what is wrong, a sentence each.
    """

    sent: int = 0
    samples: list[Sample] = field(default_factory=list)
    values: dict[str, str] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    def slopes(self) -> dict[str, float]:
        """Growth per hour of each figure, by a line through the samples after the warm-up."""
        kept = self.samples[int(WARM_UP * len(self.samples)) :]
        hours = np.array([sample.seconds for sample in kept]) / 3600
        return {
            name: float(np.polyfit(hours, [getattr(sample, name) for sample in kept], 1)[0])
            for name in ("memory_mib", "files", "threads", "latency_ms")
        }


def soak(
    folder: Path, seconds: float, frames: int, rate: float, model: str, size: tuple[int, int]
) -> Soak:
    """Send pairs at a rate until the time is over or all frames are sent.

    Args:
        folder: existing, for the node's log.
        seconds: at most.
        frames: at most.
        rate: pairs per second.
        model: ``tiny``, or name or folder of a bundle.
        size: width and height of the images.
    """
    result = Soak()
    parameters = {"qos.input_depth": QUEUE, "sync.queue_size": QUEUE}
    with running(parameters, folder, model) as (process, peer):
        send = _sender(peer, *size)
        peer.complete_good_pair()  # the harness's own; also waits for the subscriptions
        before = _counts(peer.diagnostics()[1])
        _send_all(result, process, peer, send, seconds, frames, rate)
        if not process.running:
            result.problems.append(f"the process ended with {process.exit_code()}")
            return result
        wait_for(lambda: _settled(peer, result, before), "the last frame", timeout=60)
        result.values = peer.diagnostics()[1]
        result.problems += _problems(result, before, process.log)
        if process.stop() != 0:
            result.problems.append("the exit code is not 0")
    return result


def _sender(peer: Peer, width: int, height: int) -> Any:
    """Gives what publishes a pair; reliable, so that all that is sent arrives."""
    quality = QoSProfile(depth=QUEUE)
    publishers = [
        peer.node.create_publisher(kind, topic, quality)
        for kind, topic in ((Image, "image"), (Image, "sparse_depth"), (CameraInfo, "camera_info"))
    ]
    wait_for(lambda: all(p.get_subscription_count() for p in publishers), "subscriptions")
    image = image_message(width=width, height=height)
    depth = sparse_depth_message(sparse_depth_array(width, height))
    info = CameraInfo(width=width, height=height)
    info.p = [80.0, 0.0, width / 2, 0.0, 0.0, 80.0, height / 2, 0.0, 0.0, 0.0, 1.0, 0.0]

    def send() -> None:
        stamp = peer.new_stamp()
        for publisher, message in zip(publishers, (image, depth, info), strict=True):
            message.header.stamp.sec, message.header.stamp.nanosec = divmod(stamp, 10**9)
            message.header.frame_id = "soak"
            publisher.publish(message)

    return send


def _send_all(
    result: Soak,
    process: NodeProcess,
    peer: Peer,
    send: Any,
    seconds: float,
    frames: int,
    rate: float,
) -> None:
    began = time.monotonic()
    sampled = -1.0
    total = int(min(frames, seconds * rate))
    with tqdm(total=total, desc="sending", unit="pair", mininterval=bar_interval()) as bar:
        while result.sent < total and process.running:
            now = time.monotonic() - began
            if now > seconds:
                break
            if now - sampled >= 1.0:
                sampled = now
                result.samples.append(_sample(process, peer, now))
            time.sleep(max(0.0, result.sent / rate - now))
            send()
            result.sent += 1
            bar.update()


def _sample(process: NodeProcess, peer: Peer, seconds: float) -> Sample:
    folder = Path(f"/proc/{process.pid}")
    status = (folder / "status").read_text(encoding="ascii")
    numbers = {key: int(n) for key, n in re.findall(r"^(VmRSS|Threads):\s+(\d+)", status, re.M)}
    messages = peer.received["/diagnostics"]
    values = {v.key: v.value for v in messages[-1].status[0].values} if messages else {}
    for received in peer.received.values():
        del received[:-10]  # the peer's memory is not under test
    return Sample(
        seconds=seconds,
        memory_mib=numbers["VmRSS"] / 1024,
        files=len(list((folder / "fd").iterdir())),
        threads=numbers["Threads"],
        latency_ms=float(values.get("latency node p50 ms", "nan")),
    )


def _counts(values: dict[str, str]) -> tuple[int, int, int]:
    """Received images, and pairs matched and done with."""
    done = int(values["completed"]) + sum(pairs_dropped(values))
    return int(values["received image"]), int(values["matched"]), done


def _settled(peer: Peer, result: Soak, before: tuple[int, int, int]) -> bool:
    received, matched, done = _counts(peer.diagnostics()[1])
    return received - before[0] >= result.sent and matched == done


def _problems(result: Soak, before: tuple[int, int, int], log: str) -> list[str]:
    found = []
    received, matched, done = _counts(result.values)
    if received - before[0] != result.sent or matched - before[1] != result.sent:
        found.append(
            f"{result.sent} pairs were sent, {received - before[0]} images received, "
            f"{matched - before[1]} pairs matched"
        )
    if matched != done:
        found.append(f"{matched} pairs were matched, {done} completed or dropped")
    found += [
        f"not every message of {topic} is accounted for"
        for topic in ("image", "sparse_depth")
        if not accounted(result.values, topic)
    ]
    hours = result.samples[-1].seconds / 3600
    slopes = result.slopes()
    found += [
        f"{name} grows by {slopes[name]:.1f} an hour"
        for name, largest in LARGEST_GROWTH.items()
        if slopes[name] * hours > largest
    ]
    found += [word for word in ("internal_error", "Traceback") if word in log]
    return found


def main(arguments: list[str] | None = None) -> int:
    """Print slopes and counters; 1 if something is wrong."""
    parser = argparse.ArgumentParser(prog="python -m robustness.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=60.0, help="at most (default: 60)")
    parser.add_argument("--frames", type=int, default=10**9, help="at most (default: no limit)")
    parser.add_argument("--rate", type=float, default=10.0, help="pairs a second (default: 10)")
    parser.add_argument("--model", default="default", help="bundle, or tiny (default: default)")
    parser.add_argument("--size", type=int, nargs=2, default=(640, 480), metavar=("W", "H"))
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write all samples here")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        result = soak(
            Path(folder),
            60 * options.minutes,
            options.frames,
            options.rate,
            options.model,
            tuple(options.size),
        )
    first, last = result.samples[0], result.samples[-1]
    print(f"{result.sent} pairs in {last.seconds:.0f} s, model {options.model}, {options.size}")
    for name, slope in result.slopes().items():
        start, end = getattr(first, name), getattr(last, name)
        print(f"  {name:<11} {start:8.1f} at first, {end:8.1f} at last, {slope:+9.2f} per hour")
    for key, value in result.values.items():
        if key.startswith(("received", "matched", "completed", "dropped", "waiting")):
            print(f"  {value:>8} {key}")
    for problem in result.problems:
        print(f"BROKEN: {problem}")
    if options.json:
        report = {**asdict(result), "slopes_per_hour": result.slopes()}
        options.json.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    return int(bool(result.problems))


if __name__ == "__main__":
    sys.exit(main())
