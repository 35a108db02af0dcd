"""Trains the refinement network on photographs and renders; no depth sensor is involved."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.interpolate import LinearNDInterpolator
from torch import Tensor, nn
from torch.nn import functional as F

from starrygazer_ros.completion import ModelBundle
from starrygazer_training import datasets, distributed
from starrygazer_training.checkpoints import TrainingRun
from starrygazer_training.config import GRID_MULTIPLE, RefineConfig
from starrygazer_training.graph_weights import load_refinement
from starrygazer_training.interpolation import centred_log, front, neighbours, pool
from starrygazer_training.pair_files import prepare
from starrygazer_training.pair_sources import (
    Pair,
    PairSource,
    PhotographPairs,
    RenderedPairs,
    stack,
    whole_cells,
)
from starrygazer_training.pictures import relative_depth_strip
from starrygazer_training.plausibility import plausibility_loss
from starrygazer_training.refinement import Refinement
from starrygazer_training.relative_depth import MdeRunner, resized
from starrygazer_training.rendered_frames import RENDERS
from starrygazer_training.run_log import Validation
from starrygazer_training.sparse.law import PatternLaw

GRADIENT_WEIGHT = 0.5
SQUARE_WEIGHT = 1.0
SMALL_LOSS = 0.01  # of a sample; below it there is nothing left to gain
CONFIDENCE_WEIGHT = 0.1
PLAUSIBILITY_WEIGHT = 0.5
EDGE_SCALES = 3
Chunk = tuple[int, Pair]  # with the size of the grid's cells
VALIDATION_STEPS = {"nyu_train": 40, "seven_scenes_redkitchen": 12, "hololens": 8}  # in frames


def completion_loss(log_depth: Tensor, log_error: Tensor, target: Tensor, known: Tensor) -> Tensor:
    """Log-depth error, its gradients over scales, and a Laplace likelihood for the confidence.

    The logarithm of each sample's loss counts, so that a scene with 5,000 points, where little is
    left to gain, weighs as much as one with five.

    Args:
        log_depth: [B, 1, H, W] predicted.
        log_error: [B, 1, H, W] logarithm of the predicted expected absolute error.
        target: [B, 1, H, W].
        known: [B, 1, H, W] in {0, 1}, where the target says something.
    """
    axes = (1, 2, 3)
    error = (log_depth - target) * known
    loss = error.abs().mean(axes) + SQUARE_WEIGHT * error.clamp(-1, 1).square().mean(axes)
    for scale in range(EDGE_SCALES):
        coarse = error[..., :: 2**scale, :: 2**scale]
        there = known[..., :: 2**scale, :: 2**scale]
        across = (coarse.diff(dim=-1) * there[..., 1:] * there[..., :-1]).abs().mean(axes)
        down = (coarse.diff(dim=-2) * there[..., 1:, :] * there[..., :-1, :]).abs().mean(axes)
        loss = loss + GRADIENT_WEIGHT / EDGE_SCALES * (across + down)
    share = known.mean(axes).clamp_min(1e-3)
    likelihood = (error.abs().detach() * torch.exp(-log_error) + log_error) * known
    confidence = (likelihood.mean(axes) / share).mean()
    return torch.log(loss / share + SMALL_LOSS).mean() + CONFIDENCE_WEIGHT * confidence


def sample_loss(
    plausibility: Tensor, sparse_depth: Tensor, log_depth: Tensor, known: Tensor, cell: int
) -> Tensor:
    """How well the network tells right samples from wrong ones.

    A sample beside an edge that has the depth of the other side is right: so little is the
    calibration of every sensor off.

    Args:
        plausibility: [B, 1, H/cell, W/cell] logit that the samples in a cell are right.
        sparse_depth: [B, 1, H, W] metres, 0 = none.
        log_depth: [B, 1, H, W] logarithm of the true depth.
        known: [B, 1, H, W] in {0, 1}, where ``log_depth`` says something.
        cell: pixels on a side of the grid's cells.
    """
    log_sparse, mask, centre = centred_log(sparse_depth)
    judged = front(log_sparse, mask, cell) * known
    around = neighbours(log_depth)
    error, there = pool((log_sparse + centre - around).abs().amin(1, keepdim=True), judged, cell)
    return plausibility_loss(plausibility, error, there)


def train(root: Path, work: Path, config: RefineConfig) -> None:
    """Train the refinement; the result is ``work/refinement.safetensors``."""
    with distributed.first_process_first():
        files = prepare(root, work, config)
    law = PatternLaw() if config.faults else PatternLaw.without_faults()
    photographs = PhotographPairs(files.photographs, law, config.crop)
    rendered = RenderedPairs(files.renders, files.rendered, law, config.crop)
    torch.manual_seed(config.seed)
    model = Refinement(config.image, config.relative_depth, cell=config.cells[0])
    if config.start is not None:
        load_refinement(ModelBundle.load(config.start).refinement.path, model)
    scenes = _validation_scenes(root, MdeRunner(files.mde), model.multiple)

    def draw(rng: random.Random) -> Chunk:
        pairs = []
        for number in range(config.chunk_size):
            source: PairSource = rendered if number < config.rendered else photographs
            pairs.append(source.pair(rng.randrange(len(source)), rng.getrandbits(32)))
        cell = rng.choice(config.cells)
        return cell, whole_cells(stack(pairs), GRID_MULTIPLE * cell)

    def loss_of(model: nn.Module, chunk: Chunk) -> Tensor:
        assert isinstance(model, Refinement)
        model.cell, batch = chunk
        image = batch.image.contiguous(memory_format=torch.channels_last)
        refined = model.refine(image, batch.relative_depth, batch.sparse_depth)
        target = batch.log_depth - refined.centre
        loss = completion_loss(refined.log_depth, refined.log_error, target, batch.known)
        samples = batch.sparse_depth, batch.log_depth, batch.known
        doubt = sample_loss(refined.plausibility, *samples, model.cell)
        return loss + PLAUSIBILITY_WEIGHT * doubt

    def validate(model: nn.Module) -> Validation:
        figures: dict[str, list[float]] = {}
        pictures: dict[str, NDArray[np.uint8]] = {}
        for scene in scenes:
            depth, _ = model(*scene.inputs)
            rows, columns = scene.truth.shape
            ours = depth[0, 0, :rows, :columns].numpy()
            name = f"{scene.dataset} {scene.sampling}"
            figures.setdefault(f"{name} RMSE", []).append(_rmse(ours, scene.truth))
            figures.setdefault(f"{name} barycentric", []).append(
                _rmse(scene.interpolated, scene.truth)
            )
            if name not in pictures:
                pictures[name] = _picture(scene, ours)
        return Validation({name: float(np.mean(v)) for name, v in figures.items()}, pictures)

    data = {"photos": len(photographs), RENDERS: len(rendered)}
    watched = Counter(scene.dataset for scene in scenes)
    TrainingRun("refinement", work, model, config, data, watched).fit(draw, loss_of, validate)


@dataclass(frozen=True)
class _Scene:
    """A real frame with sampled depth, to watch the transfer from pairs to sensors."""

    dataset: str
    sampling: str
    inputs: tuple[Tensor, Tensor, Tensor]
    truth: NDArray[np.float32]
    interpolated: NDArray[np.float32]


def _picture(scene: _Scene, depth: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Image, inverse depth of the network and of the truth (far where there is none)."""
    rows, columns = depth.shape
    inverse = np.divide(1.0, scene.truth, out=np.zeros_like(depth), where=scene.truth > 0)
    maps = (torch.from_numpy(values)[None] for values in (1.0 / depth, inverse))
    return relative_depth_strip(scene.inputs[0][0, :, :rows, :columns], *maps)


def _validation_scenes(root: Path, mde: MdeRunner, multiple: int) -> list[_Scene]:
    scenes = []
    for dataset, frames in datasets.depth_sets(root, list(VALIDATION_STEPS)).items():
        for index, frame in enumerate(frames[:: VALIDATION_STEPS[dataset]]):
            truth, image = frame.depth(), frame.image()
            rng = np.random.default_rng(index)
            sparse = np.zeros_like(truth)
            if index % 2:
                rows = np.linspace(8, truth.shape[0] - 9, 16).astype(int)
                sparse[rows, ::3] = truth[rows, ::3]
                sampling = "16 lines"
            else:
                chosen = rng.choice(np.flatnonzero(truth), 500, replace=False)
                sparse.ravel()[chosen] = truth.ravel()[chosen]
                sampling = "500 points"
            interpolated = barycentric(sparse)
            truth = np.where(np.isfinite(interpolated), truth, 0)  # score the same pixels
            inputs = network_inputs(mde, image, sparse, multiple)
            scenes.append(_Scene(dataset, sampling, inputs, truth, interpolated))
    return scenes


def network_inputs(
    mde: MdeRunner, image: NDArray[np.uint8], sparse: NDArray[np.float32], multiple: int
) -> tuple[Tensor, Tensor, Tensor]:
    """Inputs of the refinement, padded at the lower and right border as at run time."""
    height, width = image.shape[:2]
    relative_depth = resized(mde.relative_depth(image), height, width)
    bottom, right = -height % multiple, -width % multiple
    tensors = [
        torch.from_numpy(image).permute(2, 0, 1)[None].float() / 255.0,
        torch.from_numpy(relative_depth)[None, None],
    ]
    image_t, relative_t = (F.pad(t, (0, right, 0, bottom), mode="replicate") for t in tensors)
    return image_t, relative_t, F.pad(torch.from_numpy(sparse)[None, None], (0, right, 0, bottom))


def barycentric(sparse: NDArray[np.float32]) -> NDArray[np.float32]:
    """Linear interpolation over the Delaunay triangles, NaN outside the hull."""
    rows, columns = np.nonzero(sparse)
    interpolate = LinearNDInterpolator(np.stack([rows, columns], 1), sparse[rows, columns])
    v, u = np.mgrid[0 : sparse.shape[0], 0 : sparse.shape[1]]
    return interpolate(v, u).astype(np.float32)


def _rmse(depth: NDArray[np.float32], truth: NDArray[np.float32]) -> float:
    """Over the pixels with ground truth."""
    valid = truth > 0
    return float(np.sqrt(np.mean((depth[valid] - truth[valid]) ** 2)))
