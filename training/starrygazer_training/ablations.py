"""What each part of the method is worth: the refinement trained without it, at equal budget.

Every variant gets the same steps, seed, caches and networks before it, is exported like a bundle
and scored by the benchmark. ``ABLATIONS.md`` and one JSON file per variant are the result.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from starrygazer_training import distributed, stages
from starrygazer_training.config import Config
from starrygazer_training.stages import Variant

REPORT = "ABLATIONS.md"
SHARED = ("cache", "teacher.safetensors", "student.safetensors")

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

    @property
    def mde(self) -> Variant:
        """Variant of the bundle whose MDE it runs with."""
        return "accurate" if self.changes.get("mde") == "accurate" else "default"


_PHOTOS = {"render_share": 0.0}
ABLATIONS = (
    Ablation("full", "everything: photographs and renders"),
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
    Ablation(
        "teacher", "relative depth of the teacher instead of the student", {"mde": "accurate"}
    ),
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
        work: folder with the trained teacher and student; results go to ``work/ablations``.
        force: as for :func:`stages.refine`.
        evaluate: the benchmark's command.
        only: names of variants; none = all.

    Raises:
        FileNotFoundError: teacher or student are missing.
    """
    wanted = [a for a in ABLATIONS if not only or a.name in only]
    for ablation in wanted:
        folder = work / "ablations" / ablation.name
        with distributed.first_process_first():
            _share(work, folder)
        changed = replace(config, refine=replace(config.refine, **ablation.changes))
        stages.refine(changed, data, folder, force)
        if not distributed.is_first():
            continue
        scores, bundle = folder / "scores.json", folder / "bundle"
        if not scores.exists():
            stages.export(folder, bundle, f"0.0.0-{ablation.name}", ablation.mde, fp16=False)
            evaluate(["--quick", f"--bundle={bundle}", f"--data={data}", f"--json={scores}"])
    if distributed.is_first():
        report = work / "ablations" / REPORT
        report.write_text(table(work / "ablations", config.refine.steps), encoding="utf-8")
        print(f"wrote {report}")


def _share(work: Path, folder: Path) -> None:
    """Let a variant use the caches and the networks that come before the refinement."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in SHARED:
        if not (work / name).exists():
            raise FileNotFoundError(f"{work / name} is missing: run starrygazer-train mde first")
        if not (folder / name).exists():
            (folder / name).symlink_to((work / name).resolve())


def table(folder: Path, steps: int) -> str:
    """Markdown table of the RMSE of every scored variant, and its change against its base."""
    scores = {a.name: _rmse(folder / a.name / "scores.json") for a in ABLATIONS}
    scores = {name: cases for name, cases in scores.items() if cases}
    cases = list(next(iter(scores.values()), {}))
    lines = [
        f"RMSE in metres of `--quick` after {steps} steps each; in brackets the change against the "
        "variant that it takes one part from.",
        "",
        "| variant | against | " + " | ".join(cases) + " | mean change |",
        "|---" * (len(cases) + 3) + "|",
    ]
    for ablation in ABLATIONS:
        own, base = scores.get(ablation.name), scores.get(ablation.base)
        if not own:
            continue
        changes = {c: own[c] / base[c] - 1 for c in cases} if base and base is not own else {}
        cells = [f"{own[c]:.3f}" + (f" ({changes[c]:+.0%})" if changes else "") for c in cases]
        mean = f"{sum(changes.values()) / len(changes):+.1%}" if changes else ""
        against = ablation.base if changes else ""
        lines.append(f"| {ablation.title} | {against} | {' | '.join(cells)} | {mean} |")
    return "\n".join(lines) + "\n"


def _rmse(scores: Path) -> dict[str, float]:
    if not scores.exists():
        return {}
    cases = json.loads(scores.read_text(encoding="utf-8"))["cases"]
    ours = {c["case"]: [r for r in c["rows"] if r["method"] == "ours"] for c in cases}
    return {case: float(rows[0]["errors"]["rmse"]) for case, rows in ours.items()}
