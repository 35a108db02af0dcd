"""The teacher: a light head on frozen DINOv2 features that predicts relative inverse depth."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import EllipsisType

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from starrygazer_training import datasets, distributed
from starrygazer_training.checkpoints import TrainingRun
from starrygazer_training.config import ConfigError, TeacherConfig
from starrygazer_training.datasets import Frame
from starrygazer_training.features import extract, feature_path, image_tensor
from starrygazer_training.pictures import relative_depth_strip
from starrygazer_training.relative_loss import (
    affine_abs_rel,
    align,
    pooled_inverse_depth,
    relative_depth_loss,
)
from starrygazer_training.rendered_frames import RENDERS, rendered_frames
from starrygazer_training.run_log import Validation
from starrygazer_training.run_state import RunFiles, load_tensors
from starrygazer_training.teacher_network import UPSAMPLING, TeacherHead, TeacherTrunk

TOKENS = 850
SMALLEST_WINDOW = 0.6  # of a side of the frame, in training
TRUNK = "trunk"
RENDERS_HELD_OUT = 40  # one of so many renders is held out

Window = tuple[EllipsisType | slice, ...]


class _Sample:
    """One training frame at head resolution; its features and its full depth stay on disk."""

    def __init__(self, frame: Frame, cache: Path, flip: bool) -> None:
        self.frame = frame
        self._features = feature_path(cache, frame, TOKENS, flip)
        self.grid = np.load(self._features, mmap_mode="r", allow_pickle=False).shape[-2:]
        size = tuple(UPSAMPLING * s for s in self.grid)
        image = image_tensor(frame.image(), *size)[0]
        depth = torch.from_numpy(frame.depth())[None, None]
        inverse, valid = (maps[0] for maps in pooled_inverse_depth(depth, size))
        ceiling = _ceiling(inverse, valid) if "kitti" in frame.dataset else torch.zeros(1, 1, 1)
        maps = [m.flip(-1) if flip else m for m in (image, inverse, ceiling)]
        # Thousands of renders must fit into memory: bytes and half floats.
        self._image = (maps[0] * 255).round().byte()
        self._inverse, self._ceiling = maps[1].half(), maps[2].half()

    @property
    def image(self) -> Tensor:
        """[3, 8 h, 8 w] RGB in 0..1."""
        return self._image.float() / 255.0

    @property
    def inverse_depth(self) -> Tensor:
        """[1, 8 h, 8 w] in 1/m, 0 = unknown."""
        return self._inverse.float()

    @property
    def ceiling(self) -> Tensor:
        """[1, 8 h, 8 w] upper bound of inverse depth in 1/m, 0 = none."""
        return self._ceiling.float().expand_as(self._inverse)

    def features(self, window: Window = (...,)) -> Tensor:
        """Backbone features [4, 384, h, w], or a window of them."""
        features = np.load(self._features, mmap_mode="r", allow_pickle=False)[window]
        return torch.from_numpy(features.astype(np.float32))


@dataclass(frozen=True)
class _Batch:
    features: Tensor
    image: Tensor
    target: Tensor
    ceiling: Tensor


def _ceiling(inverse_depth: Tensor, valid: Tensor) -> Tensor:
    """Upper bound of inverse depth above the highest LiDAR return of each column, 0 = no bound.

    A LiDAR does not see the sky, and without any supervision there the head calls it near. On a
    road nothing above the highest return is nearer than the highest returns around it.

    Args:
        inverse_depth: [1, h, w].
        valid: [1, h, w] in {0, 1}.
    """
    top = valid.argmax(dim=1, keepdim=True)  # first valid row of each column, 0 if there is none
    highest = inverse_depth.gather(1, top) * valid.gather(1, top)
    bound = F.max_pool1d(highest, 9, stride=1, padding=4)
    rows = torch.arange(valid.shape[1]).view(1, -1, 1)
    return bound * (rows < top)


def _samples(
    root: Path, work: Path, renders: int
) -> tuple[dict[str, list[_Sample]], dict[str, list[_Sample]]]:
    """Samples to learn from and to validate on, by data set."""
    cache = work / "cache"
    sensors = datasets.depth_sets(root, datasets.TEACHER_DATASETS)
    # To watch the transfer: NYU is never trained on, but the head's dropout and its number of steps
    # were chosen with an eye on it.
    watched = {
        name: frames[::16] for name, frames in datasets.depth_sets(root, [datasets.NYU]).items()
    }
    if not sensors and not renders:
        raise ConfigError(
            f"the teacher has nothing to learn depth from: set teacher.renders, or put one of "
            f"{', '.join(datasets.TEACHER_DATASETS)} into {root}"
        )
    with distributed.first_process_first():
        rendered = rendered_frames(root, work, renders)
        for name, frames in sensors.items():
            extract(frames, cache, TOKENS, (False, True), name)
        for name, frames in {**watched, RENDERS: rendered}.items():
            extract(frames, cache, TOKENS, (False,), name)
    training: dict[str, list[_Sample]] = defaultdict(list)
    validation: dict[str, list[_Sample]] = defaultdict(list)
    for dataset, frames in sensors.items():
        for held_out, frame in datasets.held_out(frames):
            if held_out:
                validation[dataset].append(_Sample(frame, cache, flip=False))
            else:
                training[dataset] += [_Sample(frame, cache, flip) for flip in (False, True)]
    for held_out, frame in datasets.held_out(rendered, RENDERS_HELD_OUT) if rendered else ():
        (validation if held_out else training)[RENDERS].append(_Sample(frame, cache, flip=False))
    for name, frames in watched.items():
        validation[name] = [_Sample(frame, cache, flip=False) for frame in frames]
    return training, validation


def train(root: Path, work: Path, config: TeacherConfig, with_trunk: bool) -> None:
    """Train the head; the result is ``work/teacher.safetensors``.

    Args:
        root: data folder.
        work: folder of caches, checkpoints and results.
        config: how to train.
        with_trunk: the trunk has no result yet, train it first.
    """
    training, validation = _samples(root, work, config.renders)
    sensors = [dataset for dataset in training if dataset != RENDERS]

    def draw(rng: random.Random, count: int) -> _Batch:
        rendered = rng.random() < config.render_share or not sensors
        dataset = RENDERS if rendered else rng.choice(sensors)
        samples = rng.sample(training[dataset], min(count, len(training[dataset])))
        # Grids differ between cameras of one folder; keep those of the first frame's shape.
        samples = [s for s in samples if s.grid == samples[0].grid]
        patches, cells = _window(samples[0].grid, rng)
        image = torch.stack([s.image[cells] for s in samples])
        return _Batch(
            features=torch.stack([s.features(patches) for s in samples]),
            image=image * (0.8 + 0.4 * rng.random()) + 0.1 * (rng.random() - 0.5),
            target=torch.stack([s.inverse_depth[cells] for s in samples]),
            ceiling=torch.stack([s.ceiling[cells] for s in samples]),
        )

    def loss_of(model: nn.Module, batch: _Batch) -> Tensor:
        features = _with_dropped_channels(batch.features, config.feature_dropout)
        prediction = _predict(model, features, batch.image)
        target, ceiling = batch.target, batch.ceiling
        if isinstance(model, TeacherTrunk):
            target, ceiling = _per_patch(target), F.max_pool2d(ceiling, UPSAMPLING)
        return _loss(prediction, target, ceiling, config)

    def validate(model: nn.Module) -> Validation:
        return _validate(model, validation)

    def fit(run: TrainingRun, stage: TeacherConfig) -> None:
        run.fit(partial(draw, count=stage.chunk_size), loss_of, validate)

    data = {d: len({s.frame.key for s in samples}) for d, samples in training.items()}
    watched = {dataset: len(s) for dataset, s in validation.items()}
    torch.manual_seed(config.seed)
    head, trunk = TeacherHead(), RunFiles(work, TRUNK)
    if with_trunk:
        fit(TrainingRun(TRUNK, work, head.trunk, config.trunk, data, watched), config.trunk)
    begins_with_trunk = config.trunk_steps > 0 and trunk.result.exists()
    if begins_with_trunk:
        head.trunk.load_state_dict(
            load_tensors(trunk.result, "delete it, and the trunk is trained again")
        )
    run = TrainingRun("teacher", work, head, config, data, watched)
    if begins_with_trunk:
        run.seconds = (trunk.read_record() or {"seconds": 0.0})["seconds"]  # it is a part of it
    fit(run, config)
    if distributed.is_first():  # or another teacher would begin with it
        trunk.result.unlink(missing_ok=True)


def _validate(model: nn.Module, validation: Mapping[str, Sequence[_Sample]]) -> Validation:
    figures: dict[str, float] = {}
    pictures = {}
    for dataset, samples in validation.items():
        predictions = [_predict(model, s.features()[None], s.image[None]) for s in samples]
        scores = [
            affine_abs_rel(p, torch.from_numpy(s.frame.depth())[None, None])
            for p, s in zip(predictions, samples, strict=True)
        ]
        abs_rel, pearson = np.mean(scores, axis=0)
        figures |= {f"{dataset} AbsRel": abs_rel, f"{dataset} Pearson": pearson}
        first = samples[0]
        pictures[dataset] = relative_depth_strip(
            first.image, predictions[0][0], first.inverse_depth
        )
    return Validation(figures, pictures)


def _predict(model: nn.Module, features: Tensor, image: Tensor) -> Tensor:
    """Relative inverse depth of the head, or of its trunk alone."""
    return (model(features) if isinstance(model, TeacherTrunk) else model(features, image)).float()


def _loss(prediction: Tensor, target: Tensor, ceiling: Tensor, config: TeacherConfig) -> Tensor:
    """Loss of [B, 1, h, w] relative against known inverse depth and its bound, 0 = unknown."""
    valid = (target > 0).float()
    loss = relative_depth_loss(prediction, target, valid, config.gradient_weight)
    bounded = ceiling > 0
    if bounded.any() and valid.sum() > 1:  # a window may lie above all returns
        excess = F.relu(align(prediction, target, valid) - ceiling) * bounded
        spread = target[valid > 0].std() + 1e-6
        loss = loss + config.ceiling_weight * (excess / spread).mean()
    return loss


def _with_dropped_channels(features: Tensor, share: float) -> Tensor:
    """The features without some channels, different ones for each sample and layer."""
    keep = (torch.rand((*features.shape[:3], 1, 1)) > share).float()
    return features * keep / (1 - share)


def _window(grid: tuple[int, int], rng: random.Random) -> tuple[Window, Window]:
    """Index of a random window of the patches, and of the cells that they cover."""
    patches, cells = [], []
    for side in grid:
        length = round(side * rng.uniform(SMALLEST_WINDOW, 1.0))
        start = rng.randint(0, side - length)
        patches.append(slice(start, start + length))
        cells.append(slice(UPSAMPLING * start, UPSAMPLING * (start + length)))
    return (..., *patches), (..., *cells)


def _per_patch(inverse_depth: Tensor) -> Tensor:
    """Mean of the known cells of each patch, 0 = none."""
    known = F.avg_pool2d((inverse_depth > 0).float(), UPSAMPLING)
    return F.avg_pool2d(inverse_depth, UPSAMPLING) / known.clamp_min(1e-6) * (known > 0)


@torch.inference_mode()
def relative_depth(head: TeacherHead, cache: Path, frame: Frame) -> np.ndarray:
    """Teacher's relative inverse depth float32 [8 h, 8 w] of a frame with cached features."""
    features = torch.from_numpy(
        np.load(feature_path(cache, frame, TOKENS, flip=False), allow_pickle=False)
    )
    size = tuple(UPSAMPLING * s for s in features.shape[-2:])
    return head(features[None].float(), image_tensor(frame.image(), *size))[0, 0].numpy()
