"""Model bundles: a folder with engines, a manifest that describes them, and a hash per file."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from starrygazer_ros.completion.bundle_folders import MANIFEST, find_bundle
from starrygazer_ros.completion.errors import (
    BundleIntegrityError,
    BundleManifestError,
    BundleNotFoundError,
)
from starrygazer_ros.completion.golden import GoldenPair, read_golden
from starrygazer_ros.completion.ownership import require_trusted
from starrygazer_ros.plain_yaml import read_yaml

SCHEMA = 1

# Beyond all networks, so that a wrong manifest cannot ask for gigabytes.
LARGEST_MINIMUM = 1024  # pixels of a side, also of a multiple
LARGEST_MAXIMUM = 16_384
MOST_PIXELS = 16_000_000
LONGEST_WORD = 200  # characters of name and version


@dataclass(frozen=True)
class EngineSpec:
    """One ONNX graph of a bundle.

    Attributes:
        path: the ONNX file.
        sha256: its hash.
        multiple: height and width of the input are multiples of this.
        minimum: smallest height and width of an input that is not filled up, in pixels.
        maximum: largest height and width in pixels.
    """

    path: Path
    sha256: str
    multiple: int
    minimum: int
    maximum: int

    @property
    def smallest_image(self) -> int:
        """Least height and width of an image, half of the minimum: the rest is filled up."""
        return -(-self.minimum // 2)

    def filled(self, side: int) -> int:
        """A side of an image, filled up to one that the graph takes."""
        return -(-max(side, self.minimum) // self.multiple) * self.multiple

    def read(self) -> bytes:
        """The graph, verified again: between loading a bundle and this the file may have changed.

        Raises:
            BundleNotFoundError: it cannot be read any more.
            BundleIntegrityError: it was changed, or somebody else could change it.
        """
        return _read_verified(self.path, self.sha256)


@dataclass(frozen=True)
class ModelBundle:
    """A verified model bundle.

    Attributes:
        name: name in the manifest.
        version: version in the manifest.
        path: folder of the bundle.
        mde: the monocular depth engine.
        mde_pixels: the image is resized to about this many pixels for the MDE.
        refinement: the refinement engine.
        golden_path: ``.npz`` with the golden pair.
        golden_tolerance: see :class:`GoldenPair`.
        fp16: the same bundle with graphs that compute in float16 (inputs and outputs stay float32),
            ``None`` if it has none.
        int8: the same with convolutions in int8 and a tolerance of their own, or ``None``.
        working_pixels: larger images are completed in about so many pixels and then enlarged;
            ``None`` = as they are.
        across_edges: enlarged depth is interpolated between all that is known, of one surface or
            two.
    """

    name: str
    version: str
    path: Path
    mde: EngineSpec
    mde_pixels: int
    refinement: EngineSpec
    golden_path: Path
    golden_tolerance: float
    fp16: ModelBundle | None = None
    int8: ModelBundle | None = None
    working_pixels: int | None = None
    across_edges: bool = False

    @classmethod
    def load(cls, name_or_path: str | Path) -> ModelBundle:
        """Read a bundle and verify the hash of each of its files.

        Args:
            name_or_path: a folder, or the name of an installed bundle such as ``"default"``.

        Raises:
            BundleNotFoundError: no such bundle, or a file is missing.
            BundleManifestError: the manifest cannot be understood.
            BundleIntegrityError: a file was changed, or somebody else could change it.
        """
        folder = find_bundle(name_or_path)
        for place in (folder, folder / MANIFEST):
            require_trusted(place)
        manifest = _read_manifest(folder / MANIFEST)
        try:
            hashes: dict[str, str] = dict(manifest["files"])
            for name, sha256 in hashes.items():
                if Path(name).name != name:
                    raise ValueError(f"{name} is not a file name inside the bundle")
                _read_verified(folder / name, sha256)
            bundle = cls(
                name=_word(manifest["name"]),
                version=_word(manifest["version"]),
                path=folder,
                mde=_mde_engine(folder, manifest["mde"], hashes),
                mde_pixels=_whole(manifest["mde"]["pixels"], MOST_PIXELS),
                refinement=_engine(folder, manifest["refinement"], hashes),
                golden_path=folder / _listed(manifest["golden"]["file"], hashes),
                golden_tolerance=_tolerance(manifest["golden"]),
                working_pixels=_working_pixels(manifest["refinement"]),
                across_edges=_yes_or_no(manifest["refinement"].get("across_edges", False)),
            )
            if bundle.across_edges and bundle.working_pixels is None:
                raise ValueError("refinement: across_edges without pixels, of what is enlarged")
            if "fp16" in manifest:
                bundle = replace(bundle, fp16=_with_graphs(bundle, manifest["fp16"], hashes))
            if "int8" in manifest:
                quantized = _with_graphs(bundle, manifest["int8"], hashes)
                tolerance = _tolerance(manifest["int8"])
                quantized = replace(quantized, golden_tolerance=tolerance)
                bundle = replace(bundle, int8=quantized)
            return bundle
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise BundleManifestError(
                f"{folder / MANIFEST}: missing or wrong entry ({error!r:.300}); export the bundle "
                "again"
            ) from error

    def mde_size(self, height: int, width: int) -> tuple[int, int]:
        """Height and width at which the MDE sees an image of this size."""
        spec = self.mde
        return mde_input_size(
            height, width, self.mde_pixels, spec.multiple, spec.minimum, spec.maximum
        )

    def golden(self) -> GoldenPair:
        """Load the stored input and reference output.

        Raises:
            BundleManifestError: the file does not hold them.
        """
        spec = self.refinement
        return read_golden(self.golden_path, self.golden_tolerance, spec.minimum, spec.maximum)


def mde_input_size(
    height: int, width: int, pixels: int, multiple: int, minimum: int, maximum: int
) -> tuple[int, int]:
    """Height and width of about ``pixels`` pixels in the image's aspect ratio.

    Training uses it too, so that the refinement learns from what it will see.

    Args:
        height: of the image.
        width: of the image.
        pixels: about height times width of the result.
        multiple: both are multiples of this.
        minimum: of both.
        maximum: of both.
    """
    scale = math.sqrt(pixels / (height * width))

    def side(length: int) -> int:
        return min(max(round(length * scale / multiple) * multiple, minimum), maximum)

    return side(height), side(width)


def _engine(folder: Path, entry: dict[str, Any], hashes: dict[str, str]) -> EngineSpec:
    file = _listed(entry["file"], hashes)
    multiple = _whole(entry["multiple"], LARGEST_MINIMUM)
    minimum = _whole(entry["minimum"], LARGEST_MINIMUM)
    maximum = _whole(entry["maximum"], LARGEST_MAXIMUM)
    if minimum > maximum:
        raise ValueError(f"{file}: sizes {minimum} to {maximum}")
    return EngineSpec(folder / file, hashes[file], multiple, minimum, maximum)


def _mde_engine(folder: Path, entry: dict[str, Any], hashes: dict[str, str]) -> EngineSpec:
    """The image is resized for the MDE, so its limits have to be sizes that it takes."""
    engine = _engine(folder, entry, hashes)
    if engine.minimum % engine.multiple or engine.maximum % engine.multiple:
        raise ValueError(f"mde: minimum and maximum must be multiples of {engine.multiple}")
    return engine


def _working_pixels(entry: dict[str, Any]) -> int | None:
    return _whole(entry["pixels"], MOST_PIXELS) if "pixels" in entry else None


def _yes_or_no(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError(f"{value!r:.50} is neither true nor false")
    return value


def _with_graphs(bundle: ModelBundle, files: dict[str, Any], hashes: dict[str, str]) -> ModelBundle:
    """The bundle with other graphs, which take the same sizes."""

    def graph(spec: EngineSpec, file: str) -> EngineSpec:
        return replace(spec, path=bundle.path / _listed(file, hashes), sha256=hashes[file])

    mde, refinement = graph(bundle.mde, files["mde"]), graph(bundle.refinement, files["refinement"])
    return replace(bundle, mde=mde, refinement=refinement)


def _whole(number: Any, largest: int) -> int:
    """A positive number that is not so large that images of gigabytes would be made."""
    if not isinstance(number, (int, float)) or not 1 <= number <= largest or number != int(number):
        raise ValueError(f"{number!r:.50} is not a whole number from 1 to {largest}")
    return int(number)


def _tolerance(entry: dict[str, Any]) -> float:
    """With an infinite one nothing would be checked."""
    tolerance = float(entry["tolerance"])
    if not 0 < tolerance < math.inf:
        raise ValueError(f"{tolerance} is no tolerance")
    return tolerance


def _word(value: Any) -> str:
    """A name or version, which may look like a number."""
    if not isinstance(value, (str, int, float)) or not 0 < len(str(value)) <= LONGEST_WORD:
        raise ValueError(f"{value!r:.50} is no name or version")
    return str(value)


def _listed(file: str, hashes: dict[str, str]) -> str:
    """A file that is used must also be hashed."""
    if file not in hashes:
        raise ValueError(f"{file} has no hash under 'files'")
    return file


def _read_manifest(path: Path) -> dict[str, Any]:
    try:
        manifest = read_yaml(path)
    except (OSError, ValueError) as error:
        raise BundleManifestError(f"{path} cannot be read: {error}") from error
    schema = manifest.get("schema") if isinstance(manifest, dict) else None
    if not isinstance(schema, int):
        raise BundleManifestError(
            f"{path} is no manifest of a model bundle: the key 'schema' with a number is missing"
        )
    if schema > SCHEMA:
        raise BundleManifestError(
            f"{path} has schema {schema}, this starrygazer_ros knows {SCHEMA}: update "
            "starrygazer_ros, or use an older version of the bundle"
        )
    if schema < SCHEMA:
        raise BundleManifestError(
            f"{path} has schema {schema}, which this starrygazer_ros reads no more: export the "
            f"bundle again, for schema {SCHEMA}"
        )
    return dict(manifest)


def _read_verified(path: Path, sha256: str) -> bytes:
    try:
        require_trusted(path)
        content = path.read_bytes()
    except OSError as error:
        raise BundleNotFoundError(
            f"bundle file {path} cannot be read ({error.strerror}); reinstall the bundle"
        ) from error
    actual = hashlib.sha256(content).hexdigest()
    if actual != sha256:
        raise BundleIntegrityError(
            f"{path} was changed: SHA-256 {actual}, the manifest says {sha256}; "
            "reinstall the bundle, or export it again if you trained it"
        )
    return content
