"""``starrygazer-train``: every stage from photographs to a model bundle.

    starrygazer-train mde        teacher from the folders with depth, then the compact student
    starrygazer-train pairs      caches that StarryGazer pairs are drawn from
    starrygazer-train refine     refinement network, learned from the pairs
    starrygazer-train export     ONNX graphs, golden pair and manifest
    starrygazer-train card       MODEL_CARD.md of the bundle, from the records of the runs
    starrygazer-train all        the five in this order
    starrygazer-train ablate     the refinement again without each part of the method, scored
    starrygazer-train regrid     a faster or finer bundle from the weights of one, without training
    starrygazer-train planes     a bundle without networks, for the least time
    starrygazer-train evaluate   scores of a bundle; arguments go to benchmarks.accuracy

An interrupted stage continues where it was when the same command runs again; a finished network is
kept. ``torchrun -m starrygazer_training …`` trains on several processes or machines.
"""

from __future__ import annotations

import re
import sys
import time
from argparse import ArgumentError
from collections.abc import Callable
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Literal

from jsonargparse import ArgumentParser, Namespace
from jsonargparse.typing import PositiveInt, restricted_number_type

from starrygazer_ros.completion.errors import CompletionError
from starrygazer_training.config import (
    EXPORTED_CELL,
    Config,
    ConfigError,
    add_arguments,
    resolve,
)

PROGRAM = "starrygazer-train"
STAGES = {
    "mde": "train the teacher, label the photographs, distil the student",
    "pairs": "cache features, teacher labels, relative depth and segments",
    "refine": "train the refinement network",
    "export": "write the bundle",
    "card": "write MODEL_CARD.md of the bundle",
    "all": "mde, pairs, refine, export, card",
    "ablate": "train, export and score the refinement without each part of the method",
}
# The golden input has 120 rows, and the refinement takes 16 cells and more.
Cell = restricted_number_type("Cell", int, [(">=", 2), ("<=", 7)])
CELL_HELP = "pixels of the image on a side of the refinement's cells, 2 to 7"
NEED_DATA = ("mde", "pairs", "refine", "all", "ablate")
NEED_OUTPUT = ("export", "card", "all")


def main(arguments: list[str] | None = None) -> int:
    """Run a command; 0 = done, 2 = it cannot be done as asked, 130 = interrupted."""
    arguments = sys.argv[1:] if arguments is None else arguments
    try:
        if arguments[:1] == ["evaluate"]:
            return _evaluate(arguments[1:])
        command, options = _parse(arguments)
        if command == "regrid":
            from starrygazer_training.regrid import regrid  # PyTorch takes seconds to load

            regrid(
                options.bundle,
                options.output,
                int(options.cell),  # YAML knows the number, not its restricted type
                options.mde_pixels and int(options.mde_pixels),
                options.version,
            )
            return 0
        if command == "planes":
            from starrygazer_training.planes import write_planes

            write_planes(options.output, options.version)
            return 0
        _run(command, options, resolve(options))
    except KeyboardInterrupt:
        print(f"{PROGRAM}: interrupted; the same command continues", file=sys.stderr)
        return 130
    except (
        ArgumentError,
        CompletionError,
        ConfigError,
        FileNotFoundError,
        FloatingPointError,
    ) as error:
        text = " ".join(str(error).split())
        for option in ("data", "work", "output"):  # jsonargparse names them as it stores them
            text = re.sub(rf"\b\w+\.{option}\b(?=,|$)", f"--{option}", text)
        print(f"{PROGRAM}: {text}", file=sys.stderr)
        return 2
    return 0


def _parse(arguments: list[str]) -> tuple[str, Namespace]:
    parser = ArgumentParser(
        prog=PROGRAM,
        description="Every stage from photographs to a model bundle.",
        exit_on_error=False,
        allow_abbrev=False,
    )
    commands = parser.add_subcommands(dest="command")
    for name, summary in STAGES.items():
        stage = ArgumentParser(
            usage=f"{PROGRAM} {name} --work WORK … [--config FILE] [--NETWORK.KEY VALUE …]",
            description=summary,
            exit_on_error=False,
            allow_abbrev=False,
        )
        if name in NEED_DATA:
            stage.add_argument(
                "--data", type=Path, required=True, help="folder with photos/ and depth"
            )
        stage.add_argument("--work", type=Path, required=True, help="results, checkpoints, caches")
        if name in NEED_OUTPUT:
            stage.add_argument("--output", type=Path, required=True, help="bundle folder")
            stage.add_argument("--version", default="0.5.0", help="version of the bundle")
            stage.add_argument(
                "--scores", type=Path | None, help="JSON file of evaluate, for the model card"
            )
        if name == "ablate":
            stage.add_argument("--only", type=list[str], default=[], help="names of variants")
        elif name != "card":
            stage.add_argument(
                "--variant",
                type=Literal["default", "accurate"],
                default="default",
                help="MDE of the bundle: the student (default), or backbone and teacher's head; "
                "each variant in a WORK of its own",
            )
        if name in ("export", "all"):
            stage.add_argument("--cell", type=Cell, default=EXPORTED_CELL, help=CELL_HELP)
            stage.add_argument(
                "--fp16",
                type=bool | None,
                help="also write float16 graphs; not given: for accurate only",
            )
        stage.add_argument("--threads", type=PositiveInt, default=2, help="CPU threads")
        stage.add_argument(
            "--force-resume",
            action="store_true",
            help="continue and keep what was begun with another configuration",
        )
        add_arguments(stage)
        commands.add_subcommand(name, stage, help=summary)
    commands.add_subcommand(
        "regrid",
        _regrid_command(),
        help="a faster or finer bundle from the weights of one, without training",
    )
    planes = ArgumentParser(
        usage=f"{PROGRAM} planes --output FOLDER [--version VERSION]",
        description="Local planes through the sparse depth; the image is not looked at.",
        exit_on_error=False,
        allow_abbrev=False,
    )
    planes.add_argument("--output", type=Path, required=True, help="folder of the new bundle")
    planes.add_argument("--version", default="0.1.0", help="of the new bundle")
    commands.add_subcommand("planes", planes, help="a bundle without networks, for the least time")
    commands.add_subcommand(
        "evaluate",
        ArgumentParser(),
        help="scores of a bundle; arguments go to benchmarks.accuracy",
    )
    options = parser.parse_args(arguments)
    return options.command, options[options.command]


def _regrid_command() -> ArgumentParser:
    parser = ArgumentParser(
        usage=f"{PROGRAM} regrid --bundle BUNDLE --output FOLDER --cell N",
        description="The refinement on cells of another size, with the same weights: a larger "
        "cell is faster, a smaller one keeps more of dense input.",
        exit_on_error=False,
        allow_abbrev=False,
    )
    parser.add_argument("--bundle", default="default", help="name or folder of a bundle")
    parser.add_argument("--output", type=Path, required=True, help="folder of the new bundle")
    parser.add_argument("--cell", type=Cell, required=True, help=CELL_HELP)
    parser.add_argument(
        "--mde-pixels", type=PositiveInt | None, help="size of the MDE's input; else as before"
    )
    parser.add_argument("--version", type=str | None, help="of the new bundle; else as before")
    return parser


def _run(command: str, options: Namespace, config: Config) -> None:
    # Imported here, so that help and mistakes show at once: PyTorch takes seconds to load.
    import torch

    from starrygazer_training import ablations, card, distributed, stages
    from starrygazer_training.pair_files import networks_before

    torch.set_num_threads(options.threads)
    variant = options.get("variant", "default")
    if variant == "accurate":
        config = replace(config, refine=replace(config.refine, mde=variant))
    trained = config, options.get("data"), options.work, options.force_resume
    actions: dict[str, Callable[[], None]] = {
        "mde": lambda: stages.mde(*trained, variant),
        "pairs": lambda: stages.pairs(config, options.data, options.work),
        "refine": lambda: stages.refine(*trained),
        "export": lambda: stages.export(
            options.work,
            options.output,
            options.version,
            variant,
            options.get("fp16"),
            int(options.get("cell", 0)),
        ),
        "card": lambda: card.write(options.output, options.work, config.licences, options.scores),
    }
    # With the MDE of a bundle there is none to train.
    whole = tuple(name for name in actions if name != "mde" or networks_before(config.refine.mde))
    actions["ablate"] = lambda: ablations.run(*trained, _evaluate, options.only)
    seconds = {}
    with distributed.process_group():
        for name in whole if command == "all" else (command,):
            began = time.monotonic()
            actions[name]()
            seconds[name] = time.monotonic() - began
        if command not in ("card", "ablate"):
            stages.report_times(options.work, seconds)


def _evaluate(arguments: list[str]) -> int:
    """Run the repository's accuracy benchmark, which is not part of this package."""
    repository = Path(__file__).resolve().parents[2]
    if (repository / "benchmarks").is_dir():
        sys.path.insert(0, str(repository))
    try:
        accuracy = import_module("benchmarks.accuracy")
    except ImportError as error:
        raise ConfigError(
            f"evaluate needs benchmarks/ of the repository and what it imports ({error}); run it "
            f"from a checkout: python -m starrygazer_training evaluate …"
        ) from None
    return int(accuracy.main(arguments))
