"""Whether a file can have been put there by somebody else.

The hashes in a manifest tell a broken file, but who can write a model can write its manifest, too.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

from starrygazer_ros.completion.errors import BundleIntegrityError

ROOT = 0


def require_trusted(path: Path) -> None:
    """Accept what is as safe as this very code: of this user, of root, or of the code's owner.

    On file systems where everybody may write to everything, the code included, a model may be so,
    too. Symbolic links count as what they lead to: a workspace that is built with
    ``--symlink-install`` consists of them.

    Args:
        path: existing file or folder.

    Raises:
        BundleIntegrityError: it belongs to another user, or everybody may write to it.
        OSError: it cannot be looked at.
    """
    if not hasattr(os, "getuid"):  # no such owners on this system
        return
    status, code = path.stat(), Path(__file__).stat()
    if status.st_uid not in {os.getuid(), ROOT, code.st_uid}:
        raise BundleIntegrityError(
            f"{path} belongs to another user (uid {status.st_uid}), who could change what runs "
            "here: copy the bundle to a folder of yours, or chown it"
        )
    if status.st_mode & ~code.st_mode & stat.S_IWOTH:
        raise BundleIntegrityError(
            f"{path} can be written by everybody, so anyone could change what runs here: "
            f"chmod o-w {path}"
        )
