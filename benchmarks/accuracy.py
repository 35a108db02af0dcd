"""Accuracy of model bundles beside the baselines, on every scene that is at hand."""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import cv2
from tqdm import tqdm

from benchmarks.datasets import KINDS, open_dataset
from benchmarks.engine_options import add_engine_options
from benchmarks.evaluation import FrameScores, left_out, score_frame
from benchmarks.outcomes import Outcome, as_json, summarise, with_ratios
from benchmarks.parameter_counts import parameters
from benchmarks.plots import write_sparsification_plots
from benchmarks.protocols import Case, cases, selected
from benchmarks.report import BundleInfo, Report
from benchmarks.scenes import DEFAULT_DATA, SceneError
from starrygazer_ros.backends.options import EngineOptions
from starrygazer_ros.completion import DepthCompleter
from starrygazer_ros.completion.errors import CompletionError

ScoreFrames = Callable[[Case, tuple[int, ...]], Iterator[FrameScores]]


def main(arguments: list[str] | None = None) -> int:
    """Print the tables; 1 if no case is left to run, 2 if a bundle or frame cannot be used."""
    options = _parser().parse_args(arguments)
    try:
        return _score(_load(options), _cases_of(options), options)
    except (CompletionError, SceneError) as error:
        print(f"accuracy: {error}", file=sys.stderr)
        return 2


def _score(
    completers: dict[str, DepthCompleter], every: list[Case], options: argparse.Namespace
) -> int:
    bundles = [_info(label, completer) for label, completer in completers.items()]
    report = Report(bundles)
    notes = [_introduction(bundles, options), _missing(every, options), left_out()]
    _say("\n".join(filter(None, notes)))
    runs = selected(every, options.only, options.quick, options.limit)
    if not runs:
        print("accuracy: no case has one of these words in its name", file=sys.stderr)
        return 1
    outcomes: list[Outcome] = []
    with _workers(completers, options) as score:
        for case, indices in runs:
            frames = tqdm(score(case, indices), case.name, len(indices), leave=False, disable=None)
            outcomes.append(with_ratios(summarise(case, list(frames)), outcomes))
            if not options.markdown:
                print(report.text(outcomes[-1]), flush=True)
    print(report.markdown(outcomes) if options.markdown else report.faults(outcomes))
    if options.json:
        numbers = {"bundles": [vars(b) for b in bundles], "cases": [as_json(o) for o in outcomes]}
        options.json.write_text(json.dumps(numbers, indent=2) + "\n", encoding="utf-8")
    if options.plots:
        write_sparsification_plots(outcomes, options.plots)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.accuracy", description=__doc__)
    parser.add_argument(
        "--bundle",
        action="append",
        metavar="NAME",
        help="name or folder; several times for several bundles (default: default)",
    )
    parser.add_argument(
        "--data",
        type=Path,
        help="folder with the development data; not given: shared/data beside the repository, and "
        "with --dataset neither that nor the motorcycle",
    )
    parser.add_argument(
        "--dataset",
        action="append",
        nargs="+",
        default=[],
        metavar=("KIND:PATH", "NAME=VALUE"),
        help=f"score a data set in its official layout or your own folder of triples; KIND is auto "
        f"or one of {', '.join(KINDS)}, options such as split=test are those of docs/datasets.md; "
        "its own sparse depth is completed, for NYU 500 and 50 random points; several times for "
        "several data sets",
    )
    parser.add_argument("--quick", action="store_true", help="a subset, one to two minutes")
    parser.add_argument("--only", nargs="+", metavar="WORD", help="cases whose name has a word")
    parser.add_argument("--limit", type=_positive, help="frames per case, spread evenly")
    parser.add_argument(
        "--workers",
        type=_positive,
        default=len(os.sched_getaffinity(0)),
        help="processes that share the frames (default: one per core)",
    )
    parser.add_argument("--threads", type=_positive, default=1, help="of each worker's networks")
    add_engine_options(parser)
    parser.add_argument(
        "--keep-occluded",
        action="store_true",
        help="ours gets all points, those too that look like background seen past edges",
    )
    parser.add_argument(
        "--json", type=_new_file, metavar="FILE", help="also write all numbers here"
    )
    parser.add_argument("--markdown", action="store_true", help="print Markdown tables instead")
    parser.add_argument(
        "--plots",
        type=_folder_to_make,
        metavar="FOLDER",
        help="also draw the sparsification curves here",
    )
    return parser


def _positive(text: str) -> int:
    number = int(text) if text.isascii() and text.isdigit() else 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"'{text}' is no whole number from 1")
    return number


def _new_file(text: str) -> Path:
    """A file that can be written: asked before the hours of scoring, not after them."""
    path = Path(text)
    if path.is_dir():
        raise argparse.ArgumentTypeError(f"{path} is a folder")
    if not path.parent.is_dir():
        raise argparse.ArgumentTypeError(f"there is no folder {path.parent}")
    if not os.access(path if path.exists() else path.parent, os.W_OK):
        raise argparse.ArgumentTypeError(f"{path} cannot be written")
    return path


def _folder_to_make(text: str) -> Path:
    path = Path(text)
    nearest = next(part for part in (path, *path.absolute().parents) if part.exists())
    if not nearest.is_dir():
        raise argparse.ArgumentTypeError(f"{nearest} is a file, not a folder")
    if not os.access(nearest, os.W_OK):
        raise argparse.ArgumentTypeError(f"{nearest} cannot be written")
    return path


def _load(options: argparse.Namespace) -> dict[str, DepthCompleter]:
    """Completers by label: the bundle's name, or as given where two bundles have the same name."""
    loaded = {name: _completer(name, options) for name in options.bundle or ["default"]}
    known = [completer.bundle.name for completer in loaded.values()]
    return {
        completer.bundle.name if known.count(completer.bundle.name) == 1 else given: completer
        for given, completer in loaded.items()
    }


def _completer(bundle: str, options: argparse.Namespace) -> DepthCompleter:
    return DepthCompleter.from_bundle(
        bundle,
        options.backend,
        options.threads,
        filter_occluded=not options.keep_occluded,
        options=EngineOptions(options.precision),
    )


def _info(label: str, completer: DepthCompleter) -> BundleInfo:
    bundle = completer.bundle
    return BundleInfo(
        label=label,
        name=bundle.name,
        version=bundle.version,
        backend=completer.backend_description,
        parameters=parameters(bundle),
    )


def _introduction(bundles: list[BundleInfo], options: argparse.Namespace) -> str:
    lines = [
        f"bundle {b.label} ({b.name} {b.version}), {sum(b.parameters.values()) / 1e6:.2f} M "
        f"parameters, {b.backend}"
        for b in bundles
    ]
    side_by_side = f", {options.workers} frames side by side" if options.workers > 1 else ""
    lines.append(
        f"ms: median of the frames, {options.threads} thread{'s' * (options.threads > 1)}"
        f"{side_by_side}; for speed itself: python -m benchmarks.speed"
    )
    return "\n".join(lines)


def _cases_of(options: argparse.Namespace) -> list[Case]:
    """The cases of the development data and of the user's data sets.

    Raises:
        SceneError: a data set cannot be used.
    """
    return cases(_data(options), [open_dataset(words) for words in options.dataset])


def _data(options: argparse.Namespace) -> Path | None:
    given: Path | None = options.data
    return given or (None if options.dataset else DEFAULT_DATA)


def _missing(every: list[Case], options: argparse.Namespace) -> str:
    """Say so if there is nothing but the motorcycle of what is developed on."""
    data = _data(options)
    names = {case.scenes.name for case in every}
    if data is None or len(names) > 1 + len(options.dataset):
        return ""
    return f"only the motorcycle: no data folder {data} (--data)"


def _say(text: str) -> None:
    """Tell what is not part of a table, so that Markdown can be redirected to a file."""
    print(text, file=sys.stderr, flush=True)


@contextmanager
def _workers(
    completers: dict[str, DepthCompleter], options: argparse.Namespace
) -> Iterator[ScoreFrames]:
    """A function that scores frames of a case, in their order, by as many processes as asked."""
    if options.workers <= 1:
        yield lambda case, indices: (score_frame(case, i, completers) for i in indices)
        return
    folders = {label: str(completer.bundle.path) for label, completer in completers.items()}
    # Not forked: ONNX Runtime's threads would be missing in the child.
    with ProcessPoolExecutor(
        options.workers,
        mp_context=multiprocessing.get_context("spawn"),
        initializer=_start_worker,
        initargs=(folders, options),
    ) as pool:
        yield lambda case, indices: pool.map(
            _work, [case.name] * len(indices), indices, chunksize=1
        )


_completers: dict[str, DepthCompleter] = {}
_cases: dict[str, Case] = {}


def _start_worker(folders: dict[str, str], options: argparse.Namespace) -> None:
    """Load what this process needs for all its frames; cases hold functions, so they stay here."""
    cv2.setNumThreads(1)
    _completers.update({label: _completer(folder, options) for label, folder in folders.items()})
    _cases.update({case.name: case for case in _cases_of(options)})


def _work(case: str, index: int) -> FrameScores:
    return score_frame(_cases[case], index, _completers)


if __name__ == "__main__":
    sys.exit(main())
