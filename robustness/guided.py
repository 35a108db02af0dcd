"""Broken input that looks for new ways through the code, with atheris; a tool for developers only.

Messages are drawn by the strategies of robustness.conversions, files grow out of good ones.
``make fuzz-guided`` runs it; ``python -m robustness.guided manifest --seconds 60``.
"""

from __future__ import annotations

import argparse
import importlib.util
import multiprocessing
import os
import random
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

SEEDS, BYTES_OF_SEED = 50, 2000
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
TARGETS = (*MESSAGES, *FILES)
Target = Callable[[bytes], object]


def main(arguments: list[str] | None = None) -> int:
    """Run until the time is over or something breaks; 1 if something did."""
    parser = argparse.ArgumentParser(prog="python -m robustness.guided", description=__doc__)
    parser.add_argument(
        "targets", nargs="*", metavar="TARGET", help=f"(default: all) {', '.join(TARGETS)}"
    )
    parser.add_argument("--seconds", type=int, default=60, help="(default: %(default)d)")
    parser.add_argument(
        "--again",
        type=lambda name: Path(name).absolute(),
        metavar="FILE",
        help="bytes that broke something",
    )
    options = parser.parse_args(arguments)
    if importlib.util.find_spec("atheris") is None:
        print("atheris is not installed: pip install -r requirements/guided.txt (Python 3.11-3.13)")
        return 2
    unknown = [name for name in options.targets if name not in TARGETS]
    if unknown:
        parser.error(f"there is no target {unknown[0]}")
    os.environ["OPENCV_LOG_LEVEL"] = "SILENT"
    broken = [name for name in options.targets or TARGETS if not _found_nothing(name, options)]
    print(f"BROKEN: {', '.join(broken)}" if broken else "nothing broke")
    return int(bool(broken))


def _found_nothing(name: str, options: argparse.Namespace) -> bool:
    """Search in a process of its own, because libFuzzer ends it."""
    print(f"{name}:", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        context = multiprocessing.get_context("fork")
        process = context.Process(target=_search, args=(name, options, Path(folder)))
        process.start()
        process.join()
    return process.exitcode == 0


def _search(name: str, options: argparse.Namespace, folder: Path) -> None:
    """Feed the target; the process ends in here."""
    import atheris

    corpus = folder / "corpus"
    corpus.mkdir()
    with atheris.instrument_imports(include=INSTRUMENTED):
        target = (_messages if name in MESSAGES else _files)(name, folder)
    if options.again:
        target(options.again.read_bytes())
        return
    FAILURES.mkdir(parents=True, exist_ok=True)
    settings = [
        f"-max_total_time={options.seconds}",
        f"-artifact_prefix={FAILURES}/{name.replace(' ', '_')}-",
        *(
            "-timeout=30",
            "-rss_limit_mb=6000",
            "-max_len=20000",
            "-len_control=0",
            "-verbosity=0",
            "-print_final_stats=1",
        ),
    ]
    atheris.Setup([sys.argv[0], *settings, str(corpus)], target)
    atheris.Fuzz()


def _messages(name: str, folder: Path) -> Target:
    """Examples of a strategy."""
    from robustness.conversions import TARGETS, allowed_bytes
    from robustness.drawing import from_bytes
    from robustness.refusals import attempt

    check, strategy = TARGETS[name]
    for index in range(SEEDS):  # else it begins with messages of nothing
        content = random.Random(index).randbytes(BYTES_OF_SEED)
        (folder / "corpus" / str(index)).write_bytes(content)

    def one(message: Any) -> None:
        attempt(check, message, allowed_bytes(message))

    return from_bytes(strategy, one)


def _files(name: str, folder: Path) -> Target:
    """The bytes themselves, grown out of good files."""
    from robustness.broken_files import GoodFiles, good_contents
    from robustness.file_checks import FileChecks

    good = GoodFiles(folder)
    for index, content in enumerate(good_contents(name, good)):
        (folder / "corpus" / str(index)).write_bytes(content)
    os.chdir(folder)
    checks, as_case = FileChecks(folder), FILES[name]
    kind = name.replace("depth image", "depth file")

    def one(content: bytes) -> None:
        checks(kind, as_case(content))

    return one


if __name__ == "__main__":
    sys.exit(main())
