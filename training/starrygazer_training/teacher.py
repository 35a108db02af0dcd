"""The teacher: a light head on frozen DINOv2 features that predicts relative inverse depth."""

from __future__ import annotations

import random
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
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

TOKENS = 850
UPSAMPLING = 8  # output cells per patch side
RENDERS_HELD_OUT = 40  # one of so many renders is held out


class TeacherHead(nn.Module):
    """Fuses four feature maps and adds image detail while it upsamples to eight cells a patch.

    After the reassembly and fusion of DPT (Ranftl et al., ICCV 2021), with a light image branch for
    what a patch of 14 pixels cannot tell.
    """

    def __init__(self, width: int = 96) -> None:
        super().__init__()
        self.project = nn.ModuleList(nn.Conv2d(WIDTH, width, 1) for _ in LAYERS)
        self.fuse = nn.Sequential(_Residual(width), _Residual(width))
        self.detail8 = nn.Sequential(
            nn.Conv2d(3, 16, 3, padding=1), nn.GELU(), nn.Conv2d(16, 16, 3, padding=1), nn.GELU()
        )
        self.detail4 = nn.Sequential(nn.Conv2d(16, 32, 3, 2, 1), nn.GELU(), _Residual(32))
        self.up2 = nn.Sequential(nn.Conv2d(width, 64, 3, padding=1), nn.GELU(), _Residual(64))
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
        x = sum(p(f) for p, f in zip(self.project, features.unbind(1), strict=True))
        x = self.up2(_double(self.fuse(x)))
        x = self.up4(torch.cat([_double(x), detail4], 1))
        return self.up8(torch.cat([_double(x), detail8], 1))


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

    @property
    def features(self) -> Tensor:
        """Backbone features [4, 384, h, w]."""
        return torch.from_numpy(np.load(self._features).astype(np.float32))


@dataclass(frozen=True)
class _Batch:
    features: Tensor
    image: Tensor
    target: Tensor
    has_sky: bool

    @property
    def valid(self) -> Tensor:
        """1 where the target is known, else 0."""
        return (self.target > 0).float()


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

    def draw(rng: random.Random) -> _Batch:
        rendered = rng.random() < config.render_share
        dataset = RENDERS if rendered else rng.choice(sensors)
        samples = rng.sample(training[dataset], config.chunk_size)
        # Grids differ between cameras of one folder; keep those of the first frame's shape.
        samples = [s for s in samples if s.grid == samples[0].grid]
        image = torch.stack([s.image for s in samples])
        return _Batch(
            features=torch.stack([s.features for s in samples]),
            image=image * (0.8 + 0.4 * rng.random()) + 0.1 * (rng.random() - 0.5),
            target=torch.stack([s.inverse_depth for s in samples]),
            has_sky="kitti" in samples[0].frame.dataset,
        )

    def loss_of(model: nn.Module, batch: _Batch) -> Tensor:
        shape = (*batch.features.shape[:3], 1, 1)
        keep = (torch.rand(shape) > config.feature_dropout).float() / (1 - config.feature_dropout)
        prediction = model(batch.features * keep, batch.image).float()
        valid = batch.valid
        loss = relative_depth_loss(prediction, batch.target, valid, config.gradient_weight)
        if batch.has_sky:
            aligned = align(prediction, batch.target, valid)
            pairs = zip(batch.target, valid, strict=True)
            ceiling = torch.stack([_ceiling(t, v) for t, v in pairs])
            excess = F.relu(aligned - ceiling) * (ceiling > 0)
            spread = batch.target[valid > 0].std() + 1e-6
            loss = loss + config.ceiling_weight * (excess / spread).mean()
        return loss

    def validate(model: nn.Module) -> Validation:
        figures: dict[str, float] = {}
        pictures = {}
        for dataset, samples in validation.items():
            predictions = [model(s.features[None], s.image[None]).float() for s in samples]
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

    torch.manual_seed(config.seed)
    TrainingRun(
        "teacher",
        work,
        TeacherHead(),
        config,
        data={d: len({s.frame.key for s in samples}) for d, samples in training.items()},
        watched={dataset: len(s) for dataset, s in validation.items()},
    ).fit(draw, loss_of, validate)


@torch.inference_mode()
def relative_depth(head: TeacherHead, cache: Path, frame: Frame) -> np.ndarray:
    """Teacher's relative inverse depth float32 [8 h, 8 w] of a frame with cached features."""
    features = torch.from_numpy(np.load(feature_path(cache, frame, TOKENS, flip=False)))
    size = tuple(UPSAMPLING * s for s in features.shape[-2:])
    return head(features[None].float(), image_tensor(frame.image(), *size))[0, 0].numpy()
