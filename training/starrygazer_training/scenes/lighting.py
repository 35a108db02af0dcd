"""Random light."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Rng = np.random.Generator


def random_colour(rng: Rng, level: tuple[float, float]) -> NDArray[np.float64]:
    """Linear light float [3] with a slight cast; ``level`` is the range of its brightness."""
    return rng.uniform(*level) * rng.uniform(0.8, 1.2, 3)
