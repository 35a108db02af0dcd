"""A bundle that completes large images in fewer pixels, with the graphs of another."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Any

import yaml

from starrygazer_ros.completion import ModelBundle
from starrygazer_ros.completion.bundle import MANIFEST, MOST_PIXELS
from starrygazer_ros.own_models.bundle_files import CARD, make_golden_output, write_manifest
from starrygazer_ros.own_models.errors import OwnModelError


def resize(
    bundle: ModelBundle,
    folder: Path,
    pixels: int,
    mde_pixels: int | None = None,
    version: str | None = None,
) -> None:
    """Write a copy of a bundle that works in another size.

    Args:
        bundle: verified.
        folder: to make; must not exist. Its name is that of the new bundle.
        pixels: larger images are completed in about so many and then enlarged.
        mde_pixels: about how many the monocular network sees; as before by default.
        version: of the new bundle; as before by default.

    Raises:
        OwnModelError: the folder exists, or a graph takes no images of so few or many pixels.
    """
    if folder.exists():
        raise OwnModelError(f"{folder} exists: choose another name, or remove it")
    mde_pixels = mde_pixels or bundle.mde_pixels
    for given, graph in ((pixels, bundle.refinement), (mde_pixels, bundle.mde)):
        if not graph.minimum**2 <= given <= MOST_PIXELS:
            raise OwnModelError(
                f"{graph.path.name} of bundle '{bundle.name}' takes {graph.minimum**2} to "
                f"{MOST_PIXELS} pixels, not {given}"
            )
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".resizing-") as made:
        partial = Path(made) / folder.name
        shutil.copytree(bundle.path, partial)
        manifest = yaml.safe_load((partial / MANIFEST).read_text(encoding="utf-8"))
        manifest["name"] = folder.name
        manifest["version"] = version or bundle.version
        manifest["refinement"]["pixels"] = pixels
        manifest["mde"]["pixels"] = mde_pixels
        card = _card(bundle, folder.name, manifest)
        (partial / CARD).write_text(card, encoding="utf-8")
        files = dict.fromkeys((*manifest["files"], CARD))
        write_manifest(partial, manifest, files)
        make_golden_output(ModelBundle.load(partial))
        write_manifest(partial, manifest, files)
        partial.rename(folder)


def _card(bundle: ModelBundle, name: str, manifest: dict[str, Any]) -> str:
    """The card of the source under another title, with what is different."""
    path = bundle.path / CARD
    card = path.read_text(encoding="utf-8") if path.exists() else ""
    _, _, rest = card.partition("\n")
    pixels, mde_pixels = (manifest[graph]["pixels"] for graph in ("refinement", "mde"))
    return (
        f"# Model card: {name} {manifest['version']}\n\n## Working size\n\nThe graphs are those of "
        f"{bundle.name} {bundle.version}, unchanged. Images of more than {pixels} pixels are "
        f"completed in about so many, and the depth is enlarged; the MDE sees about {mde_pixels}. "
        f"What is said below, scores above all, is of {bundle.name}.\n{rest}"
    )
