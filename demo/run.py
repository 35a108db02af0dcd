"""Run player, node and recorder as three processes until every frame is accounted for."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from demo import topics
from demo.counts import Counts, count, latencies
from demo.exchange import Exchange
from starrygazer_ros.console import bar_interval

REPOSITORY = Path(__file__).resolve().parents[1]
FASTDDS_PROFILE = REPOSITORY / "config" / "fastdds_large_images.xml"
STALLED = 60.0  # s without a completed frame
LOADING = 60.0  # s that the first frame may take longer: modules, the model, discovery
SETTLE_TIMEOUT = 20.0  # s after the last frame was sent
UNCHANGED = 5.0  # s without news are the end; diagnostics come once a second
STOP_TIMEOUT = 30.0  # s from SIGINT to the end of a process, on a busy machine


class DemoError(Exception):
    """The demo could not run to its end."""


class DemoStalledError(DemoError):
    """No frame was completed for a long time; what was completed before is there."""


@dataclass(frozen=True)
class Run:
    """What to run.

    Attributes:
        exchange: what the processes report.
        frames: number of frames to play.
        bundle: name or folder of the model bundle.
        logs: existing folder for the processes' output.
        bag: rosbag2 to write, None for none.
    """

    exchange: Exchange
    frames: int
    bundle: str
    logs: Path
    bag: Path | None = None

    def play(self) -> None:
        """Run the three processes.

        Raises:
            DemoStalledError: no frame was completed for a long time.
            DemoError: a process failed.
            KeyboardInterrupt: after the frames that were on their way have been waited for.
        """
        environment = _environment()
        print(
            "camera, completion node and recorder talk over DDS, "
            f"ROS_DOMAIN_ID={environment['ROS_DOMAIN_ID']}"
        )
        at = ["--exchange", str(self.exchange.folder)]
        node_arguments = [*topics.NODE_ARGUMENTS, "-p", f"model:={self.bundle}"]
        frames = ["--frames", str(self.frames)]
        # The node, and the recorder where it writes a bag.
        listeners = ["--listeners", "1" if self.bag is None else "2"]
        bag = [] if self.bag is None else ["--bag", str(self.bag)]
        with (
            _process("demo.recorder", [*at, *bag], self._log("recorder"), environment) as recorder,
            _process(
                "starrygazer_ros.nodes.completion_node",
                node_arguments,
                self._log("node"),
                environment,
            ) as node,
        ):
            services = {"recorder": recorder, "node": node}
            with tqdm(
                total=self.frames, desc="playing", unit="frame", mininterval=bar_interval()
            ) as bar:
                try:
                    with _process(
                        "demo.player", [*frames, *listeners, *at], self._log("player"), environment
                    ) as player:
                        self._watch(player, services, bar)
                except (DemoStalledError, KeyboardInterrupt):  # what is finished shall be counted
                    self._settle(services)
                    raise
                self._settle(services)
                self._show(bar)
        for name, process in services.items():
            if process.returncode != 0:
                raise DemoError(self._ended(name, process.returncode))

    def counts(self) -> Counts:
        """What became of the frames, as far as is known by now."""
        exchange = self.exchange
        return count(len(exchange.sent()), len(exchange.depth_stamps()), exchange.diagnostics())

    def latencies(self) -> dict[str, dict[str, float]]:
        """The node's latencies in milliseconds, by stage and percentile."""
        return latencies(self.exchange.diagnostics())

    def _watch(
        self,
        player: subprocess.Popen[bytes],
        services: dict[str, subprocess.Popen[bytes]],
        bar: tqdm,  # type: ignore[type-arg]
    ) -> None:
        """Wait for the player's end, as long as frames are completed."""
        completed, patience = 0, LOADING + STALLED
        since = time.monotonic()
        while player.poll() is None:
            self._require_running(services)
            newest = len(self.exchange.depth_stamps())
            if newest != completed:
                completed, patience, since = newest, STALLED, time.monotonic()
            if time.monotonic() - since > patience:
                raise DemoStalledError(
                    f"no frame was completed for {patience:.0f} s. This machine is busy or slow: "
                    "try again when it has less to do, or with fewer frames, make demo "
                    f'DEMO="--frames 10". What the node says: {self._log("node")}'
                )
            time.sleep(0.1)
            self._show(bar)
        if player.returncode != 0:
            raise DemoError(self._ended("player", player.returncode))

    def _settle(self, services: dict[str, subprocess.Popen[bytes]]) -> None:
        """Wait for frames that are still on their way, and for the node's last count of them."""
        counts = self.counts()
        changed = started = time.monotonic()
        while not counts.settled and all(p.poll() is None for p in services.values()):
            time.sleep(0.1)
            now, newest = time.monotonic(), self.counts()
            if newest != counts:
                counts, changed = newest, now
            if now - changed > UNCHANGED or now - started > SETTLE_TIMEOUT:
                return

    def _show(self, bar: tqdm) -> None:  # type: ignore[type-arg]
        bar.set_postfix(completed=len(self.exchange.depth_stamps()), refresh=False)
        bar.update(len(self.exchange.sent()) - bar.n)

    def _require_running(self, services: dict[str, subprocess.Popen[bytes]]) -> None:
        for name, process in services.items():
            if process.poll() is not None:
                raise DemoError(self._ended(name, process.returncode))

    def _ended(self, name: str, exit_code: int) -> str:
        log = self._log(name)
        lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        last = lines[-1] if lines else "without a word"
        return f"the {name} ended with exit code {exit_code}: {last} (all of it: {log})"

    def _log(self, name: str) -> Path:
        return self.logs / f"{name}.log"


def give_dds_room(environment: MutableMapping[str, str]) -> None:
    """Let Fast DDS carry whole images within this machine, unless it is told something else."""
    old = environment.get("ROS_DISTRO") in ("humble", "jazzy")
    variable = "FASTRTPS_DEFAULT_PROFILES_FILE" if old else "FASTDDS_DEFAULT_PROFILES_FILE"
    environment.setdefault(variable, str(FASTDDS_PROFILE))


def _environment() -> dict[str, str]:
    """Keep the demo's topics apart from other ROS systems, and give DDS room for images."""
    environment = dict(os.environ)
    environment.setdefault("ROS_DOMAIN_ID", str(1 + os.getpid() % 100))
    environment.setdefault("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
    give_dds_room(environment)
    return environment


@contextmanager
def _process(
    module: str, arguments: list[str], log: Path, environment: dict[str, str]
) -> Iterator[subprocess.Popen[bytes]]:
    """A Python module as a process that is stopped at the end; its output goes to a log file."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", module, *arguments],
            cwd=REPOSITORY,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C must reach it through us, once
        )
        try:
            yield process
        finally:
            _stop(process)


def _stop(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.send_signal(signal.SIGINT)
    try:
        process.wait(STOP_TIMEOUT)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
