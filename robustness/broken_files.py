"""Everything that reads files, with damaged ones: a result within bounds, or one clear reason.

Each is read in a process of its own, so that a crash of native code or a hang is found, too.
``make fuzz`` runs it; ``python -m robustness.broken_files --cases 11000``.
"""

from __future__ import annotations

import argparse
import ast
import json
import os
import sys
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from hypothesis import strategies as st
from hypothesis.errors import HypothesisWarning

from robustness import damage, damaged_arrays, damaged_images, damaged_yaml
from robustness.damaged_graphs import WEIGHTS, graphs
from robustness.drawing import for_each
from robustness.file_checks import FileChecks, good_plan
from robustness.isolated import Isolated
from robustness.refusals import BrokenError, in_words
from starrygazer_ros.completion_parameters import CompletionParameters

from bundles import write_tiny_bundle  # isort: skip
from recordings import record_drive  # isort: skip

WANTED_CASES = 11_000
FAILURES = Path("build") / "fuzz"
_SIDECAR_VALUES = ("1", "null", "[]", '"\\ud800"', '"a\\nb"', "[" * 5000, "9" * 5000, '{"name": 3}')


class GoodFiles:
    """What is damaged: written once, into a folder that exists."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.bundle = write_tiny_bundle(folder / "tiny")
        np.ones(256, np.float32).tofile(folder / WEIGHTS)
        self.manifest = yaml.safe_load((self.bundle / "manifest.yaml").read_text())
        self.golden = (self.bundle / "golden.npz").read_bytes()
        self.graphs = {n: (self.bundle / n).read_bytes() for n in ("mde.onnx", "refinement.onnx")}

    def bags(self, storage: str) -> list[dict[str, bytes]]:
        """Files of recordings by name: of one storage, in all of its compressions."""
        found = []
        for compression in ("", "message", "file", *(["storage"] if storage == "mcap" else [])):
            place = self.folder / f"{storage}_{compression}"
            if not place.exists():
                record_drive(place, frames=2, storage=storage, compression=compression)
            found.append({file.name: file.read_bytes() for file in sorted(place.iterdir())})
        return found


def _manifests(good: GoodFiles) -> st.SearchStrategy[Any]:
    return damaged_yaml.yaml_files(good.manifest, ("fp16", "int8", "schema", "differences"))


@st.composite
def _bags(draw: st.DrawFn, good: list[dict[str, bytes]]) -> dict[str, bytes]:
    """One or two files of a bag are damaged, or missing."""
    whole = draw(st.sampled_from(good))
    files = dict(whole)
    for name in draw(st.lists(st.sampled_from(sorted(files)), min_size=1, max_size=2)):
        if name == "metadata.yaml" and draw(st.booleans()):
            files[name] = draw(damaged_yaml.yaml_files(yaml.safe_load(whole[name])))
        elif draw(st.integers(0, 9)) == 0 and len(files) > 1:
            del files[name]
            break
        else:
            files[name] = draw(damage.damaged([files[name]], most=3))
    return files


@st.composite
def _cached_plans(draw: st.DrawFn, good: bytes) -> tuple[bytes | None, bytes | None, bool]:
    about = {
        "model": "tiny 1",
        "graph": "mde",
        "gpu": {"name": "x"},
        "sha256": "0" * 64,
        "made": 1.0,
    }
    key = draw(st.sampled_from(sorted(about)))
    text = json.dumps({**about, key: "VALUE"}).replace(
        '"VALUE"', draw(st.sampled_from(_SIDECAR_VALUES))
    )
    whole = json.dumps(about).encode()
    sidecar = draw(
        st.one_of(st.just(text.encode()), damage.damaged([whole]), st.sampled_from([None, whole]))
    )
    plan = draw(st.one_of(damage.damaged([good], most=2), st.sampled_from([None, b"", good])))
    return plan, sidecar, draw(st.booleans())


def _parameters() -> dict[str, Any]:
    names = [entry.metadata["name"] for entry in CompletionParameters.__dataclass_fields__.values()]
    values = {
        f.metadata["name"]: f.default for f in CompletionParameters.__dataclass_fields__.values()
    }
    return {"/**": {"ros__parameters": {name: values[name] for name in sorted(names)}}}


_JOB = json.dumps({"version": "1", "input": [["a", 1, 2]]}).encode()


def _unfinished(_: GoodFiles) -> st.SearchStrategy[Any]:
    others = st.sampled_from([b"", b"[]", b"1", b"null", b"[" * 9000, b'{"version": "\\ud800"}'])
    notes = st.one_of(st.just(_JOB), st.just(_JOB), damage.damaged([_JOB]), others)
    return st.tuples(notes, damaged_arrays.npz_files(damaged_arrays.frame()))


STRATEGIES: dict[str, Callable[[GoodFiles], st.SearchStrategy[Any]]] = {
    "manifest": _manifests,
    "golden pair": lambda good: damaged_arrays.npz_files(good.golden),
    "graph": lambda good: graphs(good.graphs),
    "cached plan": lambda good: _cached_plans(good_plan(good.graphs["mde.onnx"])),
    "image file": lambda _: damaged_images.image_files(),
    "depth file": lambda _: damaged_images.depth_files(),
    "complete command": lambda _: st.tuples(
        damaged_images.image_files(), damaged_images.depth_files()
    ),
    "bag sqlite3": lambda good: _bags(good.bags("sqlite3")),
    "bag mcap": lambda good: _bags(good.bags("mcap")),
    "parameters file": lambda _: damaged_yaml.yaml_files(
        _parameters(), ("ros__parameters", "/a/*")
    ),
    "unfinished bag": _unfinished,
}


@dataclass
class Outcome:
    """What became of the files of a target.

    Attributes:
        counts: by cause.
        broken: the first file of everything else that happened, by its description.
    """

    counts: Counter[str] = field(default_factory=Counter)
    broken: dict[str, Any] = field(default_factory=dict)


def good_contents(name: str, good: GoodFiles) -> Iterable[bytes]:
    """Whole files of a kind, from which a guided search may begin."""
    found: dict[str, Callable[[], Iterable[bytes]]] = {
        "manifest": lambda: [(good.bundle / "manifest.yaml").read_bytes()],
        "golden pair": lambda: [good.golden],
        "parameters file": lambda: [yaml.safe_dump(_parameters()).encode()],
        "image file": lambda: damaged_images.encoded(8),
        "depth file": lambda: [damaged_arrays.array_file()],
        "depth image": lambda: damaged_images.encoded(16),
        "unfinished bag": lambda: [_JOB],
    }
    return found[name]()


class Workplace:
    """Good files, and the process that reads damaged ones.

    Args:
        folder: existing, for both.
    """

    def __init__(self, folder: Path) -> None:
        self.good = GoodFiles(folder)
        self.isolated = Isolated(FileChecks, folder)

    def fuzz(self, name: str, cases: int, number: int | None = None) -> Outcome:
        """Give a target so many files.

        Args:
            name: of the target.
            cases: files.
            number: seed; ``None`` = other ones each time.
        """
        outcome = Outcome()

        def one(case: Any) -> None:
            try:
                outcome.counts[self.isolated.check(name, case)] += 1
            except BrokenError as error:
                outcome.counts["BROKEN"] += 1
                outcome.broken.setdefault(str(error), case)

        with warnings.catch_warnings():
            warnings.simplefilter("ignore", HypothesisWarning)  # of files that are long in print
            for_each(STRATEGIES[name](self.good), cases, one, number)
        return outcome


@contextmanager
def workplace() -> Iterator[Workplace]:
    """A temporary one."""
    with tempfile.TemporaryDirectory() as folder:
        before = os.environ.get("XDG_CACHE_HOME")
        os.environ["XDG_CACHE_HOME"] = str(Path(folder) / "cache")  # of the plans
        place = Workplace(Path(folder))
        try:
            yield place
        finally:
            place.isolated.stop()
            if before is None:
                del os.environ["XDG_CACHE_HOME"]
            else:
                os.environ["XDG_CACHE_HOME"] = before


def main(arguments: list[str] | None = None) -> int:
    """Print what became of the files; 1 if one broke something."""
    parser = argparse.ArgumentParser(prog="python -m robustness.broken_files", description=__doc__)
    parser.add_argument("--cases", type=int, default=WANTED_CASES, help="(default: %(default)d)")
    parser.add_argument("--seed", type=int, help="(default: other files each time)")
    parser.add_argument("--only", choices=STRATEGIES, help="one target")
    parser.add_argument("--again", type=Path, metavar="FILE", help="a case that broke something")
    options = parser.parse_args(arguments)
    names = [options.only] if options.only else list(STRATEGIES)
    broken = False
    with workplace() as place:
        if options.again:
            name, case = ast.literal_eval(options.again.read_text(encoding="utf-8"))
            print(f"{name}: {place.isolated.check(name, case)}")
            return 0
        for name in names:
            began = time.monotonic()
            outcome = place.fuzz(name, -(-options.cases // len(names)), options.seed)
            seconds = time.monotonic() - began
            counts = outcome.counts
            print(f"{name}: {counts.total()} in {seconds:.0f} s: {in_words(counts)}", flush=True)
            for number, (description, case) in enumerate(outcome.broken.items()):
                broken = True
                print(f"  BROKEN: {description}: {_saved(name, number, case)}", flush=True)
    return int(broken)


def _saved(name: str, number: int, case: Any) -> str:
    """How to do it again."""
    FAILURES.mkdir(parents=True, exist_ok=True)
    file = FAILURES / f"{name.replace(' ', '_')}_{number}.txt"
    file.write_text(repr((name, case)), encoding="utf-8")
    return f"--again {file}"


if __name__ == "__main__":
    sys.exit(main())
