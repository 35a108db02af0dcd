"""``starrygazer-train``: every stage from photographs to a model bundle.

    starrygazer-train teacher       head on the DINOv2 backbone, from the folders with depth
    starrygazer-train student       distil the teacher into a compact CNN, on the photographs
    starrygazer-train refinement    StarryGazer pairs from the photographs, refinement network
    starrygazer-train export        ONNX graphs, golden pair and manifest
    starrygazer-train all           the four in this order

Stages keep their results, checkpoints and caches in the work folder. A stage that was interrupted
continues where it was; a finished one is skipped by ``all``.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from importlib.metadata import version
from pathlib import Path

import torch

from starrygazer_training import completion_training, distillation, teacher
from starrygazer_training.checkpoints import load_weights
from starrygazer_training.dinov2 import ONNX_SHA256, WHEEL, WHEEL_VERSION
from starrygazer_training.export import write_bundle
from starrygazer_training.refinement import MULTIPLE as REFINEMENT_MULTIPLE
from starrygazer_training.refinement import Refinement
from starrygazer_training.student import MULTIPLE as MDE_MULTIPLE

STAGES = ("teacher", "student", "refinement", "export")


def main() -> None:
    """Parse the command line and run the stages."""
    options = _parser().parse_args()
    torch.set_num_threads(options.threads)
    stages = STAGES if options.stage == "all" else (options.stage,)
    for stage in stages:
        finished = options.work / f"{stage}.safetensors"
        if options.stage == "all" and finished.exists():
            print(f"{stage}: {finished} is there, skipped")
            continue
        _run(stage, options)


def _run(stage: str, options: argparse.Namespace) -> None:
    data, work = options.data, options.work
    if stage == "teacher":
        teacher.train(data, work, options.teacher_steps)
    elif stage == "student":
        distillation.make_labels(data, work)
        distillation.train(data, work, options.student_steps)
    elif stage == "refinement":
        completion_training.train(data, work, options.refinement_steps)
    else:
        _export(options)


def _export(options: argparse.Namespace) -> None:
    work = options.work
    write_bundle(
        options.output,
        name=options.output.resolve().name,
        version=options.version,
        mde=distillation.load_student(work),
        mde_multiple=MDE_MULTIPLE,
        mde_pixels=completion_training.MDE_PIXELS,
        refinement=load_weights(Refinement(), work / "refinement.safetensors"),
        refinement_multiple=REFINEMENT_MULTIPLE,
        training={
            "command": f"starrygazer-train all --teacher-steps {options.teacher_steps} "
            f"--student-steps {options.student_steps} "
            f"--refinement-steps {options.refinement_steps}",
            "torch": version("torch"),
            "backbone": f"{WHEEL}=={WHEEL_VERSION}, sha256 {ONNX_SHA256}",
            "weights": {
                f"{stage}.safetensors": hashlib.sha256(
                    (work / f"{stage}.safetensors").read_bytes()
                ).hexdigest()
                for stage in STAGES[:-1]
            },
            "last_validation": {stage: _last_validation(work, stage) for stage in STAGES[:-1]},
        },
    )
    print(f"wrote {options.output}")


def _last_validation(work: Path, stage: str) -> dict[str, float]:
    figures: dict[str, float] = json.loads(
        (work / f"{stage}.jsonl").read_text(encoding="utf-8").splitlines()[-1]
    )
    return figures


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="starrygazer-train",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("stage", choices=(*STAGES, "all"))
    parser.add_argument("--data", type=Path, required=True, help="folder with photos/ and depth")
    parser.add_argument("--work", type=Path, required=True, help="results, checkpoints, caches")
    parser.add_argument("--output", type=Path, default=Path("models/default"), help="bundle folder")
    parser.add_argument("--version", default="0.1.0", help="version of the bundle")
    parser.add_argument("--threads", type=int, default=2, help="CPU threads")
    parser.add_argument("--teacher-steps", type=int, default=450)
    parser.add_argument("--student-steps", type=int, default=3200)
    parser.add_argument("--refinement-steps", type=int, default=3600)
    return parser


if __name__ == "__main__":
    main()
