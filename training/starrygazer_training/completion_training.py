"""Trains the refinement network on photographs and renders; no depth sensor is involved."""

from __future__ import annotations

import random
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from scipy.interpolate import LinearNDInterpolator
from torch import Tensor, nn
from torch.nn import functional as F
from tqdm import tqdm

from starrygazer_ros.completion.bundle import mde_input_size
from starrygazer_training import datasets
from starrygazer_training.checkpoints import TrainingRun
from starrygazer_training.config import RefineConfig
from starrygazer_training.datasets import Frame
from starrygazer_training.distillation import label_path, load_student
from starrygazer_training.export import MAXIMUM_SIDE
from starrygazer_training.features import image_tensor
from starrygazer_training.pair_sources import (
    Pair,
    PairSource,
    PhotographPairs,
    RenderedPairs,
    stack,
)
from starrygazer_training.pairs import segment
from starrygazer_training.refinement import MULTIPLE, Refinement
from starrygazer_training.rendered_frames import render_folder, rendered_frames
from starrygazer_training.student import MULTIPLE as MDE_MULTIPLE
from starrygazer_training.student import Student

MDE_PIXELS = 65536
GRADIENT_WEIGHT = 0.5
SQUARE_WEIGHT = 1.0
SMALL_LOSS = 0.01  # of a sample; below it there is nothing left to gain
CONFIDENCE_WEIGHT = 0.1
EDGE_SCALES = 3


@torch.inference_mode()
def student_relative_depth(student: Student, image: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Relative inverse depth float32 [H, W] of an RGB image, as at run time."""
    height, width = image.shape[:2]
    size = mde_input_size(height, width, MDE_PIXELS, MDE_MULTIPLE, 2 * MDE_MULTIPLE, MAXIMUM_SIDE)
    small = student(image_tensor(image, *size))[0, 0].numpy()
    return cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR)


def prepare(root: Path, work: Path, renders: int) -> None:
    """Cache what pairs are drawn from.

    That is the student's relative depth and the segments of every photograph, the rendered scenes,
    and the student's relative depth of those.
    """
    student = load_student(work)
    photographs = datasets.photographs(root)
    for frame in tqdm(photographs, desc="segments", mininterval=5):
        path = _pair_path(work, frame)
        if path.exists():
            continue
        image = frame.image()
        height, width = image.shape[:2]
        label = np.load(label_path(work, frame)).astype(np.float32)
        label = cv2.resize(label, (width, height), interpolation=cv2.INTER_LINEAR)
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(".partial")
        with partial.open("wb") as file:
            np.savez(
                file,
                relative_depth=student_relative_depth(student, image).astype(np.float16),
                label=label.astype(np.float16),
                segments=segment(image, label).astype(np.uint16),
            )
        partial.rename(path)
    rendered = rendered_frames(root, work, renders)
    for index, frame in enumerate(tqdm(rendered, desc="relative depth of renders", mininterval=5)):
        path = _render_relative_path(work, index)
        if path.exists():
            continue
        image = frame.image()
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(".partial")
        with partial.open("wb") as file:
            np.save(file, student_relative_depth(student, image).astype(np.float16))
        partial.rename(path)


def _render_relative_path(work: Path, index: int) -> Path:
    return work / "cache" / "pairs" / "renders" / f"{index:06d}.npy"


def _pair_path(work: Path, frame: Frame) -> Path:
    return work / "cache" / "pairs" / f"{frame.key}.npz"


def completion_loss(
    log_depth: Tensor, log_error: Tensor, target: Tensor, known: Tensor
) -> Tensor:
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


def train(root: Path, work: Path, config: RefineConfig) -> None:
    """Train the refinement; the result is ``work/refinement.safetensors``."""
    prepare(root, work, config.renders)
    frames = datasets.photographs(root)
    photographs = PhotographPairs(frames, [_pair_path(work, frame) for frame in frames])
    relative = [_render_relative_path(work, index) for index in range(config.renders)]
    rendered = RenderedPairs(render_folder(work), relative)
    scenes = _validation_scenes(root, load_student(work))

    def draw(rng: random.Random) -> Pair:
        pairs = []
        for number in range(config.chunk_size):
            source: PairSource = rendered if number < config.rendered else photographs
            pairs.append(source.pair(rng.randrange(len(source)), rng.getrandbits(32)))
        return stack(pairs)

    def loss_of(model: nn.Module, batch: Pair) -> Tensor:
        assert isinstance(model, Refinement)
        image = batch.image.contiguous(memory_format=torch.channels_last)
        log_depth, log_error, centre = model.log_depth(
            image, batch.relative_depth, batch.sparse_depth
        )
        return completion_loss(log_depth, log_error, batch.log_depth - centre, batch.known)

    def validate(model: nn.Module) -> dict[str, float]:
        figures: dict[str, list[float]] = {}
        for name, inputs, truth, interpolated in scenes:
            depth, _ = model(*inputs)
            ours = depth[0, 0, : truth.shape[0], : truth.shape[1]].numpy()
            figures.setdefault(f"{name} RMSE", []).append(_rmse(ours, truth))
            figures.setdefault(f"{name} barycentric", []).append(_rmse(interpolated, truth))
        return {name: float(np.mean(values)) for name, values in figures.items()}

    torch.manual_seed(config.seed)
    data = {"photos": len(frames), "renders": config.renders}
    TrainingRun("refinement", work, Refinement(), config, data=data).fit(draw, loss_of, validate)


Scene = tuple[str, tuple[Tensor, Tensor, Tensor], NDArray[np.float32], NDArray[np.float32]]


def _validation_scenes(root: Path, student: Student) -> list[Scene]:
    """Real frames with sampled depth, to watch the transfer from pairs to sensors."""
    scenes: list[Scene] = []
    for dataset, every in (("nyu_train", 40), ("seven_scenes_redkitchen", 12), ("hololens", 8)):
        for index, frame in enumerate(datasets.depth_frames(root, dataset)[::every]):
            truth, image = frame.depth(), frame.image()
            rng = np.random.default_rng(index)
            sparse = np.zeros_like(truth)
            if index % 2:
                rows = np.linspace(8, truth.shape[0] - 9, 16).astype(int)
                sparse[rows, ::3] = truth[rows, ::3]
                name = f"{dataset} 16 lines"
            else:
                chosen = rng.choice(np.flatnonzero(truth), 500, replace=False)
                sparse.ravel()[chosen] = truth.ravel()[chosen]
                name = f"{dataset} 500 points"
            interpolated = barycentric(sparse)
            truth = np.where(np.isfinite(interpolated), truth, 0)  # score the same pixels
            scenes.append((name, _inputs(student, image, sparse), truth, interpolated))
    return scenes


def _inputs(
    student: Student, image: NDArray[np.uint8], sparse: NDArray[np.float32]
) -> tuple[Tensor, Tensor, Tensor]:
    """Network inputs, padded at the lower and right border as at run time."""
    relative_depth = student_relative_depth(student, image)
    bottom, right = -image.shape[0] % MULTIPLE, -image.shape[1] % MULTIPLE
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
