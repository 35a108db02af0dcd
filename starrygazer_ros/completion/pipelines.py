"""The method between checked input and raw output: resizing, padding, the two engines."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from starrygazer_ros.completion.bundle import EngineSpec, ModelBundle
from starrygazer_ros.completion.errors import BundleGraphError
from starrygazer_ros.completion.stage_clock import StageClock

if TYPE_CHECKING:
    from starrygazer_ros.backends import Engine


@dataclass(frozen=True, eq=False)
class Prediction:
    """What the engines make of one image, all float32 [H, W]; whoever gets it may change it.

    Attributes:
        depth: metres; not finite or not positive where nothing is known.
        confidence: 0..1.
        relative_depth: relative inverse depth, larger = nearer; ``None`` if it was not wanted.
    """

    depth: NDArray[np.float32]
    confidence: NDArray[np.float32]
    relative_depth: NDArray[np.float32] | None


class Pipeline(Protocol):
    """A bundle's two engines, loaded, and everything between them."""

    @property
    def description(self) -> str:
        """Back end, version, device and precision that really run."""

    def run(
        self,
        image: NDArray[np.uint8],
        sparse_depth: NDArray[np.float32],
        clock: StageClock,
        relative_depth: bool = True,
    ) -> Prediction:
        """Predict the depth of one image.

        Args:
            image: uint8 [H, W, 3] RGB.
            sparse_depth: float32 [H, W] metres, 0 = none.
            clock: is told the end of the stages ``prepare_mde``, ``mde``, ``prepare_refinement``
                and ``refinement``, or those of its own.
            relative_depth: it is wanted, too; a device need not send it otherwise.

        Raises:
            InferenceError: the back end failed.
            BundleGraphError: a graph gives something else than the contract says.
        """


class HostPipeline:
    """Two engines that take and give arrays of the host.

    Args:
        bundle: whose graphs they run.
        mde: the monocular depth engine.
        refinement: the refinement engine.

    Attributes:
        mde: as given.
        refinement: as given.

    Raises:
        BundleGraphError: a graph has other inputs or outputs than the contract.
    """

    def __init__(self, bundle: ModelBundle, mde: Engine, refinement: Engine) -> None:
        _check_graph(mde, bundle.mde, {"image"}, {"relative_depth"})
        inputs = {"image", "relative_depth", "sparse_depth"}
        _check_graph(refinement, bundle.refinement, inputs, {"depth", "confidence"})
        self._bundle = bundle
        self.mde = mde
        self.refinement = refinement

    @property
    def description(self) -> str:
        """See :class:`Pipeline`."""
        return self.refinement.description

    def run(
        self,
        image: NDArray[np.uint8],
        sparse_depth: NDArray[np.float32],
        clock: StageClock,
        relative_depth: bool = True,
    ) -> Prediction:
        """See :class:`Pipeline`."""
        height, width = sparse_depth.shape
        mde_input = to_tensor(_resize(image, *self._bundle.mde_size(height, width)))
        clock.lap("prepare_mde")

        found = self.mde.run({"image": mde_input})["relative_depth"]
        _check_output("relative_depth", found)
        clock.lap("mde")

        resized = _resize(found[0, 0], height, width)
        spec = self._bundle.refinement
        more = spec.filled(height) - height, spec.filled(width) - width
        refinement_inputs = {
            "image": to_tensor(_pad(image, *more)),
            "relative_depth": _pad(resized, *more)[None, None],
            "sparse_depth": _pad(sparse_depth, *more, cv2.BORDER_CONSTANT)[None, None],
        }
        clock.lap("prepare_refinement")

        outputs = self.refinement.run(
            {name: refinement_inputs[name] for name in self.refinement.inputs}
        )
        for name in ("depth", "confidence"):
            _check_output(name, outputs[name], refinement_inputs["sparse_depth"].shape)
        clock.lap("refinement")
        depth, confidence = (
            outputs[name][0, 0, :height, :width] for name in ("depth", "confidence")
        )
        return Prediction(depth, confidence, resized if relative_depth else None)


def _check_graph(engine: Engine, spec: EngineSpec, inputs: set[str], outputs: set[str]) -> None:
    """Inputs that a graph does not read may be missing: OpenVINO removes them."""
    if not engine.inputs <= inputs or engine.outputs != outputs:
        raise BundleGraphError(
            f"{spec.path} maps {sorted(engine.inputs)} to {sorted(engine.outputs)}, expected "
            f"{sorted(inputs)} to {sorted(outputs)}: export the bundle again"
        )


def _check_output(name: str, values: object, shape: tuple[int, ...] | None = None) -> None:
    """Only running a graph shows what its outputs really are.

    Args:
        name: of the output.
        values: what the engine gave, expected to be float32 [1, 1, H, W].
        shape: that it has to have; ``None`` = of any height and width.
    """
    if isinstance(values, np.ndarray):
        wanted = shape or (1, 1, *values.shape[2:4])
        if (
            values.dtype == np.float32
            and values.shape == wanted
            and len(wanted) == 4
            and values.size
        ):
            return
        given = f"{values.dtype} {list(values.shape)}"
    else:
        given = f"a {type(values).__name__}"
    size = list(shape) if shape else "[1, 1, H, W]"
    raise BundleGraphError(
        f"the graph gives {name} as {given}, expected float32 {size}: export the bundle again"
    )


def _resize(array: NDArray, height: int, width: int) -> NDArray:  # type: ignore[type-arg]
    if array.shape[:2] == (height, width):
        return array
    shrinks = height < array.shape[0]
    return cv2.resize(
        array, (width, height), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    )


def _pad(
    array: NDArray,  # type: ignore[type-arg]
    below: int,
    right: int,
    border: int = cv2.BORDER_REPLICATE,
) -> NDArray:  # type: ignore[type-arg]
    """With more rows and columns: the last ones repeated, or zeros (``BORDER_CONSTANT``)."""
    if below == right == 0:
        return array
    return cv2.copyMakeBorder(array, 0, below, 0, right, border)


def to_tensor(image: NDArray[np.uint8]) -> NDArray[np.float32]:
    """RGB uint8 [H, W, 3] to float32 [1, 3, H, W] in 0..1."""
    tensor = np.empty((1, 3, *image.shape[:2]), np.float32)
    # By hand, because blobFromImage of OpenCV 5 takes ten times as long for the same.
    for values, channel in zip(tensor[0], cv2.split(image), strict=True):
        np.multiply(channel, np.float32(1 / 255), out=values)
    return tensor
