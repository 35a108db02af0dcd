from __future__ import annotations

import pytest
from starrygazer_training.interpolation import centred_log
from starrygazer_training.refinement import Refined, Refinement
from torch import Tensor
from torch.nn import functional as F


@pytest.fixture
def small_refinement(monkeypatch: pytest.MonkeyPatch) -> None:
    """A refinement that is exported in seconds instead of minutes, for tests of what is around it.

    It has the weights of the real one and uses the first of them.
    """

    def refine(
        self: Refinement, image: Tensor, relative_depth: Tensor, sparse_depth: Tensor
    ) -> Refined:
        seen = self.stem(image - 0.5)
        enlarged = F.interpolate(seen, scale_factor=2.0)
        log_depth = 0.1 * (enlarged[:, :1] + relative_depth)
        return Refined(log_depth, enlarged[:, 1:2], centred_log(sparse_depth)[2], seen[:, 2:3])

    monkeypatch.setattr(Refinement, "refine", refine)
