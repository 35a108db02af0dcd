"""Bundles of other speed from the weights of a bundle: another grid, another size for the MDE.

The refinement's weights are the same on a grid of any cells, so that nothing is trained again.
"""

from __future__ import annotations

from pathlib import Path

import yaml

from starrygazer_ros.completion import ModelBundle
from starrygazer_ros.completion.bundle import MANIFEST
from starrygazer_training.export import CARD, Network, write_bundle, write_card
from starrygazer_training.graph_weights import load_refinement
from starrygazer_training.refinement import Refinement


def regrid(
    source: str, output: Path, cell: int, mde_pixels: int | None = None, version: str | None = None
) -> None:
    """Write a bundle with the networks of another.

    Args:
        source: name or folder of a bundle that ``export`` or this function wrote.
        output: folder of the new bundle; may be that of the source.
        cell: pixels of the image on a side of the refinement's cells.
        mde_pixels: images are resized to about this many pixels for the MDE; as before by default.
        version: of the new bundle; as before by default.

    Raises:
        BundleError: the source is missing, malformed or was changed.
        ConfigError: its refinement is another network than that of this package.
    """
    bundle = ModelBundle.load(source)
    manifest = yaml.safe_load((bundle.path / MANIFEST).read_text(encoding="utf-8"))
    card = (bundle.path / CARD).read_text(encoding="utf-8")
    refinement = load_refinement(bundle.refinement.path, Refinement(cell=cell))
    pixels = mde_pixels or bundle.mde_pixels
    made_of = f"{bundle.name} {bundle.version}, refinement sha256 {bundle.refinement.sha256}"
    name, version = output.resolve().name, version or bundle.version
    write_bundle(
        output,
        name=name,
        version=version,
        mde=Network.given_mde(bundle.mde),
        mde_pixels=pixels,
        refinement=Network.refinement(refinement),
        training={**manifest["training"], "grid": {"cell": cell, "weights_of": made_of}},
        fp16=False,
    )
    write_card(output, _card(card, f"{name} {version}", cell, pixels, made_of))
    print(f"wrote {output}")


def _card(card: str, title: str, cell: int, pixels: int, made_of: str) -> str:
    """The source's card under another title, with what is different."""
    _, _, rest = card.partition("\n")
    graphs, heading, learned = rest.partition("\n## What it learned from")
    graphs, _, _ = graphs.partition("\n## What is different")  # of a bundle that was made so, too
    return (
        f"# Model card: {title}\n{graphs}\n## What is different\n\n"
        f"The weights are those of {made_of}; nothing was trained again. The refinement works on "
        f"cells of {cell}x{cell} pixels of the image, the MDE on about {pixels} pixels. What is "
        "said below of training, sizes and scores is of the bundle it was made from; the scores of "
        f"this one are in docs/accuracy.md and docs/speed.md.\n{heading}{learned}"
    )
