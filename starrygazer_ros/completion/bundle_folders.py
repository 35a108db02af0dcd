"""Where model bundles are looked for by their names."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from starrygazer_ros.completion.errors import BundleNotFoundError

MANIFEST = "manifest.yaml"


def user_models() -> Path:
    """Where the user's own bundles lie, by the XDG Base Directory Specification."""
    base = os.environ.get("XDG_DATA_HOME", "")
    root = Path(base) if os.path.isabs(base) else Path.home() / ".local" / "share"
    return root / "starrygazer_ros" / "models"


def bundle_folders() -> Iterator[Path]:
    """Folders that may hold named bundles: source checkout, workspaces, installation, user's."""
    here = Path(__file__).resolve()
    yield here.parents[2] / "models"
    workspaces = [p for p in os.environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep) if p]
    # pip installs for the system, a user or a virtual environment into the prefix whose lib/ holds
    # this file, with --target beside the package.
    prefixes = [folder.parent for folder in here.parents if folder.name in ("lib", "lib64")]
    for prefix in [*map(Path, workspaces), here.parents[2], *prefixes[:1]]:
        yield prefix / "share" / "starrygazer_ros" / "models"
    yield user_models()


def find_bundle(name_or_path: str | Path) -> Path:
    """The folder of a bundle.

    Raises:
        BundleNotFoundError: there is none.
    """
    candidates = [Path(os.path.expanduser(name_or_path))]
    if Path(name_or_path).name == str(name_or_path):
        candidates = [*(folder / name_or_path for folder in bundle_folders()), *candidates]
    for candidate in candidates:
        if (candidate / MANIFEST).is_file():
            return candidate
    looked = ", ".join(dict.fromkeys(map(str, candidates)))
    found = sorted({path.parent.name for f in bundle_folders() for path in f.glob(f"*/{MANIFEST}")})
    advice = "reinstall the package"
    if found:
        advice = f"one of the names {', '.join(found)}"
    raise BundleNotFoundError(
        f"no model bundle '{name_or_path}': there is no {MANIFEST} in {looked}. "
        f"Give the path of a bundle folder, or {advice}."
    )
