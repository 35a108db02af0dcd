"""Run camera, node and recorder as three processes over DDS; report what came of it."""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import tempfile
from pathlib import Path
from typing import Any

from tqdm import tqdm

from demo import report
from demo.exchange import Exchange
from demo.pan import Pan
from demo.run import DemoError, Run
from starrygazer_ros.completion import CompletionError, DepthCompleter


def main(arguments: list[str] | None = None) -> int:
    """Run the demo; 0 if all went well technically, whoever is more accurate."""
    options = _parser().parse_args(arguments)
    options.output.mkdir(parents=True, exist_ok=True)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # stop the children then, too
    try:
        completer = DepthCompleter.from_bundle(options.bundle)
        with tempfile.TemporaryDirectory(prefix="starrygazer_demo_") as folder:
            run = Run(Exchange(Path(folder)), options.frames, options.bundle, options.output)
            run.play()
            summary = _report(run, completer, options.output)
    except (CompletionError, DemoError) as error:
        print(f"demo: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    print(report.as_text(summary))
    print(f"\nPictures and numbers: {options.output}{os.sep}")
    for name in ("strip.png", "points.png", "summary.json"):
        print(f"  {name}")
    if not summary["accounted_for"]:
        print("demo: completed and dropped frames do not add up to the sent ones", file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m demo", description=__doc__)
    parser.add_argument("--frames", type=int, default=60)
    parser.add_argument("--bundle", default="default", help="model bundle: name or folder")
    parser.add_argument("--output", type=Path, default=Path("demo_output"))
    return parser


def _report(run: Run, completer: DepthCompleter, output: Path) -> dict[str, Any]:
    exchange, pan = run.exchange, Pan(run.frames)
    if not exchange.depth_stamps():
        raise DemoError(f"no frame was completed; see {output / 'node.log'}")
    errors = report.score(
        exchange, pan, completer, lambda stamps: tqdm(stamps, desc="scoring", unit="frame")
    )
    report.draw(exchange, pan, output)
    summary = report.summarise(run.counts(), errors, exchange)
    text = json.dumps(summary, indent=2) + "\n"
    (output / "summary.json").write_text(text, encoding="utf-8")
    return summary


if __name__ == "__main__":
    sys.exit(main())
