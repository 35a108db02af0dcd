"""Files through which the three processes tell the orchestrating one what happened."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Values = dict[str, str]


@dataclass(frozen=True)
class Cloud:
    """A received point cloud.

    Attributes:
        points: float32 [N, 3] metres, optical frame; NaN = unknown.
        colours: uint8 [N, 3] RGB.
    """

    points: NDArray[np.float32]
    colours: NDArray[np.uint8]


class Exchange:
    """A folder that one run of the demo has for itself.

    Args:
        folder: existing folder; it also holds the arrays, which are large.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._sent = folder / "sent.jsonl"
        self._ready = folder / "recorder_ready"
        self._diagnostics = folder / "diagnostics.json"
        self._cloud = folder / "cloud.npz"

    # Written by the player

    def add_sent(self, stamp: int, index: int) -> None:
        """Note that the window ``index`` was published with ``stamp`` (nanoseconds)."""
        with self._sent.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"stamp": stamp, "index": index}) + "\n")

    def sent(self) -> dict[int, int]:
        """Window index by stamp."""
        if not self._sent.exists():
            return {}
        lines = self._sent.read_text(encoding="utf-8").split("\n")[:-1]  # whole lines only
        return {entry["stamp"]: entry["index"] for entry in map(json.loads, lines)}

    # Written by the recorder

    def set_recorder_ready(self) -> None:
        """The recorder is connected to the node."""
        self._ready.touch()

    @property
    def recorder_ready(self) -> bool:
        """The recorder is connected to the node."""
        return self._ready.exists()

    def add_depth(self, stamp: int, depth: NDArray[np.float32]) -> None:
        """Keep a dense depth, float32 [H, W] metres, 0 = unknown."""
        temporary = self.folder / f"{stamp}.partial"
        with temporary.open("wb") as file:
            np.save(file, depth, allow_pickle=False)
        os.replace(temporary, self.folder / f"{stamp}.npy")

    def depth_stamps(self) -> list[int]:
        """Stamps of all dense depth images, oldest first."""
        return sorted(int(path.stem) for path in self.folder.glob("*.npy"))

    def depth(self, stamp: int) -> NDArray[np.float32]:
        """One dense depth, float32 [H, W] metres, 0 = unknown."""
        depth: NDArray[np.float32] = np.load(self.folder / f"{stamp}.npy", allow_pickle=False)
        return depth

    def set_diagnostics(self, values: Values) -> None:
        """Keep the newest diagnostics of the node."""
        temporary = self._diagnostics.with_suffix(".partial")
        temporary.write_text(json.dumps(values), encoding="utf-8")
        os.replace(temporary, self._diagnostics)

    def diagnostics(self) -> Values:
        """The newest diagnostics of the node; empty before the first."""
        if not self._diagnostics.exists():
            return {}
        values: dict[str, Any] = json.loads(self._diagnostics.read_text(encoding="utf-8"))
        return values

    def set_cloud(self, cloud: Cloud) -> None:
        """Keep the last point cloud."""
        np.savez(self._cloud, points=cloud.points, colours=cloud.colours)

    def cloud(self) -> Cloud | None:
        """The last point cloud, if one came."""
        if not self._cloud.exists():
            return None
        with np.load(self._cloud, allow_pickle=False) as arrays:
            return Cloud(arrays["points"], arrays["colours"])
