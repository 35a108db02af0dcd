"""The teacher: a light head on frozen DINOv2 features that predicts relative inverse depth."""

from __future__ import annotations

import random
from collections import defaultdict
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from types import EllipsisType

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional as F

from starrygazer_training import datasets, distributed
from starrygazer_training.checkpoints import TrainingRun
from starrygazer_training.config import TeacherConfig
from starrygazer_training.datasets import Frame
from starrygazer_training.dinov2 import LAYERS, WIDTH
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
from starrygazer_training.run_state import RunFiles, is_finished

TOKENS = 850
UPSAMPLING = 8  # output cells per patch side
TRUNK_WIDTH = 96
SMALLEST_WINDOW = 0.6  # of a side of the frame, in training
RENDERS_HELD_OUT = 40  # one of so many renders is held out


class TeacherTrunk(nn.Module):
    """Fuses four feature maps to relative depth of one cell a patch; cheap enough to learn long."""

    def __init__(self) -> None:
        super().__init__()
        self.project = nn.ModuleList(nn.Conv2d(WIDTH, TRUNK_WIDTH, 1) for _ in LAYERS)
        self.fuse = nn.Sequential(_Residual(TRUNK_WIDTH), _Residual(TRUNK_WIDTH))
        self.depth = nn.Conv2d(TRUNK_WIDTH, 1, 1)

    def encode(self, features: Tensor) -> Tensor:
        """[B, 4, 384, h, w] to the fused map [B, 96, h, w]."""
        return self.fuse(
            sum(p(f) for p, f in zip(self.project, features.unbind(1), strict=True))  # type: ignore[arg-type]
        )

    def forward(self, features: Tensor) -> Tensor:
        """Relative inverse depth [B, 1, h, w], larger = nearer, of [B, 4, 384, h, w]."""
        return self.depth(self.encode(features))


class TeacherHead(nn.Module):
    """Refines the trunk's depth with image detail while it upsamples to eight cells a patch.

    After the reassembly and fusion of DPT (Ranftl et al., ICCV 2021), with a light image branch for
    what a patch of 14 pixels cannot tell.
    """

    def __init__(self) -> None:
        super().__init__()
        self.trunk = TeacherTrunk()
        self.detail8 = nn.Sequential(
            nn.Conv2d(3, 16, 3, padding=1), nn.GELU(), nn.Conv2d(16, 16, 3, padding=1), nn.GELU()
        )
        self.detail4 = nn.Sequential(nn.Conv2d(16, 32, 3, 2, 1), nn.GELU(), _Residual(32))
        self.up2 = nn.Sequential(nn.Conv2d(TRUNK_WIDTH, 64, 3, padding=1), nn.GELU(), _Residual(64))
        self.up4 = nn.Sequential(nn.Conv2d(64 + 32, 48, 3, padding=1), nn.GELU(), _Residual(48))
        self.up8 = nn.Sequential(
            nn.Conv2d(48 + 16, 32, 3, padding=1),
            nn.GELU(),
            nn.Conv2d(32, 32, 3, padding=1),
            nn.GELU(),
            nn.Conv2d(32, 1, 1),
        )

    def forward(self, features: Tensor, image: Tensor) -> Tensor:
        """Relative inverse depth.

        Args:
            features: [B, 4, 384, h, w].
            image: [B, 3, 8 h, 8 w] RGB in 0..1.

        Returns:
            [B, 1, 8 h, 8 w], larger = nearer.
        """
        detail8 = self.detail8(image - 0.5)
        detail4 = self.detail4(detail8)
        fused = self.trunk.encode(features)
        x = self.up2(_double(fused))
        x = self.up4(torch.cat([_double(x), detail4], 1))
        smooth = _double(_double(_double(self.trunk.depth(fused))))
        return smooth + self.up8(torch.cat([_double(x), detail8], 1))


class _Residual(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.GELU(),
            nn.Conv2d(width, width, 3, padding=1),
            nn.GELU(),
            nn.Conv2d(width, width, 3, padding=1),
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + self.body(x)


def _double(x: Tensor) -> Tensor:
    return F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)


class _Sample:
    """One training frame at head resolution; its features and its full depth stay on disk."""

    def __init__(self, frame: Frame, cache: Path, flip: bool) -> None:
        self.frame = frame
        self._features = feature_path(cache, frame, TOKENS, flip)
        self.grid = np.load(self._features, mmap_mode="r").shape[-2:]
        size = tuple(UPSAMPLING * s for s in self.grid)
        image, inverse = image_tensor(frame.image(), *size)[0], self._inverse_depth(frame, size)
        if flip:
            image, inverse = image.flip(-1), inverse.flip(-1)
        # A thousand renders must fit into memory.
        self._image, self._inverse = (image * 255).round().byte(), inverse.half()

    @staticmethod
    def _inverse_depth(frame: Frame, size: tuple[int, ...]) -> Tensor:
        return pooled_inverse_depth(torch.from_numpy(frame.depth())[None, None], size)[0][0]

    @property
    def image(self) -> Tensor:
        """[3, 8 h, 8 w] RGB in 0..1."""
        return self._image.float() / 255.0

    @property
    def inverse_depth(self) -> Tensor:
        """[1, 8 h, 8 w] in 1/m, 0 = unknown."""
        return self._inverse.float()

    def features(self, window: tuple[EllipsisType | slice, ...] = (...,)) -> Tensor:
        """Backbone features [4, 384, h, w], or a window of them."""
        features = np.load(self._features, mmap_mode="r")[window]
        return torch.from_numpy(features.astype(np.float32))


@dataclass(frozen=True)
class _Batch:
    features: Tensor
    image: Tensor
    target: Tensor
    has_sky: bool


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
    cache = work / "cache"
    training: dict[str, list[_Sample]] = defaultdict(list)
    validation: dict[str, list[_Sample]] = defaultdict(list)
    for dataset in datasets.TEACHER_DATASETS:
        frames = datasets.depth_frames(root, dataset)
        extract(frames, cache, TOKENS, (False, True))
        for held_out, frame in datasets.held_out(frames):
            if held_out:
                validation[dataset].append(_Sample(frame, cache, flip=False))
            else:
                training[dataset] += [_Sample(frame, cache, flip) for flip in (False, True)]
    frames = rendered_frames(root, work, renders)
    extract(frames, cache, TOKENS, (False,))
    for held_out, frame in datasets.held_out(frames, RENDERS_HELD_OUT) if frames else ():
        (validation if held_out else training)[RENDERS].append(_Sample(frame, cache, flip=False))
    return training, validation


def train(root: Path, work: Path, config: TeacherConfig) -> None:
    """Train the head; the result is ``work/teacher.safetensors``."""
    cache = work / "cache"
    with distributed.first_process_first():
        training, validation = _samples(root, work, config.renders)
    sensors = [dataset for dataset in training if dataset != RENDERS]
    # To watch the transfer: NYU is never trained on, but the head's dropout and its number of steps
    # were chosen with an eye on it.
    nyu = datasets.depth_frames(root, "nyu_train")[::16]
    with distributed.first_process_first():
        extract(nyu, cache, TOKENS, (False,))
    validation["nyu_train"] = [_Sample(frame, cache, flip=False) for frame in nyu]

    def draw(rng: random.Random, count: int) -> _Batch:
        rendered = rng.random() < config.render_share
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
            has_sky="kitti" in samples[0].frame.dataset,
        )

    def loss_of_trunk(model: nn.Module, batch: _Batch) -> Tensor:
        prediction = model(_hidden(batch.features, config)).float()
        return _loss(prediction, _pooled(batch.target), batch.has_sky, config)

    def loss_of_head(model: nn.Module, batch: _Batch) -> Tensor:
        prediction = model(_hidden(batch.features, config), batch.image).float()
        return _loss(prediction, batch.target, batch.has_sky, config)

    def validate(model: nn.Module) -> Validation:
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

    data = {d: len({s.frame.key for s in samples}) for d, samples in training.items()}
    watched = {dataset: len(s) for dataset, s in validation.items()}
    torch.manual_seed(config.seed)
    head = TeacherHead()
    if config.trunk_steps and not RunFiles(work, "teacher").checkpoint.exists():
        files = RunFiles(work, "trunk")
        stage = replace(config, steps=config.trunk_steps, batch=config.trunk_batch)
        if not is_finished(files, stage):
            TrainingRun("trunk", work, head.trunk, stage, data, watched).fit(
                partial(draw, count=stage.chunk_size), loss_of_trunk, validate
            )
        head.trunk.load_state_dict(load_file(files.result))
    TrainingRun("teacher", work, head, config, data, watched).fit(
        partial(draw, count=config.chunk_size), loss_of_head, validate
    )


def _hidden(features: Tensor, config: TeacherConfig) -> Tensor:
    """The features without some channels, different ones for each sample and layer."""
    keep = (torch.rand((*features.shape[:3], 1, 1)) > config.feature_dropout).float()
    return features * keep / (1 - config.feature_dropout)


def _loss(prediction: Tensor, target: Tensor, has_sky: bool, config: TeacherConfig) -> Tensor:
    """Loss of [B, 1, h, w] relative against known inverse depth, 0 = unknown."""
    valid = (target > 0).float()
    loss = relative_depth_loss(prediction, target, valid, config.gradient_weight)
    if has_sky:
        aligned = align(prediction, target, valid)
        ceiling = torch.stack([_ceiling(t, v) for t, v in zip(target, valid, strict=True)])
        excess = F.relu(aligned - ceiling) * (ceiling > 0)
        spread = target[valid > 0].std() + 1e-6
        loss = loss + config.ceiling_weight * (excess / spread).mean()
    return loss


def _predict(model: nn.Module, features: Tensor, image: Tensor) -> Tensor:
    """Relative inverse depth of the head, or of its trunk alone."""
    return (model(features) if isinstance(model, TeacherTrunk) else model(features, image)).float()


def _window(
    grid: tuple[int, int], rng: random.Random
) -> tuple[tuple[EllipsisType, slice, slice], tuple[EllipsisType, slice, slice]]:
    """Index of a random window of the patches, and of the cells that they cover."""
    patches, cells = [], []
    for side in grid:
        length = round(side * rng.uniform(SMALLEST_WINDOW, 1.0))
        start = rng.randint(0, side - length)
        patches.append(slice(start, start + length))
        cells.append(slice(UPSAMPLING * start, UPSAMPLING * (start + length)))
    return (..., patches[0], patches[1]), (..., cells[0], cells[1])


def _pooled(inverse_depth: Tensor) -> Tensor:
    """Mean of the known cells of each patch, 0 = none."""
    known = F.avg_pool2d((inverse_depth > 0).float(), UPSAMPLING)
    return F.avg_pool2d(inverse_depth, UPSAMPLING) / known.clamp_min(1e-6) * (known > 0)


@torch.inference_mode()
def relative_depth(head: TeacherHead, cache: Path, frame: Frame) -> np.ndarray:
    """Teacher's relative inverse depth float32 [8 h, 8 w] of a frame with cached features."""
    features = torch.from_numpy(np.load(feature_path(cache, frame, TOKENS, flip=False)))
    size = tuple(UPSAMPLING * s for s in features.shape[-2:])
    return head(features[None].float(), image_tensor(frame.image(), *size))[0, 0].numpy()
