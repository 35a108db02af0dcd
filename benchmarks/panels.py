"""One frame of the gallery: what was given, what two methods made of it, how wrong they are."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from starrygazer_ros.completion import Intrinsics, back_project
from starrygazer_ros.visualization import (
    DepthRange,
    colour_depth,
    colour_error,
    enlarge_points,
    render_points,
)

_WIDE = 2.0  # width over height from which on the panels stand in two columns
_NARROW_WIDTH, _WIDE_WIDTH = 440, 800  # of a panel, pixels
_CAPTION_HEIGHT = 26
_PAPER, _INK, _FAINT = (24, 24, 28), (238, 238, 238), (160, 160, 165)
_NOT_COMPARED = (72, 72, 80)
_FONT = cv2.FONT_HERSHEY_SIMPLEX
_YAW, _PITCH = 28.0, 14.0  # degrees; steep enough that points between two surfaces stand alone
_FEW_POINTS = 300  # fewer than these are drawn larger

Picture = NDArray[np.uint8]


@dataclass(frozen=True)
class Completed:
    """A method's result on the frame.

    Attributes:
        name: for the captions.
        depth: float32 [H, W] metres, NaN = unknown.
        rmse: metres, on the compared pixels.
        mae: metres.
    """

    name: str
    depth: NDArray[np.float32]
    rmse: float
    mae: float


@dataclass(frozen=True)
class Frame:
    """What a strip shows.

    Attributes:
        title: data set and sparsity.
        image: uint8 [H, W, 3] RGB.
        sparse_depth: float32 [H, W] metres, 0 = none.
        truth: float32 [H, W] metres, 0 = unknown.
        intrinsics: for the point cloud.
        ours: our result.
        baseline: the one it stands beside.
        confidence: float32 [H, W] in 0..1, of ours.
    """

    title: str
    image: NDArray[np.uint8]
    sparse_depth: NDArray[np.float32]
    truth: NDArray[np.float32]
    intrinsics: Intrinsics
    ours: Completed
    baseline: Completed
    confidence: NDArray[np.float32]


def strip(frame: Frame) -> Picture:
    """Ten panels: in two rows, or in two columns for wide images.

    Image and sparse depth, then the depth and the error of both methods, the confidence and the
    legend, the point clouds of both methods. Depths share one colour scale, errors another.

    Returns:
        uint8 [H, W, 3] RGB.
    """
    height, width = frame.sparse_depth.shape
    panel_width = _WIDE_WIDTH if width > _WIDE * height else _NARROW_WIDTH
    size = (panel_width, round(panel_width * height / width))
    scale = width / panel_width  # points would vanish when a large image is shrunk
    span, limit = _depth_range(frame), _error_limit(frame)
    ours, baseline = frame.ours, frame.baseline
    clouds = _clouds(frame, size)
    pairs = [
        (
            ("image", frame.image),
            _sparse(frame, span, scale),
        ),
        *(
            (
                (method.name, colour_depth(method.depth, span)),
                (
                    f"error of {method.name}: RMSE {method.rmse:.3f} m",
                    _error(method.depth, frame.truth, limit, scale),
                ),
            )
            for method in (ours, baseline)
        ),
        (
            (f"points of {ours.name}, from the side", clouds[0]),
            (f"points of {baseline.name}, from the side", clouds[1]),
        ),
        (
            (f"confidence of {ours.name}", _coloured(frame.confidence, cv2.COLORMAP_VIRIDIS)),
            (frame.title, _legend(frame, span, limit, size)),
        ),
    ]
    panels = [[_panel(caption, picture, size) for caption, picture in pair] for pair in pairs]
    if panel_width == _WIDE_WIDTH:
        return np.vstack([np.hstack(pair) for pair in panels])
    return np.hstack([np.vstack(pair) for pair in panels])


def _depth_range(frame: Frame) -> DepthRange:
    """Of the truth, or of the sparse points where the truth is only a few points more."""
    return DepthRange.of(np.where(frame.truth > 0, frame.truth, frame.sparse_depth))


def _error_limit(frame: Frame) -> float:
    """What 95% of the errors of the worse method stay below, rounded up to one digit."""
    known = frame.truth > 0
    errors = [np.abs(m.depth - frame.truth)[known] for m in (frame.ours, frame.baseline)]
    limit = max(float(np.nanpercentile(error, 95)) for error in errors)
    digit = 10 ** np.floor(np.log10(max(limit, 1e-3)))
    return float(np.ceil(limit / digit - 1e-3) * digit) or 1e-3  # 0.2000001 is 0.2


def _sparse(frame: Frame, span: DepthRange, scale: float) -> tuple[str, Picture]:
    points = int(np.count_nonzero(frame.sparse_depth > 0))
    enlarged = enlarge_points(frame.sparse_depth, _point_size(points, scale))
    return f"sparse depth, {points} points", colour_depth(enlarged, span)


def _point_size(points: int, scale: float) -> int:
    """Side of the square drawn for a point, in image pixels."""
    return max(1, round((7 if points < _FEW_POINTS else 3) * scale))


def _error(
    depth: NDArray[np.float32], truth: NDArray[np.float32], limit: float, scale: float
) -> Picture:
    """Errors in colour; where nothing is compared, a grey that is not in the scale."""
    known = (truth > 0) & np.isfinite(depth)
    error = np.where(known, np.abs(depth - truth), np.float32(-1))
    if known.mean() < 0.3:  # single points
        side = _point_size(int(np.count_nonzero(known)), scale)
        error = cv2.dilate(error, np.ones((side, side), np.uint8))
    known = error >= 0
    coloured = colour_error(np.where(known, error, np.float32(np.nan)), limit)
    return np.where(known[..., None], coloured, _NOT_COMPARED).astype(np.uint8)


def _clouds(frame: Frame, size: tuple[int, int]) -> tuple[Picture, Picture]:
    """Both methods' point clouds from the same viewpoint, in the same cut.

    Rows above the topmost sparse point are left out: what a method says about the sky would hide
    the rest.
    """
    camera = frame.intrinsics
    top = int(np.argmax((frame.sparse_depth > 0).any(axis=1)))
    # A canvas of twice the size, because the turned cloud leaves the image's frame.
    viewer = Intrinsics(
        camera.fx, camera.fy, camera.width, camera.height, 2 * camera.width, 2 * camera.height
    )
    colours = frame.image[top:].reshape(-1, 3)
    canvases = []
    for method in (frame.ours, frame.baseline):
        points = back_project(method.depth, camera)[top:].reshape(-1, 3)
        canvases.append(render_points(points, colours, viewer, _YAW, _PITCH))
    drawn = (canvases[0] != _PAPER).any(axis=2) | (canvases[1] != _PAPER).any(axis=2)
    cut = _cut(drawn, size)
    return canvases[0][cut], canvases[1][cut]


def _cut(drawn: NDArray[np.bool_], size: tuple[int, int]) -> tuple[slice, slice]:
    """The part of a canvas with nearly all that is drawn on it, in the shape of a panel."""
    rows, columns = np.nonzero(drawn)
    top, bottom = np.quantile(rows, (0.005, 0.995))
    left, right = np.quantile(columns, (0.005, 0.995))
    height = 1.04 * max(bottom - top, (right - left) * size[1] / size[0])
    height = min(height, drawn.shape[0], drawn.shape[1] * size[1] / size[0])
    width = height * size[0] / size[1]
    first_row = int(np.clip((top + bottom - height) / 2, 0, drawn.shape[0] - height))
    first_column = int(np.clip((left + right - width) / 2, 0, drawn.shape[1] - width))
    return (
        slice(first_row, first_row + round(height)),
        slice(first_column, first_column + round(width)),
    )


def _legend(frame: Frame, span: DepthRange, limit: float, size: tuple[int, int]) -> Picture:
    """The three colour scales, and both methods in numbers."""
    width, height = size
    legend = np.full((height, width, 3), _PAPER, np.uint8)
    ramp = np.linspace(0, 1, width - 40, dtype=np.float32)[None, :]
    depths = np.exp(
        np.log(span.nearest) + ramp * (np.log(span.farthest) - np.log(span.nearest))
    ).astype(np.float32)
    middle = float(np.sqrt(span.nearest * span.farthest))
    scales = (
        (
            "depth [m], logarithmic",
            colour_depth(depths, span),
            [f"{d:.3g}" for d in (span.nearest, middle, span.farthest)],
        ),
        (
            "absolute error [m]; grey: nothing to compare with",
            colour_error(ramp * limit, limit),
            ["0", f"{limit / 2:g}", f"{limit:g} and more"],
        ),
        ("confidence", _coloured(ramp, cv2.COLORMAP_VIRIDIS), ["0", "0.5", "1"]),
    )
    v = 8
    for method in (frame.ours, frame.baseline):
        v += 18
        _write(legend, f"{method.name}: RMSE {method.rmse:.3f} m, MAE {method.mae:.3f} m", 20, v)
    for name, colours, ticks in scales:
        _write(legend, name, 20, v + 24, _FAINT)
        legend[v + 30 : v + 40, 20 : width - 20] = colours
        for tick, share in zip(ticks, (0.0, 0.5, 1.0), strict=True):
            length = cv2.getTextSize(tick, _FONT, 0.4, 1)[0][0]
            _write(legend, tick, round(20 + share * (width - 40 - length)), v + 54, size=0.4)
        v += 52
    return legend


def _coloured(values: NDArray[np.float32], colour_map: int) -> Picture:
    steps = np.rint(np.clip(values, 0, 1) * 255).astype(np.uint8)
    return np.asarray(
        cv2.cvtColor(cv2.applyColorMap(steps, colour_map), cv2.COLOR_BGR2RGB), np.uint8
    )


def _panel(caption: str, picture: Picture, size: tuple[int, int]) -> Picture:
    """A picture of the panel's size under its caption, with a thin gap around."""
    shrinks = picture.shape[1] > size[0]
    resized = cv2.resize(
        picture, size, interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_NEAREST
    )
    bar = np.full((_CAPTION_HEIGHT, size[0], 3), _PAPER, np.uint8)
    _write(bar, caption, 6, _CAPTION_HEIGHT - 8)
    return cv2.copyMakeBorder(
        np.vstack([bar, resized]), 0, 3, 0, 3, cv2.BORDER_CONSTANT, value=_PAPER
    )


def _write(
    picture: Picture,
    text: str,
    u: int,
    v: int,
    colour: tuple[int, int, int] = _INK,
    size: float = 0.46,
) -> None:
    cv2.putText(picture, text, (u, v), _FONT, size, colour, 1, cv2.LINE_AA)
