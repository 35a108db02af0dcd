"""Run camera, node and recorder as three processes over DDS; report what came of it."""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tqdm import tqdm

from demo import report, topics
from demo.exchange import Exchange
from demo.pan import Pan
from starrygazer_ros.completion import CompletionError, DepthCompleter

REPOSITORY = Path(__file__).resolve().parents[1]
FASTDDS_PROFILE = REPOSITORY / "config" / "fastdds_large_images.xml"
PLAY_TIMEOUT = 100.0  # s
SETTLE_TIMEOUT = 10.0  # s after the last frame was sent
UNCHANGED = 3.0  # s without news are the end; diagnostics come once a second
STOP_TIMEOUT = 10.0  # s from SIGINT to the end of a process


class DemoError(Exception):
    """The demo could not run to its end."""


def main(arguments: list[str] | None = None) -> int:
    """Run the demo; 0 if all went well technically, whoever is more accurate."""
    options = _parser().parse_args(arguments)
    options.output.mkdir(parents=True, exist_ok=True)
    try:
        completer = DepthCompleter.from_bundle(options.bundle)
        with tempfile.TemporaryDirectory(prefix="starrygazer_demo_") as folder:
            exchange = Exchange(Path(folder))
            _play(exchange, options)
            summary = _report(exchange, completer, options)
    except (CompletionError, DemoError) as error:
        print(f"demo: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    print(report.as_text(summary))
    print(f"\nPictures and numbers: {options.output}{os.sep}")
    for name in ("strip.png", "points.png", "summary.json"):
        print(f"  {name}")
    return 0 if summary["accounted_for"] else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m demo", description=__doc__)
    parser.add_argument("--frames", type=int, default=60)
    parser.add_argument("--bundle", default="default", help="model bundle: name or folder")
    parser.add_argument("--output", type=Path, default=Path("demo_output"))
    return parser


def _play(exchange: Exchange, options: argparse.Namespace) -> None:
    """Run the three processes until all frames are played and accounted for."""
    environment = _environment()
    print(
        f"camera, completion node and recorder talk over DDS, "
        f"ROS_DOMAIN_ID={environment['ROS_DOMAIN_ID']}"
    )
    at = ["--exchange", str(exchange.folder)]
    node_arguments = [*topics.NODE_ARGUMENTS, "-p", f"model:={options.bundle}"]
    with (
        _process("recorder", "demo.recorder", at, options.output, environment) as recorder,
        _process(
            "node",
            "starrygazer_ros.nodes.completion_node",
            node_arguments,
            options.output,
            environment,
        ) as node,
        _process(
            "player",
            "demo.player",
            ["--frames", str(options.frames), *at],
            options.output,
            environment,
        ) as player,
    ):
        _watch(exchange, options, {"recorder": recorder, "node": node}, player)


def _watch(
    exchange: Exchange,
    options: argparse.Namespace,
    services: dict[str, subprocess.Popen[bytes]],
    player: subprocess.Popen[bytes],
) -> None:
    end = time.monotonic() + PLAY_TIMEOUT
    with tqdm(total=options.frames, desc="playing", unit="frame") as bar:
        while player.poll() is None:
            _require_running(services, options.output)
            if time.monotonic() > end:
                raise DemoError(f"the frames were not played within {PLAY_TIMEOUT:.0f} s")
            time.sleep(0.1)
            _show(bar, exchange)
        if player.returncode != 0:
            raise DemoError(f"the player failed: {_last_line(options.output / 'player.log')}")
        _settle(exchange, services, options.output)
        _show(bar, exchange)


def _settle(exchange: Exchange, services: dict[str, subprocess.Popen[bytes]], output: Path) -> None:
    """Wait for the frames that are still on their way, and for the node's last count of them."""
    counts = _counts(exchange)
    changed = started = time.monotonic()
    while not counts.settled:
        _require_running(services, output)
        time.sleep(0.1)
        now, newest = time.monotonic(), _counts(exchange)
        if newest != counts:
            counts, changed = newest, now
        if now - changed > UNCHANGED or now - started > SETTLE_TIMEOUT:
            return


def _counts(exchange: Exchange) -> report.Counts:
    return report.count(len(exchange.sent()), len(exchange.depth_stamps()), exchange.diagnostics())


def _show(bar: tqdm, exchange: Exchange) -> None:  # type: ignore[type-arg]
    news = len(exchange.sent()) - bar.n
    if news:
        bar.set_postfix(completed=len(exchange.depth_stamps()), refresh=False)
        bar.update(news)


def _require_running(services: dict[str, subprocess.Popen[bytes]], output: Path) -> None:
    for name, process in services.items():
        if process.poll() is not None:
            raise DemoError(
                f"the {name} ended with exit code {process.returncode}: "
                f"{_last_line(output / f'{name}.log')}"
            )


def _report(
    exchange: Exchange, completer: DepthCompleter, options: argparse.Namespace
) -> dict[str, object]:
    diagnostics, sent = exchange.diagnostics(), sorted(exchange.sent())
    if not exchange.depth_stamps():
        raise DemoError(f"no frame was completed; see {options.output / 'node.log'}")
    pan = Pan(options.frames)
    errors = report.score(
        exchange, pan, completer, lambda stamps: tqdm(stamps, desc="scoring", unit="frame")
    )
    report.draw(exchange, pan, options.output)
    rate = (len(sent) - 1) * 1e9 / (sent[-1] - sent[0]) if len(sent) > 1 else 0.0
    summary = report.summarise(_counts(exchange), errors, diagnostics, rate)
    (options.output / "summary.json").write_text(
        json.dumps(summary, indent=2) + "\n", encoding="utf-8"
    )
    return summary


def _environment() -> dict[str, str]:
    """Keep the demo's topics apart from other ROS systems, and give DDS room for images."""
    environment = dict(os.environ)
    environment.setdefault("ROS_DOMAIN_ID", str(1 + os.getpid() % 100))
    environment.setdefault("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
    old = environment.get("ROS_DISTRO") in ("humble", "jazzy")
    variable = "FASTRTPS_DEFAULT_PROFILES_FILE" if old else "FASTDDS_DEFAULT_PROFILES_FILE"
    environment.setdefault(variable, str(FASTDDS_PROFILE))
    return environment


@contextmanager
def _process(
    name: str, module: str, arguments: list[str], output: Path, environment: dict[str, str]
) -> Iterator[subprocess.Popen[bytes]]:
    """A Python module as a process that is stopped at the end; its output goes to a log file."""
    with (output / f"{name}.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", module, *arguments],
            cwd=REPOSITORY,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C must reach it through us, once
        )
        try:
            yield process
        finally:
            _stop(name, process)


def _stop(name: str, process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.send_signal(signal.SIGINT)
    try:
        process.wait(STOP_TIMEOUT)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        print(f"demo: the {name} did not stop on SIGINT and was killed", file=sys.stderr)


def _last_line(log: Path) -> str:
    lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    return f"{lines[-1]} (all of it: {log})" if lines else f"no output in {log}"


if __name__ == "__main__":
    sys.exit(main())
