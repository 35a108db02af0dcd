"""KITTI depth completion (Uhrig et al., 3DV 2017), in the layouts of its development kit.

Depth is uint16 PNG, metres = value / 256, 0 = none (readme of the development kit).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from starrygazer_training.readers.calibration import read_kitti_calibration, read_matrix_text
from starrygazer_training.readers.errors import DatasetLayoutError
from starrygazer_training.readers.files import (
    describe_folder,
    read_depth_png,
    read_rgb,
    require_same,
    stems,
)
from starrygazer_training.readers.sample import Sample

UNITS_PER_METRE = 256
SPLITS = ("train", "val")
CAMERAS = ("image_02", "image_03")

_SELECTION = "val_selection_cropped"
_SELECTION_NAME = re.compile(r"(\d{4}_\d{2}_\d{2}_drive_\d{4}_sync)_(.+)_(\d{10}_image_0[23])")
_UNPACK_SELECTION = "Unpack data_depth_selection.zip again."


class KittiSelection:
    """The 1000 selected validation frames of 1216x352 pixels, ``val_selection_cropped``."""

    def __init__(self, path: Path) -> None:
        """Find the frames.

        Args:
            path: ``val_selection_cropped`` or one of the two folders above it.

        Raises:
            DatasetLayoutError: no such folder, or a frame without all its files.
        """
        self.name = "kitti-selection"
        root = _selection_root(path)
        if root is None:
            raise DatasetLayoutError(
                path,
                expected=f"{_SELECTION}/ with image/, velodyne_raw/ and groundtruth_depth/",
                found=describe_folder(path),
                remedy="Unpack data_depth_selection.zip and give the folder depth_selection. "
                "The anonymous test folders hold no ground truth and are not read.",
            )
        self._root = root
        frames = self._find("velodyne_raw", ".png", "velodyne_raw")
        for folder in ("image", "groundtruth_depth"):
            self._require_same(frames, folder, ".png", folder)
        # The intrinsics came later than the first release; the readme does not list them yet.
        self._has_intrinsics = (root / "intrinsics").is_dir()
        if self._has_intrinsics:
            self._require_same(frames, "intrinsics", ".txt", "image")
        self._frames = {f"{drive}_{rest}": (drive, rest) for drive, rest in sorted(frames)}
        self.keys = tuple(self._frames)

    @staticmethod
    def matches(path: Path) -> bool:
        """Whether the folder looks like this layout."""
        return _selection_root(path) is not None

    def load(self, key: str) -> Sample:
        """Read the frame ``<drive>_sync_<10 digits>_image_0<2|3>``; see CompletionDataset."""
        drive, rest = self._frames[key]

        def file(folder: str, kind: str, suffix: str = ".png") -> Path:
            return self._root / folder / f"{drive}_{kind}_{rest}{suffix}"

        source = file("image", "image")
        image = read_rgb(source)
        height, width = image.shape[:2]
        intrinsics = None
        if self._has_intrinsics:
            intrinsics = read_matrix_text(file("intrinsics", "image", ".txt"), width, height)
        return Sample(
            source,
            image,
            read_depth_png(file("velodyne_raw", "velodyne_raw"), UNITS_PER_METRE),
            read_depth_png(file("groundtruth_depth", "groundtruth_depth"), UNITS_PER_METRE),
            intrinsics,
        )

    def _find(self, folder: str, suffix: str, kind: str) -> set[tuple[str, str]]:
        """Drive and rest of the file names in a folder; the kind stands between the two."""
        frames = set()
        for stem in stems(self._root / folder, [suffix]):
            parts = _SELECTION_NAME.fullmatch(stem)
            if parts is None or parts[2] != kind:
                raise DatasetLayoutError(
                    self._root / folder,
                    expected=f"names such as 2011_09_26_drive_0002_sync_{kind}_0000000005_image_02",
                    found=stem,
                    remedy="Keep the official file names: " + _UNPACK_SELECTION,
                )
            frames.add((parts[1], parts[3]))
        if not frames:
            raise DatasetLayoutError(
                self._root / folder,
                expected=f"{suffix} files",
                found=describe_folder(self._root / folder),
                remedy=_UNPACK_SELECTION,
            )
        return frames

    def _require_same(
        self, frames: set[tuple[str, str]], folder: str, suffix: str, kind: str
    ) -> None:
        wanted, found = (
            {f"{drive}_{rest}" for drive, rest in some}
            for some in (frames, self._find(folder, suffix, kind))
        )
        here, reference = self._root / folder, self._root / "velodyne_raw"
        require_same(wanted, found, here, reference, _UNPACK_SELECTION)
        require_same(found, wanted, reference, here, _UNPACK_SELECTION)


@dataclass(frozen=True)
class _Camera:
    """Where the files of one camera of one drive lie."""

    sparse: Path
    depth: Path
    image: Path
    calibration: Path | None


class KittiDrives:
    """The full ``train`` and ``val`` trees with the photographs of KITTI raw."""

    def __init__(
        self,
        path: Path,
        split: str | None = None,
        raw: Path | str | None = None,
        cameras: Sequence[str] = CAMERAS,
        drives: Sequence[str] | None = None,
    ) -> None:
        """Find the frames; needs only folder listings.

        Args:
            path: folder that holds ``train/`` and ``val/``.
            split: ``train`` or ``val``; None = those that are there.
            raw: folder with KITTI raw's ``<date>/<drive>``; None = ``path``. Photographs copied to
                ``<split>/<drive>/image_0x/data`` are found too.
            cameras: ``image_02`` (left), ``image_03`` (right) or both.
            drives: names such as ``2011_09_26_drive_0001_sync``; None = all.

        Raises:
            DatasetLayoutError: another layout, or frames without all their files.
        """
        self.name = f"kitti-{split}" if split else "kitti"
        splits = [split] if split else [name for name in SPLITS if (path / name).is_dir()]
        if not _has_drives(path) or not set(splits) <= set(SPLITS):
            raise DatasetLayoutError(
                path,
                expected="train/ or val/ with <date>_drive_<number>_sync/proj_depth/"
                + (" and split to be train or val" if split else ""),
                found=describe_folder(path) + (f" and split {split}" if split else ""),
                remedy="Unpack data_depth_velodyne.zip and data_depth_annotated.zip into one "
                "folder and give that folder.",
            )
        self._frames: dict[str, _Camera] = {}
        cameras = [cameras] if isinstance(cameras, str) else cameras
        drives = [drives] if isinstance(drives, str) else drives
        for drive in _drives([path / name for name in splits], drives):
            for camera in cameras:
                self._find(drive, camera, Path(raw) if raw else path)
        if not self._frames:
            raise DatasetLayoutError(
                path,
                expected=f"depth of the cameras {', '.join(cameras)} in {' and '.join(splits)}",
                found="none",
                remedy="The cameras are a list of image_02 and image_03.",
            )
        self.keys = tuple(self._frames)

    @staticmethod
    def matches(path: Path) -> bool:
        """Whether the folder looks like this layout."""
        return _has_drives(path)

    def load(self, key: str) -> Sample:
        """Read the frame ``<split>/<drive>/image_0x/<10 digits>``; see CompletionDataset."""
        camera = self._frames[key]
        name = f"{key.rpartition('/')[2]}.png"
        source = camera.image / name
        image = read_rgb(source)
        height, width = image.shape[:2]
        intrinsics = None
        if camera.calibration is not None:
            intrinsics = read_kitti_calibration(
                camera.calibration, camera.sparse.name, width, height
            )
        return Sample(
            source,
            image,
            read_depth_png(camera.sparse / name, UNITS_PER_METRE),
            read_depth_png(camera.depth / name, UNITS_PER_METRE),
            intrinsics,
        )

    def _find(self, drive: Path, camera: str, raw: Path) -> None:
        """Add the frames of one camera of one drive."""
        sparse, depth = (drive / "proj_depth" / k / camera for k in ("velodyne_raw", "groundtruth"))
        if not sparse.is_dir() and not depth.is_dir():
            return
        for folder, archive in ((sparse, "velodyne"), (depth, "annotated")):
            if not folder.is_dir():
                raise DatasetLayoutError(
                    folder,
                    expected="a folder",
                    found="none",
                    remedy=f"Unpack data_depth_{archive}.zip into {drive.parents[1]}.",
                )
        frames = stems(sparse)
        unpack = "Unpack data_depth_velodyne.zip and data_depth_annotated.zip again."
        require_same(frames, stems(depth), depth, sparse, unpack)
        require_same(stems(depth), frames, sparse, depth, unpack)
        # In KITTI raw the drive lies in a folder named by its date, the name's first ten letters.
        homes = [raw / drive.name[:10] / drive.name, drive]
        image = next((h / camera / "data" for h in homes if (h / camera / "data").is_dir()), None)
        if image is None:
            raise DatasetLayoutError(
                drive / "proj_depth",
                expected=f"photographs in {' or '.join(str(h / camera / 'data') for h in homes)}",
                found="neither folder",
                remedy="Download this drive of KITTI raw (synced and rectified), give the folder "
                "of the dates as raw, or choose what you have with drives and cameras.",
            )
        require_same(frames, stems(image), image, sparse, "Download this drive of KITTI raw again.")
        calibrations = [homes[0].parent / "calib_cam_to_cam.txt", drive / "calib_cam_to_cam.txt"]
        found = next((c for c in calibrations if c.is_file()), None)
        where = _Camera(sparse, depth, image, found)
        for stem in frames:
            self._frames[f"{drive.parent.name}/{drive.name}/{camera}/{stem}"] = where


def _selection_root(path: Path) -> Path | None:
    for root in (path, path / _SELECTION, path / "depth_selection" / _SELECTION):
        if all((root / name).is_dir() for name in ("image", "velodyne_raw", "groundtruth_depth")):
            return root
    return None


def _has_drives(path: Path) -> bool:
    return any(next(path.glob(f"{split}/*_sync/proj_depth"), None) for split in SPLITS)


def _drives(splits: Sequence[Path], names: Sequence[str] | None) -> list[Path]:
    """Folders of the named drives, or of all."""
    present = {d.name: d for split in splits for d in sorted(split.glob("*_sync"))}
    if names is None:
        return list(present.values())
    require_same(
        names, present, splits[0].parent, Path("the list of drives"), "Check the drives' names."
    )
    return [present[name] for name in names]
