"""Run camera, node and recorder as three processes over DDS; report what came of it."""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import tempfile
from pathlib import Path
from typing import Any, NoReturn

from tqdm import tqdm

from demo import report
from demo.exchange import Exchange
from demo.run import DemoError, DemoStalledError, Run
from starrygazer_ros.completion import CompletionError, DepthCompleter
from starrygazer_ros.console import bar_interval
from starrygazer_ros.demo.pan import Pan

INTERRUPTED = 130  # exit code after Ctrl-C


def main(arguments: list[str] | None = None) -> int:
    """Run the demo; 0 if all went well technically, whoever is more accurate."""
    options = _parser().parse_args(arguments)
    if options.bag is not None and options.bag.exists():
        print(f"demo: {options.bag} exists: choose another name, or remove it", file=sys.stderr)
        return 1
    options.output.mkdir(parents=True, exist_ok=True)
    signal.signal(signal.SIGTERM, _terminate)
    try:
        completer = DepthCompleter.from_bundle(options.bundle)
        with tempfile.TemporaryDirectory(prefix="starrygazer_demo_") as folder:
            run = Run(
                Exchange(Path(folder)), options.frames, options.bundle, options.output, options.bag
            )
            cut_short = _play(run)
            if cut_short and not run.exchange.depth_stamps():
                return cut_short
            summary = _report(run, completer, options.output)
    except (CompletionError, DemoError) as error:
        print(f"demo: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return INTERRUPTED
    print(report.as_text(summary))
    print(f"\nPictures and numbers: {options.output}{os.sep}")
    for name in ("strip.png", "points.png", "summary.json"):
        print(f"  {name}")
    if options.bag is not None:
        print(f"Bag with the inputs and outputs: {options.bag}")
    if cut_short:
        return cut_short
    if not summary["accounted_for"]:
        print("demo: completed and dropped frames do not add up to the sent ones", file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m demo", description=__doc__, allow_abbrev=False)
    parser.add_argument(
        "--frames",
        type=_positive_integer,
        default=60,
        metavar="N",
        help="windows of the photograph to send; fewer take less time (default: %(default)s)",
    )
    parser.add_argument(
        "--bundle",
        default="default",
        metavar="BUNDLE",
        help="model bundle that the node runs: name or folder (default: %(default)s)",
    )
    parser.add_argument(
        "--output",
        type=Path,
        default=Path("demo_output"),
        metavar="FOLDER",
        help="for pictures, summary and logs; made if missing (default: %(default)s)",
    )
    parser.add_argument(
        "--bag",
        type=lambda text: Path(text).absolute(),
        metavar="OUT",
        help="rosbag2 to write, with all that the camera sent and the node published (about 10 MB "
        "a frame)",
    )
    return parser


def _positive_integer(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a whole number of at least 1")
    return int(text)


def _terminate(number: int, _frame: object) -> NoReturn:
    """On SIGTERM: stop the children, which unwinding does, and report nothing."""
    sys.exit(128 + number)


def _play(run: Run) -> int:
    """Play all frames; 0, or the exit code if only some were completed."""
    try:
        run.play()
    except DemoStalledError as error:
        exit_code, reason = 1, str(error)
    except KeyboardInterrupt:
        exit_code, reason = INTERRUPTED, "interrupted"
    else:
        return 0
    completed = len(run.exchange.depth_stamps())
    follows = f"The report is about {completed} of {run.frames} frames." if completed else ""
    print(f"demo: {reason.rstrip('.')}. {follows}".rstrip(), file=sys.stderr)
    return exit_code


def _report(run: Run, completer: DepthCompleter, output: Path) -> dict[str, Any]:
    exchange, pan = run.exchange, Pan(run.frames)
    if not exchange.depth_stamps():
        raise DemoError(f"no frame was completed; see {output / 'node.log'}")
    report.draw(exchange, pan, output)
    errors, scored = report.score(
        exchange,
        pan,
        completer,
        lambda stamps: tqdm(stamps, "scoring", unit="frame", mininterval=bar_interval()),
    )
    summary = report.summarise(run.counts(), errors, scored, exchange)
    text = json.dumps(summary, indent=2) + "\n"
    (output / "summary.json").write_text(text, encoding="utf-8")
    return summary


if __name__ == "__main__":
    sys.exit(main())
