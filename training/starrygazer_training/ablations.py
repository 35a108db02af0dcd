"""What each part of the method is worth: the refinement trained without it, at equal budget.

Every variant gets the same steps, seed, caches and networks before it, is exported like a bundle
and scored by the benchmark. ``ABLATIONS.md`` and one JSON file per variant are the result.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import fmean
from typing import Any

from starrygazer_training import distributed, stages
from starrygazer_training.config import Config, ConfigError, RefineConfig
from starrygazer_training.pair_files import ACCURATE, networks_before
from starrygazer_training.run_state import (
    DamagedFileError,
    RunFiles,
    read_json,
    require_folder,
    write_atomically,
)
from starrygazer_training.stages import Variant

REPORT, SCORES = "ABLATIONS.md", "scores.json"

Evaluate = Callable[[list[str]], int]


@dataclass(frozen=True)
class Ablation:
    """One variant of the refinement's training.

    Attributes:
        name: of its folder.
        title: for the table.
        changes: to the recipe.
        base: name of the variant that it is compared with.
    """

    name: str
    title: str
    changes: Mapping[str, Any] = field(default_factory=dict)
    base: str = "full"

    def recipe(self, full: RefineConfig) -> RefineConfig:
        """The recipe of the whole method with this variant's changes."""
        return replace(full, **self.changes)


_PHOTOS = {"render_share": 0.0, "renders": 0}
ABLATIONS = (
    Ablation("full", "everything: photographs and renders"),
    Ablation("seed", "the same once more with another seed: how much is chance", {"seed": 1}),
    Ablation("photos", "photographs only, as in the paper", _PHOTOS),
    Ablation(
        "no-segments",
        "no segmentation: one global rescaling",
        {**_PHOTOS, "segments": "none"},
        "photos",
    ),
    Ablation(
        "rgb-segments",
        "the photograph is segmented, not D_rel",
        {**_PHOTOS, "segments": "rgb"},
        "photos",
    ),
    Ablation(
        "no-snap",
        "borders of segments stay where D_rel has them",
        {**_PHOTOS, "snap_band": 0},
        "photos",
    ),
    Ablation("no-relative-depth", "the network sees no relative depth", {"relative_depth": False}),
    Ablation("no-image", "the network sees no image", {"image": False}),
    Ablation("no-faults", "no sensor faults in training", {"faults": False}),
    Ablation("teacher", "relative depth of the teacher instead of the student", {"mde": ACCURATE}),
)


def run(
    config: Config,
    data: Path,
    work: Path,
    force: bool,
    evaluate: Evaluate,
    only: Sequence[str] = (),
) -> None:
    """Train, export and score every variant that is not finished; then write the table.

    Args:
        config: recipe; ``refine.steps`` is the budget of each variant.
        data: as for :func:`stages.refine`.
        work: folder with the networks that the recipe's MDE needs; results go to
            ``work/ablations``.
        force: as for :func:`stages.refine`.
        evaluate: the benchmark's command.
        only: names of variants; none = all, without the teacher where the MDE is that of a bundle.

    Raises:
        FileNotFoundError: teacher or student are missing.
        ConfigError: no such variant, ``work`` is a file, one began with another teacher or
            student, or the benchmark could not score it.
    """
    known = [ablation.name for ablation in ABLATIONS]
    if unknown := set(only) - set(known):
        raise ConfigError(f"no variant {', '.join(sorted(unknown))}: choose of {', '.join(known)}")
    require_folder(work)
    root = work / "ablations"
    if not only and not networks_before(config.refine.mde):  # so there is no teacher
        only = [a.name for a in ABLATIONS if "mde" not in a.changes]
    for ablation in (a for a in ABLATIONS if not only or a.name in only):
        folder = root / ablation.name
        changed = replace(config, refine=ablation.recipe(config.refine))
        with distributed.first_process_first():
            _share(work, folder, networks_before(changed.refine.mde))
        stages.refine(changed, data, folder, force)
        if distributed.is_first() and _scores(folder).get("trained") != _trained(folder):
            _score(ablation, folder, data, evaluate)
    if distributed.is_first():
        (root / REPORT).write_text(table(root), encoding="utf-8")
        print(f"wrote {root / REPORT}")


def _share(work: Path, folder: Path, networks: Sequence[str]) -> None:
    """Let a variant use the caches and the networks that come before the refinement."""
    runs = [RunFiles(work, name) for name in networks]
    for path in (run.result for run in runs):
        if not path.exists():
            raise FileNotFoundError(f"{path} is missing: run starrygazer-train mde first")
    for needed in (folder, work / "cache"):
        needed.mkdir(parents=True, exist_ok=True)
    hashes = {run.name: _sha256(run.result) for run in runs}
    began_with = folder / "began_with.json"
    remedy = "delete the folder"
    if began_with.exists() and read_json(began_with, remedy) != hashes:
        raise ConfigError(f"{folder} began with another teacher or student: {remedy}")
    write_atomically(began_with, json.dumps(hashes).encode())
    for path in (work / "cache", *(run.result for run in runs), *(run.record for run in runs)):
        link = folder / path.name
        link.unlink(missing_ok=True)
        link.symlink_to(os.path.relpath(path, folder))


def _trained(folder: Path) -> dict[str, Any]:
    """What the scores of a variant belong to."""
    run = RunFiles(folder, "refinement")
    record = run.read_record()
    assert record is not None  # written before the result
    return {"refinement": _sha256(run.result), "steps": record["config"]["steps"]}


def _score(ablation: Ablation, folder: Path, data: Path, evaluate: Evaluate) -> None:
    bundle, partial = folder / "bundle", folder / "scores.partial"
    variant: Variant = "accurate" if ablation.changes.get("mde") == ACCURATE else "default"
    stages.export(folder, bundle, f"0.0.0-{ablation.name}", variant, fp16=False)
    if evaluate(["--quick", f"--bundle={bundle}", f"--data={data}", f"--json={partial}"]):
        raise ConfigError(f"{ablation.name} could not be scored, see above")
    scores = {"trained": _trained(folder), **json.loads(partial.read_text(encoding="utf-8"))}
    write_atomically(folder / SCORES, json.dumps(scores, indent=2).encode())


def _scores(folder: Path) -> dict[str, Any]:
    path, remedy = folder / SCORES, "delete it, and the same command scores the variant again"
    if not path.exists():
        return {}
    scores = read_json(path, remedy)
    if missing := sorted({"trained", "cases"} - scores.keys()):
        raise DamagedFileError(f"{path} has no {', '.join(missing)}: {remedy}")
    return scores


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def table(folder: Path) -> str:
    """Markdown tables: change of the RMSE by data set against each variant's base, and the RMSE.

    Raises:
        ConfigError: no variant is scored, or they were trained with different budgets.
    """
    reports = {a.name: _scores(folder / a.name) for a in ABLATIONS}
    reports = {name: report for name, report in reports.items() if report}
    if not reports:
        raise ConfigError(f"no variant is scored in {folder}: run starrygazer-train ablate first")
    budgets = {name: report["trained"]["steps"] for name, report in reports.items()}
    if len(set(budgets.values())) > 1:
        each = ", ".join(f"{name} {steps}" for name, steps in budgets.items())
        raise ConfigError(f"the steps of the variants differ, they cannot be compared: {each}")
    scores = {name: _rmse(report) for name, report in reports.items()}
    shared = set.intersection(*(set(cases) for cases in scores.values()))
    cases = [case for case in next(iter(scores.values())) if case in shared]
    variants = [ablation for ablation in ABLATIONS if ablation.name in scores]
    return "\n".join(
        [
            f"Change of the RMSE after {next(iter(budgets.values()))} steps each, against the "
            "variant that a part was taken from (mean of the logarithms; + is worse):",
            "",
            *_changes(variants, scores, cases),
            "",
            "RMSE in metres:",
            "",
            "| case | " + " | ".join(variant.name for variant in variants) + " |",
            "|---" * (len(variants) + 1) + "|",
            *(
                f"| {case} | " + " | ".join(f"{scores[v.name][case]:.3f}" for v in variants) + " |"
                for case in cases
            ),
            "",
        ]
    )


def _changes(
    variants: Sequence[Ablation], scores: Mapping[str, Mapping[str, float]], cases: Sequence[str]
) -> list[str]:
    """Rows of the first table, one per variant whose base is scored."""
    groups: dict[str, list[str]] = {}
    for case in cases:
        groups.setdefault(case.split(",")[0], []).append(case)
    groups["all"] = list(cases)
    names = [f"{name} ({len(group)})" for name, group in groups.items()]
    lines = [f"| variant | against | {' | '.join(names)} |", "|---" * (len(names) + 2) + "|"]
    for variant in variants:
        own, base = scores[variant.name], scores.get(variant.base)
        if base is None or base is own:
            continue
        cells = [
            f"{math.expm1(fmean(math.log(own[c] / base[c]) for c in group)):+.1%}"
            for group in groups.values()
        ]
        title = f"`{variant.name}`: {variant.title}"
        lines.append(f"| {title} | `{variant.base}` | {' | '.join(cells)} |")
    return lines


def _rmse(report: Mapping[str, Any]) -> dict[str, float]:
    ours = {c["case"]: [r for r in c["rows"] if r["method"] == "ours"] for c in report["cases"]}
    return {case: float(rows[0]["errors"]["rmse"]) for case, rows in ours.items()}
