"""Where compiled engines are kept, by the XDG Base Directory Specification."""

from __future__ import annotations

import os
from pathlib import Path


def cache_folder(name: str) -> Path:
    """``$XDG_CACHE_HOME/starrygazer_ros/name``, without which ``~/.cache`` is meant; not made."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    # The specification has relative paths ignored.
    root = Path(base) if os.path.isabs(base) else Path.home() / ".cache"
    return root / "starrygazer_ros" / name
