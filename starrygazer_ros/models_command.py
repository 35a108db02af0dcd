"""The command ``starrygazer models``: bundles that are there, and new ones."""

from __future__ import annotations

import argparse
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from starrygazer_ros.completion import CompletionError, ModelBundle
from starrygazer_ros.completion.bundle_folders import MANIFEST, bundle_folders, user_models
from starrygazer_ros.console import EXIT_OK, positive_integer, positive_number, say
from starrygazer_ros.files import KITTI_DEPTH_SCALE, read_image, read_sparse_depth
from starrygazer_ros.own_models.resizing import resize

_SAMPLE_LINES = 32


class ModelsCommandError(CompletionError):
    """The command cannot do what it is asked for."""

    cause = "models_command"


def add_models_command(commands: Any) -> None:
    """Add the command to the subparsers of ``starrygazer``."""
    parser = commands.add_parser(
        "models", help="model bundles: list, add your own network, make faster ones"
    )
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    listing = actions.add_parser("list", help="bundles that are found by name")
    listing.set_defaults(run=_list)
    adding = actions.add_parser(
        "add",
        help="make a bundle with a monocular network of your own",
        description="Wraps the ONNX file of a monocular depth network, such as Depth Anything V2 "
        "Small, into a bundle with the refinement of another one. What normalisation it expects "
        "and whether larger means nearer is found out on a sample with measured depth.",
    )
    adding.set_defaults(run=_add)
    adding.add_argument("name", metavar="NAME", help="of the new bundle")
    adding.add_argument("--mde", type=Path, required=True, metavar="ONNX", help="the network")
    adding.add_argument("--mde-output", metavar="OUTPUT", help="if the network has several")
    adding.add_argument(
        "--pixels",
        type=positive_integer,
        metavar="N",
        help="about how many the network sees of an image",
    )
    adding.add_argument(
        "--sample",
        type=Path,
        nargs=2,
        metavar=("IMAGE", "SPARSE"),
        help="image and its sparse depth (default: the photograph of the demo, from scikit-image)",
    )
    adding.add_argument(
        "--depth-scale",
        type=positive_number,
        default=KITTI_DEPTH_SCALE,
        metavar="STEPS",
        help="steps per metre if SPARSE is a PNG (default: %(default)g)",
    )
    adding.add_argument(
        "--refinement", default="default", metavar="BUNDLE", help="whose refinement is taken"
    )
    adding.add_argument(
        "--output", type=Path, metavar="FOLDER", help=f"default: {user_models()}{os.sep}NAME"
    )
    resizing = actions.add_parser(
        "resize",
        help="make a bundle that completes large images in fewer pixels: faster, less accurate",
        description="Copies a bundle. The new one shrinks images to about so many pixels, "
        "completes them and enlarges the depth again.",
    )
    resizing.set_defaults(run=_resize)
    resizing.add_argument("bundle", metavar="BUNDLE", help="name or folder")
    resizing.add_argument("folder", type=Path, metavar="FOLDER", help="of the new bundle")
    resizing.add_argument(
        "--pixels", type=positive_integer, required=True, metavar="N", help="of the smaller images"
    )
    resizing.add_argument(
        "--mde-pixels",
        type=positive_integer,
        metavar="N",
        help="about how many the monocular network sees (default: as many as before)",
    )
    resizing.add_argument("--version", help="of the new bundle (default: as before)")
    quantizing = actions.add_parser(
        "quantize",
        help="make a bundle that can also compute in int8, calibrated on your frames",
        description="Copies a bundle and adds its refinement with convolutions in int8, whose "
        "ranges are those on frames of your camera and LiDAR. It runs with precision:=int8.",
    )
    quantizing.set_defaults(run=_quantize)
    quantizing.add_argument("bundle", metavar="BUNDLE", help="name or folder")
    quantizing.add_argument("folder", type=Path, metavar="FOLDER", help="of the new bundle")
    quantizing.add_argument(
        "--frames",
        type=Path,
        required=True,
        metavar="FOLDER",
        help="with image/ and sparse/, whose files have the same stems; a dozen is enough",
    )
    quantizing.add_argument(
        "--depth-scale",
        type=positive_number,
        default=KITTI_DEPTH_SCALE,
        metavar="STEPS",
        help="steps per metre if sparse/ holds PNG files (default: %(default)g)",
    )


def _list(_options: argparse.Namespace) -> int:
    seen = set()
    for folder in bundle_folders():
        for manifest in sorted(folder.glob(f"*/{MANIFEST}")):
            if manifest.parent.name in seen:
                continue  # the first is the one that is found
            seen.add(manifest.parent.name)
            try:
                bundle = ModelBundle.load(manifest.parent)
                about = f"{bundle.name} {bundle.version}"
            except CompletionError as error:
                about = f"cannot be used: {error}"
            print(f"{manifest.parent.name}: {about} ({manifest.parent})")
    return EXIT_OK


@contextmanager
def _packages_needed() -> Iterator[None]:
    """Say what to install where the packages of the extra ``models`` are missing."""
    try:
        yield
    except ModuleNotFoundError as error:
        if error.name and error.name.startswith("starrygazer_ros"):
            raise
        raise ModelsCommandError(
            f"this needs the package {error.name}: pip install onnx scikit-image"
        ) from error


@contextmanager
def _told_if_unwritable(folder: Path) -> Iterator[None]:
    """What goes wrong while a bundle is made is told in one line; nothing of it is left."""
    try:
        yield
    except CompletionError:  # some of which are errors of the system, too
        raise
    except OSError as error:
        reason = error.strerror
        if isinstance(error, shutil.Error):  # of a copied folder: the first of many files
            reason = error.args[0][0][2]
        raise ModelsCommandError(f"{folder} cannot be made: {reason or error}") from error


def _add(options: argparse.Namespace) -> int:
    if Path(options.name).name != options.name or options.name.startswith("."):
        raise ModelsCommandError(f"{options.name} is no name: choose one without slashes")
    with _packages_needed():
        from starrygazer_ros.own_models.bundling import add_model
    image, sparse_depth = _sample(options)
    folder = options.output or user_models() / options.name
    with _told_if_unwritable(folder):
        added = add_model(
            options.name,
            options.mde,
            folder,
            image,
            sparse_depth,
            options.refinement,
            options.mde_output,
            options.pixels,
        )
    found = added.probe
    gives = "depth" if found.gives_depth else "inverse depth"
    print(
        f"{options.mde.name}: takes {found.normalisation.name}, gives {gives} (rank correlation "
        f"{found.correlation:.2f}); on held-out points of the sample RMSE {added.error:.3f} m, of "
        f"bundle {options.refinement} {added.reference_error:.3f} m -> {added.folder}"
    )
    return EXIT_OK


def _resize(options: argparse.Namespace) -> int:
    bundle = ModelBundle.load(options.bundle)
    with _told_if_unwritable(options.folder):
        resize(bundle, options.folder, options.pixels, options.mde_pixels, options.version)
    mde_pixels = options.mde_pixels or bundle.mde_pixels
    print(
        f"completes images in about {options.pixels} pixels, the monocular network sees "
        f"{mde_pixels} (--mde-pixels) -> {options.folder}"
    )
    return EXIT_OK


def _quantize(options: argparse.Namespace) -> int:
    with _packages_needed():
        from starrygazer_ros.own_models.quantizing import quantize
    pairs = _pairs(options.frames)
    frames = (
        (read_image(image), _read_sparse_depth(sparse, options.depth_scale))
        for image, sparse in pairs
    )
    bundle = ModelBundle.load(options.bundle)
    with _told_if_unwritable(options.folder):
        made = quantize(bundle, frames, options.frames.name, options.folder)
    print(
        f"calibrated on {made.frames} frames; on the golden input the depth differs from fp32 by "
        f"{made.difference:.1%} at most -> {made.folder}, with precision:=int8"
    )
    return EXIT_OK


def _pairs(folder: Path) -> list[tuple[Path, Path]]:
    """Images and sparse depths with the same stems."""
    images, sparse = (
        {file.stem: file for file in sorted((folder / name).glob("*.*"))}
        for name in ("image", "sparse")
    )
    pairs = [(images[stem], sparse[stem]) for stem in images if stem in sparse]
    if not pairs:
        raise ModelsCommandError(
            f"{folder} has no frames: put images into {folder / 'image'} and their sparse depth "
            f"into {folder / 'sparse'}, both with the same names"
        )
    return pairs


def _read_sparse_depth(path: Path, scale: float) -> NDArray[np.float32]:
    return read_sparse_depth(
        path, scale, lambda count: say(f"note: {path}: {count} negative values are taken as none")
    )


def _sample(options: argparse.Namespace) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    if options.sample:
        image, sparse = options.sample
        return read_image(image), _read_sparse_depth(sparse, options.depth_scale)
    from starrygazer_ros.demo.photographs import motorcycle
    from starrygazer_ros.demo.scan_lines import scan_lines

    try:
        photograph = motorcycle()
    except (ImportError, OSError) as error:
        raise ModelsCommandError(
            f"there is no sample ({error}): give --sample IMAGE SPARSE, or pip install scikit-image"
        ) from error
    sparse_depth = scan_lines(photograph.depth, _SAMPLE_LINES, photograph.intrinsics)
    return photograph.image, sparse_depth
