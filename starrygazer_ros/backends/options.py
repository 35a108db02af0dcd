"""What users may set about engines."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from starrygazer_ros.backends.names import AUTO

Say = Callable[[str], None]
"""Is told what takes long, a sentence each."""


def say_nothing(sentence: str) -> None:
    """For those who do not want to know."""


@dataclass(frozen=True)
class EngineOptions:
    """Settings beside the back end and its threads.

    Attributes:
        precision: one of :data:`~starrygazer_ros.backends.names.PRECISIONS`; ``auto`` is, where the
            bundle has graphs of it, int8 on a CPU that multiplies bytes fast and fp16 on a GPU,
            else fp32.
        max_height: of the images that a TensorRT plan takes.
        max_width: of these images.
        workspace_mib: memory that a layer may use for its work on a GPU [MiB].
    """

    precision: str = AUTO
    max_height: int = 1088
    max_width: int = 1920
    workspace_mib: int = 2048
