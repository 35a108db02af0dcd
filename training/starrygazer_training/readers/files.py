"""Image, depth and list files, each read with the check that its data set's format allows."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from tokenize import TokenError

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from starrygazer_training.readers.errors import DatasetLayoutError

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg")
DEPTH_SUFFIXES = (".png", ".npy", ".tiff", ".tif")
MOST_METRES = 1e6  # larger floats mean something else, such as "no return"

# What Pillow raises for files that are no image, cut short, corrupt or absurdly large.
_PILLOW_ERRORS = (OSError, SyntaxError, ValueError, Image.DecompressionBombError)
_DOWNLOAD_AGAIN = "The file is damaged or incomplete: download or unpack it again."


def read_rgb(path: Path) -> NDArray[np.uint8]:
    """Read an 8-bit PNG or JPEG.

    Returns:
        uint8 [H, W, 3] RGB; a grey image gets three equal channels, transparency is dropped.

    Raises:
        DatasetLayoutError: missing, unreadable, cut short or not 8-bit.
    """
    pixels, mode = _read_image(path, convert=("L", "P", "RGBA"))
    if mode not in ("RGB", "L", "P", "RGBA"):
        raise DatasetLayoutError(
            path,
            expected="an 8-bit RGB or grey image",
            found=f"{pixels.dtype} pixels (Pillow mode {mode})",
            remedy="Convert the images to 8-bit PNG; is this perhaps a depth file?",
        )
    return pixels.astype(np.uint8, copy=False)


def read_depth_png(path: Path, units_per_metre: float) -> NDArray[np.float32]:
    """Read a 16-bit one-channel depth PNG.

    Returns:
        float32 [H, W] metres, 0 where the file has 0.

    Raises:
        DatasetLayoutError: missing, unreadable, cut short or not uint16 with one channel.
    """
    return _metres(read_uint16(path), units_per_metre)


def read_uint16(path: Path) -> NDArray[np.uint16]:
    """Read a 16-bit one-channel PNG as uint16 [H, W].

    Raises:
        DatasetLayoutError: missing, unreadable, cut short or not uint16 with one channel.
    """
    pixels, mode = _read_image(path)
    if not mode.startswith("I;16"):
        raise DatasetLayoutError(
            path,
            expected="a 16-bit depth image with one channel",
            found=_describe(pixels),
            remedy="Depth must stay in uint16; an image editor or viewer may have converted it.",
        )
    # Big-endian ones, as some TIFFs have, too, become what this machine counts in.
    return pixels.astype(np.uint16, copy=False)


def read_depth(path: Path, units_per_metre: float) -> NDArray[np.float32]:
    """Read depth from a PNG, TIFF or NumPy file: uint16 in a unit, or floats in metres.

    Zero, NaN, infinity and a saturated uint16 (65535, which depth cameras use for "no return")
    are unknown.

    Returns:
        float32 [H, W] metres, 0 = unknown.

    Raises:
        DatasetLayoutError: missing, unreadable, cut short, negative, beyond ``MOST_METRES``, or
            neither uint16 nor float with one channel.
    """
    stored = _read_npy(path) if path.suffix.lower() == ".npy" else _read_image(path)[0]
    # Kind and size, not equality: the file may have another byte order than this machine.
    if stored.ndim == 2 and (stored.dtype.kind, stored.dtype.itemsize) == ("u", 2):
        known = stored != np.iinfo(np.uint16).max
        return _metres(np.where(known, stored, 0), units_per_metre)
    if stored.ndim != 2 or stored.dtype.kind != "f":
        raise DatasetLayoutError(
            path,
            expected="one channel of uint16 in the given unit, or of floats in metres",
            found=_describe(stored),
            remedy="Save depth as a 16-bit PNG or as float32 .npy or .tiff.",
        )
    depth = np.where(np.isfinite(stored), stored, 0)
    for wrong, found in (
        (depth.min(initial=0) < 0, f"values down to {depth.min(initial=0):g}"),
        (depth.max(initial=0) > MOST_METRES, f"values up to {depth.max(initial=0):g}"),
    ):
        if wrong:
            raise DatasetLayoutError(
                path,
                expected=f"depth from 0 to {MOST_METRES:g} metres",
                found=found,
                remedy="Store unknown depth as 0 or NaN, and depth neither normalised nor "
                "inverted.",
            )
    return np.asarray(depth, np.float32)


def stems(folder: Path, suffixes: Iterable[str] = (".png",)) -> dict[str, str]:
    """File names in a folder by their stem, for the given suffixes.

    Stems keep their dots (VOID's are time stamps such as ``1552097915.5257``).

    Raises:
        DatasetLayoutError: no such folder, or two files have the same stem.
    """
    if not folder.is_dir():
        raise DatasetLayoutError(
            folder, expected="a folder", found="none", remedy="Was the archive unpacked here?"
        )
    wanted = tuple(suffixes)
    names: dict[str, str] = {}
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() not in wanted or path.name.startswith("."):
            continue
        if path.stem in names:
            raise DatasetLayoutError(
                folder,
                expected="one file per stem",
                found=f"{names[path.stem]} and {path.name}",
                remedy="Remove one of them.",
            )
        names[path.stem] = path.name
    return names


def require_same(
    wanted: Iterable[str], present: Iterable[str], folder: Path, counterpart: Path, remedy: str
) -> None:
    """Check that every frame of ``counterpart`` has its file in ``folder``.

    Raises:
        DatasetLayoutError: some have none; the message counts them and names the first.
    """
    wanted = set(wanted)
    missing = sorted(wanted.difference(present))
    if missing:
        raise DatasetLayoutError(
            folder,
            expected=f"a file for each of the {len(wanted)} frames in {counterpart}",
            found=f"{len(missing)} without, the first being {missing[0]}",
            remedy=remedy,
        )


def read_lines(path: Path) -> list[str]:
    """Lines of a text file without surrounding white space; empty lines are left out.

    Raises:
        DatasetLayoutError: missing or not text.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DatasetLayoutError(
            path,
            expected="a text file",
            found="none" if isinstance(error, FileNotFoundError) else str(error),
            remedy=_DOWNLOAD_AGAIN,
        ) from error
    return [line for line in map(str.strip, text.splitlines()) if line]


def describe_folder(folder: Path, limit: int = 8) -> str:
    """The first names in a folder, for messages."""
    if not folder.exists():
        return "no such folder"
    if not folder.is_dir():
        return "a file"
    names = sorted(p.name + ("/" if p.is_dir() else "") for p in folder.iterdir())
    if not names:
        return "an empty folder"
    more = f" and {len(names) - limit} more" if len(names) > limit else ""
    return ", ".join(names[:limit]) + more


def _read_image(path: Path, convert: tuple[str, ...] = ()) -> tuple[NDArray[np.generic], str]:
    """Pixels and the Pillow mode of the file; the modes in ``convert`` become RGB."""
    # Pillow rather than OpenCV: it refuses files that are cut short, where OpenCV fills up JPEGs
    # with grey.
    try:
        with Image.open(path) as image:
            mode = image.mode
            decoded = image.convert("RGB") if mode in convert else image
            return np.array(decoded), mode
    except FileNotFoundError as error:
        raise DatasetLayoutError(
            path, expected="an image", found="no such file", remedy=_DOWNLOAD_AGAIN
        ) from error
    except _PILLOW_ERRORS as error:
        unknown = isinstance(error, UnidentifiedImageError)
        raise DatasetLayoutError(
            path,
            expected="a readable image",
            found="no known image format" if unknown else str(error),
            remedy=_DOWNLOAD_AGAIN,
        ) from error


def _read_npy(path: Path) -> NDArray[np.generic]:
    # Not numpy.load, which also opens archives of arrays.
    try:
        with path.open("rb") as file:
            stored: NDArray[np.generic] = np.lib.format.read_array(file, allow_pickle=False)
            return stored
    except (OSError, ValueError, EOFError, MemoryError, SyntaxError, TokenError) as error:
        raise DatasetLayoutError(
            path, expected="a NumPy array file", found=str(error), remedy=_DOWNLOAD_AGAIN
        ) from error


def _metres(stored: NDArray[np.generic], units_per_metre: float) -> NDArray[np.float32]:
    metres: NDArray[np.float32] = stored.astype(np.float32) / np.float32(units_per_metre)
    return metres


def _describe(array: NDArray[np.generic]) -> str:
    return f"{array.dtype} of shape {list(array.shape)}"
