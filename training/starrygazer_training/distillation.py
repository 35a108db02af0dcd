"""Distils the teacher into the student: its relative depth, and its deepest features on the way."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F
from tqdm import tqdm

from starrygazer_training import datasets, distributed
from starrygazer_training.atomic_files import open_replacement
from starrygazer_training.checkpoints import TrainingRun, load_weights
from starrygazer_training.config import ConfigError, StudentConfig
from starrygazer_training.datasets import NYU, Frame
from starrygazer_training.dinov2 import WIDTH
from starrygazer_training.features import extract, feature_path, image_tensor
from starrygazer_training.pictures import relative_depth_strip
from starrygazer_training.relative_loss import affine_abs_rel, relative_depth_loss
from starrygazer_training.rendered_frames import RENDERS, rendered_frames
from starrygazer_training.run_log import Validation
from starrygazer_training.student import WIDTHS, Student
from starrygazer_training.teacher import TOKENS, relative_depth
from starrygazer_training.teacher_network import TeacherHead

CROP = (224, 288)  # rows, columns; about the size the MDE runs at
VALIDATION_SHARE = 25  # one photograph in so many is held out
PICTURES = 4  # held-out photographs in the log
FEATURE_STAGE = 3  # the student's 1/16 map imitates the backbone's last layer


class Distillation(nn.Module):
    """The student with a projection to the backbone's features that only training needs."""

    def __init__(self) -> None:
        super().__init__()
        self.student = Student()
        self.project = nn.Conv2d(WIDTHS[FEATURE_STAGE], WIDTH, 1)

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Relative inverse depth [B, 1, H, W] and imitated features [B, 384, H/16, W/16]."""
        features = self.student.encode(image)
        return self.student.decode(features), self.project(features[FEATURE_STAGE])


def label_path(work: Path, frame: Frame) -> Path:
    """The teacher's relative inverse depth of a photograph, float16 [h, w]."""
    return work / "cache" / "teacher_labels" / f"{frame.key}.npy"


def make_labels(root: Path, work: Path) -> None:
    """Run the teacher on every photograph; finished ones are skipped."""
    cache = work / "cache"
    photos = datasets.photographs(root)
    extract(photos, cache, TOKENS, (False,), datasets.PHOTOGRAPHS)
    head = load_weights(TeacherHead(), work / "teacher.safetensors")
    for frame in tqdm(photos, desc="teacher labels", mininterval=5):
        path = label_path(work, frame)
        if path.exists():
            continue
        label = relative_depth(head, cache, frame)
        low, high = np.percentile(label, (2, 98))
        with open_replacement(path) as file:
            np.save(file, ((label - low) / max(high - low, 1e-6)).astype(np.float16))


class _Photo:
    """One photograph with its labels in memory."""

    def __init__(self, work: Path, frame: Frame) -> None:
        self.image = frame.image()
        self.label = np.load(label_path(work, frame), allow_pickle=False).astype(np.float32)
        self._features = feature_path(work / "cache", frame, TOKENS, flip=False)

    def crop(self, rng: random.Random) -> tuple[Tensor, Tensor, Tensor]:
        """A random crop: image, relative depth at half and features at 1/16 of its size."""
        height, width = self.image.shape[:2]
        share = rng.uniform(0.55, 1.0)
        aspect = CROP[1] / CROP[0] * rng.uniform(0.85, 1.2)
        rows = min(height, share * max(height, width / aspect), width * share / aspect * 1.2)
        columns = min(width, rows * aspect)
        top, left = rng.uniform(0, height - rows), rng.uniform(0, width - columns)
        box = np.array([top / height, left / width, rows / height, columns / width])
        features = np.load(self._features, mmap_mode="r", allow_pickle=False)[-1].astype(np.float32)
        parts = (
            _crop(self.image.astype(np.float32) / 255.0, box, CROP),
            _crop(self.label, box, (CROP[0] // 2, CROP[1] // 2)),
            _crop(features.transpose(1, 2, 0), box, (CROP[0] // 16, CROP[1] // 16)),
        )
        image, label, imitated = _tensors(parts, flip=rng.random() < 0.5)
        return _jitter(image, rng), label, imitated


class _Render:
    """One rendered scene, read from disk when drawn."""

    def __init__(self, frame: Frame) -> None:
        self._frame = frame

    def crop(self, rng: random.Random) -> tuple[Tensor, Tensor]:
        """A random crop: image, and exact inverse depth at half of its size."""
        image, inverse_depth = self._frame.image(), 1.0 / self._frame.depth()
        share = rng.uniform(0.55, 1.0)
        box = np.array([rng.uniform(0, 1 - share), rng.uniform(0, 1 - share), share, share])
        parts = (
            _crop(image.astype(np.float32) / 255.0, box, CROP),
            _crop(inverse_depth, box, (CROP[0] // 2, CROP[1] // 2)),
        )
        rgb, target = _tensors(parts, flip=rng.random() < 0.5)
        return _jitter(rgb, rng), target


def _tensors(parts: Sequence[NDArray[np.float32]], flip: bool) -> list[Tensor]:
    """[H, W] or [H, W, C] arrays as [C, H, W] tensors."""
    tensors = []
    for part in parts:
        array = part[:, ::-1] if flip else part
        array = array[..., None] if array.ndim == 2 else array
        tensors.append(torch.from_numpy(np.ascontiguousarray(array.transpose(2, 0, 1))))
    return tensors


def _crop(
    array: NDArray[np.float32], box: NDArray[np.float64], size: tuple[int, int]
) -> NDArray[np.float32]:
    """Resample the relative ``box`` (top, left, height, width) of an image to ``size``."""
    rows, columns = array.shape[:2]
    top, left, height, width = box * (rows, columns, rows, columns)
    x, y = width / size[1], height / size[0]
    # warpAffine maps output pixel centres to input pixel centres.
    matrix = np.array([[x, 0, left + 0.5 * x - 0.5], [0, y, top + 0.5 * y - 0.5]])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    channels = array.shape[2] if array.ndim == 3 else 1
    if channels <= 4:
        return cv2.warpAffine(
            array, matrix, size[::-1], flags=flags, borderMode=cv2.BORDER_REPLICATE
        )
    parts = [
        cv2.warpAffine(
            np.ascontiguousarray(array[..., c : c + 4]),
            matrix,
            size[::-1],
            flags=flags,
            borderMode=cv2.BORDER_REPLICATE,
        )
        for c in range(0, channels, 4)
    ]
    return np.concatenate(parts, axis=2)


def _jitter(image: Tensor, rng: random.Random) -> Tensor:
    """Random brightness, contrast, saturation and gamma."""
    image = image.clamp(0, 1) ** rng.uniform(0.7, 1.4)
    grey = image.mean(0, keepdim=True)
    image = grey + (image - grey) * rng.uniform(0.3, 1.4)
    mean = image.mean()
    image = mean + (image - mean) * rng.uniform(0.7, 1.3)
    return (image * rng.uniform(0.7, 1.3)).clamp(0, 1)


def train(root: Path, work: Path, config: StudentConfig) -> None:
    """Train the student; the result is ``work/student.safetensors`` (with the projection)."""
    photos = [_Photo(work, f) for f in tqdm(datasets.photographs(root), desc="photographs")]
    held_out = photos[::VALIDATION_SHARE]
    training = [p for i, p in enumerate(photos) if i % VALIDATION_SHARE]
    photographed = config.chunk_size - config.rendered
    if len(training) < photographed:
        raise ConfigError(
            f"{len(training)} photographs to learn from are too few for batches that hold "
            f"{photographed} at a time: add photographs or lower student.batch"
        )
    sensors = datasets.depth_sets(root, [NYU])
    nyu = sensors.get(NYU, [])[::16]

    with distributed.first_process_first():
        renders = [_Render(frame) for frame in rendered_frames(root, work, config.renders)]

    def draw(rng: random.Random) -> list[Tensor]:
        crops = [photo.crop(rng) for photo in rng.sample(training, photographed)]
        rendered = [render.crop(rng) for render in rng.sample(renders, config.rendered)]
        return [
            torch.stack([c[0] for c in (*crops, *rendered)]),
            torch.stack([c[1] for c in (*crops, *rendered)]),
            torch.stack([c[2] for c in crops]),
        ]

    def loss_of(model: nn.Module, tensors: list[Tensor]) -> Tensor:
        image, label, features = tensors
        depth, imitated = model(image.contiguous(memory_format=torch.channels_last))
        depth = F.avg_pool2d(depth.float(), 2)
        loss = relative_depth_loss(depth, label, torch.ones_like(label), config.gradient_weight)
        photographs = imitated[: len(features)].float()  # renders have no backbone features
        similarity = F.cosine_similarity(photographs, features, dim=1)
        return loss + config.feature_weight * (1 - similarity).mean()

    def validate(model: nn.Module) -> Validation:
        figures: dict[str, list[float]] = defaultdict(list)
        pictures: dict[str, NDArray[np.uint8]] = {}
        for index, photo in enumerate(held_out):
            image = image_tensor(photo.image, *CROP)
            prediction, _ = model(image)
            label = torch.from_numpy(photo.label)[None, None]
            prediction = F.interpolate(prediction, label.shape[-2:], mode="bilinear")
            if index < PICTURES:
                pictures[f"photo {index}"] = relative_depth_strip(image[0], prediction[0], label[0])
            valid = torch.ones_like(label)
            figures["photos L1"].append(float(relative_depth_loss(prediction, label, valid, 0.0)))
        for frame in nyu:
            prediction, _ = model(image_tensor(frame.image(), *CROP))
            abs_rel, pearson = affine_abs_rel(
                prediction, torch.from_numpy(frame.depth())[None, None]
            )
            figures["nyu AbsRel"].append(abs_rel)
            figures["nyu Pearson"].append(pearson)
        means = {name: float(np.mean(values)) for name, values in figures.items()}
        return Validation(means, pictures)

    torch.manual_seed(config.seed)
    TrainingRun(
        "student",
        work,
        Distillation(),
        config,
        data={"photos": len(training), RENDERS: len(renders)},
        watched={"photos": len(held_out), **{name: len(nyu) for name in sensors}},
    ).fit(draw, loss_of, validate)


def load_student(work: Path) -> Student:
    """The trained student, in evaluation mode."""
    model = load_weights(Distillation(), work / "student.safetensors")
    assert isinstance(model, Distillation)
    return model.student
