"""NYU Depth v2 (Silberman et al., ECCV 2012): the labelled MATLAB file and per-frame HDF5 files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import scipy.io
from numpy.typing import NDArray

from starrygazer_ros.completion import Intrinsics
from starrygazer_training.readers.errors import DatasetLayoutError, DatasetOptionError
from starrygazer_training.readers.files import describe_folder
from starrygazer_training.readers.sample import Sample

WIDTH, HEIGHT = 640, 480
# RGB camera in camera_params.m of the data set's toolbox.
INTRINSICS = Intrinsics(
    5.1885790117450188e02,
    5.1946961112127485e02,
    3.2558244941119034e02,
    2.5373616633400465e02,
    WIDTH,
    HEIGHT,
)
# Of the image at half size, 320x240: the centre 304x228 that depth completion is scored on
# (Ma and Karaman, ICRA 2018, and everyone since).
CROP_ROWS = slice(6, 234)
CROP_COLUMNS = slice(8, 312)

LABELLED_FILE = "nyu_depth_v2_labeled.mat"
SPLITS_FILE = "splits.mat"
_INDEX_NAMES = {"train": "trainNdxs", "test": "testNdxs"}


class NyuLabelled:
    """The 1449 frames of ``nyu_depth_v2_labeled.mat``, read one by one from the open file.

    Depth is the in-filled ``depths``, aligned to the RGB camera. There is no sparse depth.
    """

    def __init__(
        self,
        path: Path,
        split: str | None = None,
        indices: Sequence[int] | None = None,
        half_crop: bool = False,
    ) -> None:
        """Check the file's arrays without reading them.

        Args:
            path: the .mat file or its folder.
            split: ``train`` (795 frames) or ``test`` (654) as ``splits.mat`` beside the file says.
            indices: frame numbers from 1 instead of a split, in this order.
            half_crop: give the usual 304x228 pixels, see ``half_crop_sample``.

        Raises:
            DatasetLayoutError: not that file, or the numbers do not fit it.
            DatasetOptionError: no such split, or a split and indices.
        """
        self.name = f"nyu-{split}" if split else "nyu"
        self._path = path / LABELLED_FILE if path.is_dir() else path
        self._half_crop = half_crop
        count = self._check()
        if split is not None and indices is not None:
            raise DatasetOptionError("give a split or indices, not both")
        if split is not None:
            indices = _official_split(self._path.parent / SPLITS_FILE, split)
        numbers = range(1, count + 1) if indices is None else indices
        outside = [n for n in numbers if not 1 <= n <= count]
        if outside or not numbers:
            raise DatasetLayoutError(
                self._path,
                expected=f"frame numbers from 1 to {count}",
                found=f"{outside[0]}" if outside else "none",
                remedy="MATLAB counts from 1; do the numbers belong to this file?",
            )
        # Sparse-to-Dense names its files so; the numbers mean the same frames.
        self._frames = {f"{number:05d}": number - 1 for number in numbers}
        self.keys = tuple(self._frames)

    @staticmethod
    def matches(path: Path) -> bool:
        """Whether the path looks like this layout."""
        return path.suffix == ".mat" if path.is_file() else (path / LABELLED_FILE).is_file()

    def load(self, key: str) -> Sample:
        """Read the frame of a five-digit number from 1; see CompletionDataset."""
        index = self._frames[key]
        with _open(self._path) as file:
            # MATLAB is column-major: what it calls H x W x 3 x N comes as N, 3, W, H.
            image = file["images"][index].transpose(2, 1, 0)
            depth = file["depths"][index].transpose(1, 0)
        return _sample(self._path, image, depth, self._half_crop)

    def _check(self) -> int:
        """Number of frames."""
        with _open(self._path) as file:
            shapes = {name: _shape(file, name) for name in ("images", "depths")}
            count = shapes["images"][0] if shapes["images"] else 0
            if (
                count == 0
                or shapes["images"] != (count, 3, WIDTH, HEIGHT)
                or shapes["depths"] != (count, WIDTH, HEIGHT)
            ):
                raise DatasetLayoutError(
                    self._path,
                    expected=f"images [N, 3, {WIDTH}, {HEIGHT}] and depths [N, {WIDTH}, {HEIGHT}]",
                    found=", ".join(f"{n} {list(s) or 'missing'}" for n, s in shapes.items()),
                    remedy=f"Use the official {LABELLED_FILE}, not a converted copy.",
                )
            _check_types(self._path, file["images"], file["depths"])
        return count


class NyuFrames:
    """One HDF5 file per frame, as Sparse-to-Dense prepared them: ``nyudepthv2/{train,val}``.

    There is no sparse depth; depth has holes in ``train``.
    """

    def __init__(self, path: Path, split: str | None = None, half_crop: bool = False) -> None:
        """Find the files.

        Args:
            path: folder that holds ``train/`` and ``val/``.
            split: ``train`` or ``val``; None = both.
            half_crop: give the usual 304x228 pixels, see ``half_crop_sample``.

        Raises:
            DatasetLayoutError: another layout.
        """
        self.name = f"nyu-{split}" if split else "nyu"
        self._root = path
        self._half_crop = half_crop
        splits = [split] if split else ["train", "val"]
        self.keys = tuple(
            found.relative_to(path).with_suffix("").as_posix()
            for name in splits
            for found in sorted((path / name).rglob("*.h5"))
        )
        if not self.keys:
            raise DatasetLayoutError(
                path,
                expected=f"{' or '.join(splits)}/ with .h5 files in folders",
                found=describe_folder(path),
                remedy="Unpack nyudepthv2.tar.gz and give the folder nyudepthv2.",
            )
        self._known = frozenset(self.keys)

    @staticmethod
    def matches(path: Path) -> bool:
        """Whether the folder looks like this layout."""
        return any(next((path / name).glob("*/*.h5"), None) for name in ("train", "val"))

    def load(self, key: str) -> Sample:
        """Read the frame of a path without suffix such as ``val/official/00001``."""
        if key not in self._known:
            raise KeyError(key)
        path = self._root / f"{key}.h5"
        with _open(path) as file:
            shapes = {name: _shape(file, name) for name in ("rgb", "depth")}
            if shapes != {"rgb": (3, HEIGHT, WIDTH), "depth": (HEIGHT, WIDTH)}:
                raise DatasetLayoutError(
                    path,
                    expected=f"rgb [3, {HEIGHT}, {WIDTH}] and depth [{HEIGHT}, {WIDTH}]",
                    found=", ".join(f"{n} {list(s) or 'missing'}" for n, s in shapes.items()),
                    remedy="Use the files of Sparse-to-Dense, not resized ones.",
                )
            _check_types(path, file["rgb"], file["depth"])
            image = file["rgb"][...].transpose(1, 2, 0)
            depth = file["depth"][...]
        return _sample(path, image, depth, self._half_crop)


def half_crop_sample(sample: Sample) -> Sample:
    """Halve a 640x480 sample and cut the centre of 304x228 pixels.

    Each image pixel is the mean of four; depth is taken from the upper left one, because a mean
    would invent depths between an object and what is behind it. Intrinsics are halved and shifted.
    """
    four = sample.image.reshape(HEIGHT // 2, 2, WIDTH // 2, 2, 3).astype(np.float32)
    image = np.rint(four.mean(axis=(1, 3))).astype(np.uint8)
    return Sample(
        sample.source,
        np.ascontiguousarray(image[CROP_ROWS, CROP_COLUMNS]),
        None,
        np.ascontiguousarray(sample.depth[::2, ::2][CROP_ROWS, CROP_COLUMNS]),
        Intrinsics(
            INTRINSICS.fx / 2,
            INTRINSICS.fy / 2,
            INTRINSICS.cx / 2 - CROP_COLUMNS.start,
            INTRINSICS.cy / 2 - CROP_ROWS.start,
            width=CROP_COLUMNS.stop - CROP_COLUMNS.start,
            height=CROP_ROWS.stop - CROP_ROWS.start,
        ),
    )


def _sample(path: Path, image: NDArray[Any], depth: NDArray[Any], half_crop: bool) -> Sample:
    known = np.isfinite(depth) & (depth > 0)
    sample = Sample(
        path,
        np.ascontiguousarray(image),
        None,
        np.ascontiguousarray(np.where(known, depth, 0), np.float32),
        INTRINSICS,
    )
    return half_crop_sample(sample) if half_crop else sample


def _official_split(path: Path, split: str) -> list[int]:
    """Frame numbers from 1 in ``splits.mat``, an old MATLAB file that HDF5 cannot open."""
    name = _INDEX_NAMES.get(split)
    if name is None:
        raise DatasetOptionError(f"the splits are {' and '.join(_INDEX_NAMES)}, not {split}")
    try:
        content = scipy.io.loadmat(path)
        return [int(number) for number in content[name].ravel()]
    except Exception as error:  # the parser fails on damaged files in many ways, IndexError too
        raise DatasetLayoutError(
            path,
            expected=f"{SPLITS_FILE} with {name}",
            found=repr(error) if path.is_file() else "no such file",
            remedy=f"Download {SPLITS_FILE} from the data set's page and put it there, or give "
            "indices.",
        ) from error


@contextmanager
def _open(path: Path) -> Iterator[Any]:
    """Open an HDF5 file for reading; whatever fails inside, the file is named.

    Frames are read from a file opened for each, because an open one cannot go to other processes.
    """
    # Imported here: the other layouts are read without it.
    try:
        import h5py  # type: ignore[import-untyped]
    except ImportError as error:
        raise ImportError(f"NYU files are HDF5 ({error}): pip install h5py") from error
    try:
        with h5py.File(path, "r") as file:
            yield file
    except DatasetLayoutError:
        raise
    except FileNotFoundError as error:
        raise DatasetLayoutError(
            path,
            expected="a readable HDF5 file (MATLAB 7.3 files are HDF5)",
            found="no such file",
            remedy=f"Give the path of {LABELLED_FILE} or of the folder that holds it, or of the "
            "folder nyudepthv2.",
        ) from error
    except (OSError, ValueError, RuntimeError) as error:
        raise DatasetLayoutError(
            path,
            expected="a readable HDF5 file (MATLAB 7.3 files are HDF5)",
            found=str(error),
            remedy="The file is damaged or incomplete: download it again.",
        ) from error


def _shape(file: Any, name: str) -> tuple[int, ...]:
    """Shape of an array in the file; empty if there is no such array."""
    return tuple(getattr(file.get(name), "shape", ()))  # a group has none


def _check_types(path: Path, image: Any, depth: Any) -> None:
    if image.dtype != np.uint8 or depth.dtype.kind != "f":
        raise DatasetLayoutError(
            path,
            expected="images of uint8 and depth of floats in metres",
            found=f"{image.dtype} and {depth.dtype}",
            remedy="Use the official files, not a converted copy.",
        )
