"""Broken input that looks for new ways through the code, with atheris: not part of ``make test``.

Messages are drawn from the strategies of :mod:`robustness.conversions`, files grow out of good ones.
``make fuzz-guided`` runs it; ``python -m robustness.guided manifest --seconds 60``.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

INSTRUMENTED = ["starrygazer_ros", "yaml", "rosbags"]
FAILURES = (Path("build") / "fuzz").absolute()  # files are read in another folder
MESSAGES = (
    *("image", "sparse depth", "compressed image", "compressed depth"),
    *("camera_info", "camera model", "point cloud", "projection"),
)
# How the bytes of a file become a case of robustness.file_checks.
FILES: dict[str, Callable[[bytes], Any]] = {
    "manifest": lambda content: content,
    "golden pair": lambda content: content,
    "parameters file": lambda content: content,
    "image file": lambda content: (".png", content),
    "depth file": lambda content: (".npy", content),
    "depth image": lambda content: (".png", content),
    "unfinished bag": lambda content: (content, b""),
}
Target = Callable[[bytes], object]


def main(arguments: list[str] | None = None) -> int:
    """Run until the time is over or something breaks; the process ends here with libFuzzer's code."""
    parser = argparse.ArgumentParser(prog="python -m robustness.guided", description=__doc__)
    parser.add_argument("target", choices=(*MESSAGES, *FILES), metavar="TARGET", help=_names())
    parser.add_argument("--seconds", type=int, default=60, help="(default: %(default)d)")
    parser.add_argument("--again", type=Path, metavar="FILE", help="bytes that broke something")
    options = parser.parse_args(arguments)
    try:
        import atheris
    except ModuleNotFoundError:
        print(
            "atheris is not installed: pip install -r requirements/guided.txt for Python 3.11 to 3.13"
        )
        return 2
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        corpus = folder / "corpus"
        corpus.mkdir()
        with atheris.instrument_imports(include=INSTRUMENTED):
            outcomes: Counter[str] = Counter()
            of_messages = options.target in MESSAGES
            target = (_messages if of_messages else _files)(options.target, folder, outcomes)
        if options.again:
            target(options.again.read_bytes())
            return 0
        FAILURES.mkdir(parents=True, exist_ok=True)
        settings = [
            f"-max_total_time={options.seconds}",
            f"-artifact_prefix={FAILURES}/{options.target.replace(' ', '_')}-",
            *("-timeout=30", "-rss_limit_mb=6000", "-max_len=20000", "-print_final_stats=0"),
        ]
        atheris.Setup([sys.argv[0], *settings, str(corpus)], target)
        atheris.Fuzz()
    return 0


def _names() -> str:
    return ", ".join((*MESSAGES, *FILES))


def _messages(name: str, folder: Path, outcomes: Counter[str]) -> Target:
    """Examples of a strategy."""
    from robustness.conversions import TARGETS, allowed_bytes
    from robustness.drawing import from_bytes
    from robustness.outcomes import attempt

    check, strategy = TARGETS[name]

    def one(message: Any) -> None:
        outcomes[attempt(check, message, allowed_bytes(message))] += 1

    return from_bytes(strategy, one)


def _files(name: str, folder: Path, outcomes: Counter[str]) -> Target:
    """The bytes themselves, grown out of good files."""
    import os

    from robustness.broken_files import GoodFiles, good_contents
    from robustness.file_checks import FileChecks

    good = GoodFiles(folder)
    for index, content in enumerate(good_contents(name, good)):
        (folder / "corpus" / str(index)).write_bytes(content)
    os.chdir(folder)
    checks, as_case = FileChecks(folder), FILES[name]
    kind = name.replace("depth image", "depth file")

    def one(content: bytes) -> None:
        outcomes[checks(kind, as_case(content))] += 1

    return one


if __name__ == "__main__":
    sys.exit(main())
