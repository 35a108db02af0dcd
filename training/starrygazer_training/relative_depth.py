"""Relative depth of a folder of photographs by any monocular depth estimator (MDE), kept on disk.

The estimator is the ``mde.onnx`` of a model bundle, ours or a user's; it runs here as it does
beside the camera: same engine, same input size, same way of resizing. A user whose bundle has no
refinement yet, because this training is to make it, gives the ONNX file alone.
"""

from __future__ import annotations

import hashlib
import logging
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar
from zipfile import BadZipFile

import cv2
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from starrygazer_ros import backends
from starrygazer_ros.completion import BundleGraphError, BundleNotFoundError, ModelBundle
from starrygazer_ros.completion.bundle import EngineSpec, mde_input_size
from starrygazer_ros.completion.pipelines import to_tensor
from starrygazer_ros.files import FileError, read_image
from starrygazer_training.atomic_files import open_replacement
from starrygazer_training.datasets import IMAGE_SUFFIXES

FloatMap = NDArray[np.float32]
Number = TypeVar("Number", np.uint8, np.float32)

BACKEND = "onnxruntime"  # the reference for all others
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Mde:
    """An MDE graph that keeps the bundle contract.

    The graph maps ``image`` float32 [1, 3, h, w], RGB in 0..1, to ``relative_depth`` [1, 1, h, w],
    larger = nearer.

    Attributes:
        engine: the graph and the sizes that it takes.
        pixels: images are resized to about this many.
    """

    engine: EngineSpec
    pixels: int

    @classmethod
    def from_bundle(cls, bundle: ModelBundle | str | Path) -> Mde:
        """The MDE of a bundle, given as such, by folder, or by name such as ``"default"``.

        Raises:
            BundleError: the bundle is missing, malformed or was changed.
        """
        loaded = bundle if isinstance(bundle, ModelBundle) else ModelBundle.load(bundle)
        return cls(loaded.mde, loaded.mde_pixels)

    @classmethod
    def from_onnx(cls, path: Path, pixels: int, multiple: int, minimum: int, maximum: int) -> Mde:
        """An ONNX file without a bundle.

        Args:
            path: the graph.
            pixels: see the class.
            multiple: height and width of the input are multiples of this.
            minimum: smallest height and width, a multiple, too.
            maximum: largest height and width, a multiple, too.

        Raises:
            BundleNotFoundError: the file cannot be read.
            ValueError: no image can have such a size.
        """
        sizes_fit = multiple >= 1 and minimum % multiple == 0 and maximum % multiple == 0
        if not (sizes_fit and 1 <= minimum <= maximum and pixels >= 1):
            raise ValueError(
                f"no input has {pixels} pixels and sides from {minimum} to {maximum} in multiples "
                f"of {multiple}"
            )
        try:
            sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
        except OSError as error:
            raise BundleNotFoundError(f"{path} cannot be read ({error.strerror})") from error
        return cls(EngineSpec(path, sha256, multiple, minimum, maximum), pixels)

    @property
    def key(self) -> str:
        """Short hash of the weights and of the input size; two MDEs do not share it."""
        spec = self.engine
        sizes = (self.pixels, spec.multiple, spec.minimum, spec.maximum)
        return hashlib.sha256(f"{spec.sha256} {sizes}".encode("ascii")).hexdigest()[:16]


class MdeRunner:
    """Runs an MDE on photographs.

    Args:
        mde: the graph.
        threads: CPU threads.

    Raises:
        BackendUnavailableError: ONNX Runtime is missing or refuses the graph.
        BundleIntegrityError: the file is not the one that was hashed.
        BundleGraphError: the graph has other inputs or outputs than the contract.
    """

    def __init__(self, mde: Mde, threads: int = 2) -> None:
        self._mde = mde
        graph = mde.engine
        self._engine = backends.load_engine(graph.read(), str(graph.path), BACKEND, threads)
        if self._engine.inputs != {"image"} or self._engine.outputs != {"relative_depth"}:
            raise BundleGraphError(
                f"{mde.engine.path} maps {sorted(self._engine.inputs)} to "
                f"{sorted(self._engine.outputs)}, expected ['image'] to ['relative_depth']"
            )

    def relative_depth(self, image: NDArray[np.uint8]) -> FloatMap:
        """Relative inverse depth at the size at which the MDE sees the image.

        Args:
            image: uint8 [H, W, 3] RGB.

        Returns:
            float32 [h, w], larger = nearer; see :func:`resized` for the image's own size.

        Raises:
            InferenceError: the back end failed.
            BundleGraphError: the output has another shape than the contract or is not finite.
        """
        spec = self._mde.engine
        rows, columns = image.shape[:2]
        height, width = mde_input_size(
            rows, columns, self._mde.pixels, spec.multiple, spec.minimum, spec.maximum
        )
        tensor = to_tensor(resized(image, height, width))
        output = self._engine.run({"image": tensor})["relative_depth"]
        if output.shape != (1, 1, height, width):
            raise BundleGraphError(
                f"{spec.path} gives {list(output.shape)} for an image of {height}x{width}, "
                f"expected {[1, 1, height, width]}"
            )
        if not np.isfinite(output).all():
            raise BundleGraphError(f"{spec.path} gives values that are not finite")
        return np.asarray(output[0, 0], np.float32)


def resized(array: NDArray[Number], height: int, width: int) -> NDArray[Number]:
    """An image for the MDE or relative depth for the refinement, as at run time."""
    if array.shape[:2] == (height, width):
        return array
    shrinks = height < array.shape[0]
    interpolation = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(array, (width, height), interpolation=interpolation), array.dtype)


@dataclass(frozen=True)
class CacheReport:
    """What :func:`cache_relative_depth` did.

    Attributes:
        computed: photographs whose relative depth was computed now.
        reused: photographs that were in the cache.
        failed: photographs that cannot be read, with the reason.
    """

    computed: int
    reused: int
    failed: tuple[tuple[Path, str], ...]

    def __str__(self) -> str:
        return f"{self.computed} computed, {self.reused} from the cache, {len(self.failed)} failed"


def cache_relative_depth(
    photos: Path,
    bundle: Mde | ModelBundle | str | Path,
    cache: Path,
    threads: int = 2,
) -> CacheReport:
    """Compute the relative depth of every photograph below a folder.

    A finished photograph is skipped, so that an interrupted run continues; one that was changed and
    one whose cache file is damaged are computed again.

    Args:
        photos: folder of JPEG and PNG photographs, with sub-folders.
        bundle: bundle, its folder or name, or an MDE alone.
        cache: folder of the results; one sub-folder per MDE.
        threads: CPU threads.

    Returns:
        Counts, and each photograph that cannot be read. These are in the log, too.

    Raises:
        FileNotFoundError: the folder holds no photographs.
        BundleError: the bundle cannot be used.
        BackendUnavailableError: ONNX Runtime is missing or refuses the graph.
        InferenceError: the back end failed.
    """
    mde = bundle if isinstance(bundle, Mde) else Mde.from_bundle(bundle)
    paths = sorted(p for p in photos.rglob("*") if p.suffix.lower() in IMAGE_SUFFIXES)
    if not paths:
        raise FileNotFoundError(f"no photographs ({', '.join(sorted(IMAGE_SUFFIXES))}) in {photos}")
    runner = MdeRunner(mde, threads)
    computed = reused = 0
    failed: list[tuple[Path, str]] = []
    for path in tqdm(paths, desc="relative depth", mininterval=5):
        target = relative_depth_path(cache, mde, photos, path)
        try:
            photo_hash = _photo_hash(path)
            if _is_finished(target, photo_hash):
                reused += 1
                continue
            image = read_image(path)
        except FileError as error:
            _LOG.warning("skipped: %s", error)
            failed.append((path, str(error)))
            continue
        _write(target, runner.relative_depth(image), photo_hash)
        computed += 1
    report = CacheReport(computed, reused, tuple(failed))
    _LOG.info("relative depth of %s: %s", photos, report)
    return report


def relative_depth_path(cache: Path, mde: Mde, photos: Path, photo: Path) -> Path:
    """Cache file of one photograph below ``photos``."""
    relative = photo.relative_to(photos)
    return cache / mde.key / relative.parent / f"{relative.name}.npz"


def read_relative_depth(path: Path, size: tuple[int, int] | None = None) -> FloatMap:
    """Relative depth from the cache.

    Args:
        path: see :func:`relative_depth_path`.
        size: height and width of the photograph; resized to it as at run time. Default: the size at
            which the MDE saw the photograph.

    Returns:
        float32 [H, W] relative inverse depth, larger = nearer.

    Raises:
        FileError: the file is missing or damaged.
    """
    _, depth = _read(path)
    return depth if size is None else np.asarray(resized(depth, *size), np.float32)


def _photo_hash(path: Path) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise FileError(f"{path} cannot be read: {error.strerror}") from error


def _is_finished(target: Path, photo_hash: str) -> bool:
    if not target.exists():
        return False
    try:
        stored_hash, _ = _read(target)
    except FileError as error:
        _LOG.warning("%s: computed again", error)
        return False
    return stored_hash == photo_hash


def _read(path: Path) -> tuple[str, FloatMap]:
    """Hash of the photograph and its relative depth."""
    try:
        with np.load(path, allow_pickle=False) as arrays:
            photo_hash = str(arrays["photo_sha256"])
            share, (low, high) = arrays["relative_depth"], arrays["range"]
        if share.ndim != 2 or share.dtype != np.float16:
            raise ValueError(f"{share.dtype} {share.shape}")
        depth = low + (high - low) * share.astype(np.float32)
    except (OSError, ValueError, TypeError, KeyError, EOFError, BadZipFile, zlib.error) as error:
        raise FileError(f"{path} holds no relative depth ({error})") from error
    return photo_hash, np.asarray(depth, np.float32)


def _write(path: Path, depth: FloatMap, photo_hash: str) -> None:
    """Whole or not at all.

    MDEs differ in scale and offset by orders of magnitude, float16 does not reach so far: stored is
    the place in the map's own range, 0..1.
    """
    low, high = float(depth.min()), float(depth.max())
    share = (depth - low) / max(high - low, float(np.finfo(np.float32).tiny))
    with open_replacement(path) as file:
        np.savez(
            file,
            relative_depth=share.astype(np.float16),
            range=np.array([low, high], np.float32),
            photo_sha256=np.array(photo_hash),
        )
