"""The model card of a bundle, written from what the training runs recorded."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import onnx
import yaml

from starrygazer_ros.completion.bundle import MANIFEST
from starrygazer_training.config import ConfigError
from starrygazer_training.export import CARD, write_card
from starrygazer_training.run_state import NETWORKS, RunFiles

UNKNOWN = "not recorded"
ROLES = {
    "teacher": "head on frozen DINOv2 ViT-S/14 features, learns from measured and rendered depth; "
    "in `mde.onnx` of an accurate bundle, in no other",
    "student": "`mde.onnx`, learns the teacher's relative depth and features, and rendered depth; "
    "no measured depth",
    "refinement": "`refinement.onnx`, learns from StarryGazer pairs: segments of relative depth, "
    "rescaled at random and sampled sparsely, and from rendered scenes; no measured depth",
}
# Names of methods in the benchmark's JSON.
OURS, GREY, AFFINE_ROBUST = "ours", "grey image", "affine robust"
SMALL_MDE = 10_000_000  # stored numbers; the student has 2.3 M, DINOv2 ViT-S/14 alone 22 M
LIMITS_OF_A_SMALL_MDE = """\
- The MDE is small: its relative depth alone is coarse, and the result leans on the sparse points
  more than on the image.
"""
LIMITS = """\
- Thin structures between scan lines are lost, and depth edges follow the image only where it has
  contrast.
- Sky, glass and mirrors get a depth although they have none; the confidence was trained on
  synthetic pairs and is not calibrated.
- Fields of view, rolling shutter and weather were not studied."""


def write(
    bundle: Path, work: Path, licences: Mapping[str, str], scores: Path | None = None
) -> None:
    """Write ``MODEL_CARD.md`` of a bundle and its hash into the manifest.

    Args:
        bundle: folder that ``export`` wrote.
        work: folder of the runs that the bundle was exported from.
        licences: of the data sets.
        scores: JSON file of ``evaluate``.

    Raises:
        FileNotFoundError: the bundle, the scores or the weights are missing.
        ConfigError: the bundle is not of this work folder, or the scores are not of this bundle.
    """
    manifest_path = bundle / MANIFEST
    if not manifest_path.exists():
        raise FileNotFoundError(f"{manifest_path} is missing: run starrygazer-train export first")
    manifest = yaml.safe_load(manifest_path.read_text(encoding="utf-8"))
    weights = manifest["training"]["weights"]
    runs = [run for name in NETWORKS if (run := RunFiles(work, name)).result.name in weights]
    for run in runs:
        exported = weights[run.result.name]
        if hashlib.sha256(run.result.read_bytes()).hexdigest() != exported:
            raise ConfigError(f"{bundle} was not exported from {run.result}: run export again")
    records = {run.name: run.read_record() or {} for run in runs}
    sections = [
        f"# Model card: {_name(manifest)}",
        "Depth completion from a camera image and sparse metric depth. Two ONNX graphs, run one "
        "after the other.",
        _graphs(bundle, manifest),
        "## What it learned from",
        _data(records, licences, manifest["training"].get("mde", "")),
        "What is only validated on was looked at while the design was chosen: figures on it are "
        "zero-shot for the weights, but no untouched test.",
        "The data is not redistributed here. Whether weights trained on it may be used "
        "commercially is for your lawyers; `training/` trains on photographs of yours.",
        "## How it was trained",
        _training(records, manifest["training"]),
        "## Last validation of each training",
        _validation(runs),
        "## Scores",
        _scores(scores, manifest),
        "## Limits",
        _limits(bundle),
        "## Making it",
        "`training/README.md` has the commands. The recipe, as YAML that `--config` takes:",
        _recipe(records),
    ]
    text = "\n\n".join(sections) + "\n"
    write_card(bundle, text)
    print(f"wrote {bundle / CARD}")


def _graphs(bundle: Path, manifest: Mapping[str, Any]) -> str:
    rows = []
    for name in sorted(n for n in manifest["files"] if n.endswith(".onnx")):
        size = (bundle / name).stat().st_size
        numbers = _stored_numbers(bundle / name)
        rows.append((f"`{name}`", f"{numbers / 1e6:.2f} M", f"{size / 1e6:.1f} MB"))
    return _table(("graph", "stored numbers", "size"), rows)


def _limits(bundle: Path) -> str:
    small = _stored_numbers(bundle / "mde.onnx") < SMALL_MDE
    return (LIMITS_OF_A_SMALL_MDE if small else "") + LIMITS


def _stored_numbers(path: Path) -> int:
    graph = onnx.load(str(path)).graph
    return sum(math.prod(tensor.dims) for tensor in graph.initializer)


def _data(records: Mapping[str, Mapping[str, Any]], licences: Mapping[str, str], given: str) -> str:
    learned, watched = [], []
    for name, record in records.items():
        used: Mapping[str, int] = record.get("data") or {UNKNOWN: 0}
        for data_set, frames in used.items():
            licence = licences.get(data_set, "not stated")
            count = str(frames) if frames else UNKNOWN
            learned.append((name, data_set, count, "" if data_set == UNKNOWN else licence))
        seen = ", ".join(f"{frames} of {s}" for s, frames in record.get("watched", {}).items())
        watched.append(f"- {name}: {seen or UNKNOWN}")
    roles = "\n".join(f"- {name}: {ROLES[name]}" for name in records)
    if given:
        roles += f"\n- `mde.onnx`: taken as it is from bundle {given}; see that bundle's card"
    table = _table(("network", "data set", "frames learned from", "licence of the data"), learned)
    return (
        f"{roles}\n\n{table}\n\nFrames that were only validated on while training:\n\n"
        + "\n".join(watched)
    )


def _training(records: Mapping[str, Mapping[str, Any]], manifest: Mapping[str, Any]) -> str:
    rows = []
    for name, record in records.items():
        weights = manifest["weights"].get(f"{name}.safetensors", UNKNOWN)
        if not record:
            rows.append((name, *[UNKNOWN] * 7, f"`{weights[:12]}`"))
            continue
        config = record["config"]
        rows.append(
            (
                name,
                f"{record['parameters'] / 1e6:.2f} M",
                str(config["steps"]),
                f"{config['batch']} in {config['chunks']}",
                f"{config['learning_rate']:g}",
                str(config["seed"]),
                f"{timedelta(seconds=round(record['seconds']))} on {record['processes']} × "
                f"{record['threads']} threads",
                UNKNOWN if record["loss"] is None else f"{record['loss']:.4f}",
                f"`{weights[:12]}`",
            )
        )
    header = (
        "network",
        "parameters",
        "steps",
        "batch, chunks",
        "peak learning rate",
        "seed",
        "wall time without caches",
        "last running loss",
        "SHA-256 of the weights",
    )
    software = f"PyTorch {manifest['torch']}; backbone {manifest['backbone']}."
    return f"{_table(header, rows)}\n\n{software}"


def _validation(runs: Iterable[RunFiles]) -> str:
    rows = []
    for run in runs:
        last = (run.read_log() or [{}])[-1]
        rows += [(run.name, name, f"{value:g}") for name, value in last.items() if name != "step"]
    return _table(("network", "figure", "value"), rows) if rows else UNKNOWN


def _scores(path: Path | None, manifest: Mapping[str, Any]) -> str:
    if path is None:
        return "Not evaluated: `starrygazer-train evaluate --json FILE`, then `card --scores FILE`."
    if not path.exists():
        raise FileNotFoundError(f"{path} is missing: run starrygazer-train evaluate --json first")
    named = manifest["name"], manifest["version"]
    try:
        report = json.loads(path.read_text(encoding="utf-8"))
        scored = {(b["name"], b["version"]): b["label"] for b in report["bundles"]}
        label = scored.get(named)
        rows = [_score_row(case, label) for case in report["cases"]] if label else []
    except (KeyError, TypeError, json.JSONDecodeError) as error:
        raise ConfigError(f"{path} is not what evaluate --json writes: {error!r}") from None
    if not label:
        has = ", ".join(f"{name} {version}" for name, version in scored) or "no bundle"
        raise ConfigError(f"{path} has the scores of {has}, the bundle is {_name(manifest)}")
    header = (
        "data, sparse depth (frames)",
        "ours",
        "ours, grey image",
        "MDE alone, affine fit",
        "best baseline",
        "AUSE",
        "AUSE by distance",
    )
    return (
        "RMSE / MAE in metres, printed by `starrygazer-train evaluate` (every method of a row on "
        "the same pixels). The best baseline is that with the smallest RMSE. AUSE: area between "
        "the sparsification curves of RMSE by confidence and by true error, less is better; beside "
        "it that of the distance to the nearest sparse point.\n\n" + _table(header, rows)
    )


def _score_row(case: Mapping[str, Any], label: str) -> tuple[str, ...]:
    """A row of the table of scores from a case of the benchmark's JSON."""
    rows = {row["method"]: row for row in case["rows"] if row["bundle"] in (None, label)}
    ours, grey, mde = rows[OURS], rows[GREY], rows[AFFINE_ROBUST]
    others = [row for name, row in rows.items() if name not in (OURS, GREY)]
    best = min(others, key=lambda row: float(row["errors"]["rmse"]))
    return (
        f"{case['case']} ({case['frames']})",
        *(_errors(row["errors"]) for row in (ours, grey, mde)),
        f"{_errors(best['errors'])} {best['method']}",
        *(_ause(ours[curves]) for curves in ("sparsification", "sparsification_by_distance")),
    )


def _name(manifest: Mapping[str, Any]) -> str:
    return f"{manifest['name']} {manifest['version']}"


def _errors(errors: Mapping[str, float]) -> str:
    return f"{errors['rmse']:.3f} / {errors['mae']:.3f}"


def _ause(curves: Mapping[str, Any] | None) -> str:
    return "" if curves is None else f"{curves['ause_rmse']:.3f}"


def _recipe(records: Mapping[str, Mapping[str, Any]]) -> str:
    sections = {"teacher": "teacher", "student": "student", "refinement": "refine"}
    recipe = {sections[n]: record["config"] for n, record in records.items() if record}
    if not recipe:
        return UNKNOWN
    return f"```yaml\n{yaml.safe_dump(recipe, sort_keys=False)}```"


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
