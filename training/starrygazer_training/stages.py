"""The stages from photographs to a model bundle, as the command line runs them."""

from __future__ import annotations

import hashlib
import shutil
from datetime import timedelta
from importlib.metadata import version as version_of
from pathlib import Path
from typing import Literal

from starrygazer_ros.completion import ModelBundle
from starrygazer_training import (
    accurate,
    completion_training,
    distillation,
    distributed,
    pair_files,
    teacher,
)
from starrygazer_training.checkpoints import load_weights
from starrygazer_training.config import EXPORTED_CELL, Config, RunConfig, save
from starrygazer_training.dinov2 import ONNX_SHA256, WHEEL, WHEEL_VERSION
from starrygazer_training.export import Network, write_bundle
from starrygazer_training.half_precision import without_batch_norm
from starrygazer_training.refinement import Refinement
from starrygazer_training.run_state import (
    NETWORKS,
    RunFiles,
    adopt_checkpoint,
    is_finished,
    load_checkpoint,
    require_same_config,
)
from starrygazer_training.student import MULTIPLE as MDE_MULTIPLE

# Caches below WORK/cache that a network fills; they are worthless once it is trained again.
CACHES = {"teacher": "teacher_labels"}

Variant = Literal["default", "accurate"]


def pairs(config: Config, data: Path, work: Path) -> None:
    """Cache what pairs are drawn from: features, teacher labels, relative depth, segments.

    Raises:
        FileNotFoundError: a network that must be trained before is missing.
    """
    before = pair_files.networks_before(config.refine.mde)
    for network in before:
        result = RunFiles(work, network).result
        if not result.exists():
            raise FileNotFoundError(
                f"{result} is missing: run starrygazer-train mde first, or give --refine.mde the "
                "name or folder of a bundle, such as default, whose MDE shall be used"
            )
    with distributed.first_process_first():
        if before:
            distillation.make_labels(data, work)
        pair_files.prepare(data, work, config.refine)


def mde(config: Config, data: Path, work: Path, force: bool, variant: Variant = "default") -> None:
    """Train the teacher, label the photographs with it, distil the student from it.

    Args:
        config: recipe.
        data: folder with photographs and depth.
        work: folder of caches, checkpoints and results.
        force: continue and keep what another configuration began.
        variant: of the bundle that shall come out; ``accurate`` needs no student.
    """
    if _begins("teacher", config, config.teacher, work, force):
        has_begun = RunFiles(work, "teacher").checkpoint.exists()
        with_trunk = (
            config.teacher.trunk_steps > 0
            and not has_begun
            and _begins(teacher.TRUNK, config, config.teacher.trunk, work, force)
        )
        teacher.train(data, work, config.teacher, with_trunk)
    if variant == "default" and _begins("student", config, config.student, work, force):
        with distributed.first_process_first():
            distillation.make_labels(data, work)
        distillation.train(data, work, config.student)


def refine(config: Config, data: Path, work: Path, force: bool) -> None:
    """Train the refinement network; arguments as for :func:`mde`."""
    if _begins("refinement", config, config.refine, work, force):
        pairs(config, data, work)
        completion_training.train(data, work, config.refine)


def _begins(name: str, config: Config, run: RunConfig, work: Path, force: bool) -> bool:
    """Whether a network is still to be trained; if so, make ready for it.

    Saves the configuration and drops what an earlier network of this name has left in the cache.
    """
    files = RunFiles(work, name)
    with distributed.first_process_first():
        if is_finished(files, run, force):
            if distributed.is_first():
                print(f"{name}: {files.result} is there, skipped")
            return False
        if distributed.is_first():
            if force:
                adopt_checkpoint(files, run)
            if files.checkpoint.exists():
                require_same_config(files.checkpoint, load_checkpoint(files.checkpoint)[0], run)
            save(config, work / f"{name}.config.yaml")
            stale = work / "cache" / CACHES.get(name, "")
            if name in CACHES and stale.exists():
                shutil.rmtree(stale)
    return True


def export(
    work: Path,
    output: Path,
    version: str,
    variant: Variant = "default",
    fp16: bool | None = None,
    cell: int = EXPORTED_CELL,
) -> None:
    """Write the bundle: ONNX graphs, golden pair, manifest.

    Args:
        work: folder of the finished runs.
        output: folder of the bundle; an older bundle there is replaced.
        version: of the bundle.
        variant: ``default`` has the student as MDE, ``accurate`` the backbone and the teacher's
            head. A refinement that learned from the MDE of a bundle gets that one.
        fp16: also write graphs that compute in float16. Not given: only for ``accurate``, because
            with them the default bundle would be larger than the 20 MB that it may have.
        cell: pixels of the image on a side of the refinement's cells.
    """
    if not distributed.is_first():
        return
    record = RunFiles(work, "refinement").read_record() or {}
    recipe = record.get("config", {})
    sees = recipe.get("image", True), recipe.get("relative_depth", True)
    network = Refinement(*sees, cell=cell)
    if "start" in recipe:
        without_batch_norm(network.eval())  # as in the graph that it began with
    refinement = load_weights(network, work / "refinement.safetensors")
    expected = {"default": pair_files.STUDENT, "accurate": pair_files.ACCURATE}[variant]
    learned_from = recipe.get("mde", expected)
    names: tuple[str, ...]
    given: dict[str, str] = {}
    if not pair_files.networks_before(learned_from):
        bundle = ModelBundle.load(learned_from)
        names = ("refinement",)
        mde, pixels = Network.given_mde(bundle.mde), bundle.mde_pixels
        given = {"mde": f"{bundle.name} {bundle.version}, sha256 {bundle.mde.sha256}"}
    elif variant == "accurate":
        names = ("teacher", "refinement")
        mde, pixels = Network.mde(accurate.load_accurate(work), accurate.MULTIPLE), accurate.PIXELS
    else:
        names = NETWORKS
        mde = Network.mde(distillation.load_student(work), MDE_MULTIPLE)
        pixels = pair_files.MDE_PIXELS
    if not given and learned_from != expected:
        print(f"the refinement learned from relative depth of: {learned_from}, not {expected}")
    runs = [RunFiles(work, name) for name in names]
    write_bundle(
        output,
        name=output.resolve().name,
        version=version,
        mde=mde,
        mde_pixels=pixels,
        refinement=Network.refinement(refinement),
        training={
            "recipe": {r.name: (r.read_record() or {}).get("config", "not recorded") for r in runs},
            **given,
            "torch": version_of("torch"),
            "backbone": f"{WHEEL}=={WHEEL_VERSION}, sha256 {ONNX_SHA256}",
            "weights": {
                r.result.name: hashlib.sha256(r.result.read_bytes()).hexdigest() for r in runs
            },
            "last_validation": {r.name: (r.read_log() or [{}])[-1] for r in runs},
        },
        fp16=(variant == "accurate" and not given) if fp16 is None else fp16,
    )
    print(f"wrote {output}")


def report_times(work: Path, seconds: dict[str, float]) -> None:
    """Print how long the stages of this command took, and the networks over all interruptions."""
    if not distributed.is_first():
        return
    print("\nthis command:")
    for stage, taken in {**seconds, "total": sum(seconds.values())}.items():
        print(f"  {stage:<12}{timedelta(seconds=round(taken))}")
    print("training of the networks, interruptions left out:")
    for name in NETWORKS:
        record = RunFiles(work, name).read_record()
        taken_by_run = timedelta(seconds=round(record["seconds"])) if record else "not recorded"
        print(f"  {name:<12}{taken_by_run}")
