"""Camera models: points in front of a camera to pixels, with the distortion of its lens.

The formulas are those of OpenCV's calib3d and fisheye modules, which CameraInfo refers to.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.polynomial import Polynomial
from numpy.typing import NDArray

from starrygazer_ros.completion.geometry import Intrinsics

Float = NDArray[np.floating]
MODELS = ("pinhole", "plumb_bob", "rational_polynomial", "equidistant")


FARTHEST_CAMERA = 1e3  # metres from the first camera of its rig


class Distortion(Protocol):
    """What a lens does to the normalised image plane, the plane z = 1."""

    @property
    def limit(self) -> float:
        """Distance from the axis up to which farther out stays farther out.

        Beyond it the polynomial, which was fitted to what the camera sees, turns back and would
        fold points into the image that are nowhere near it.
        """

    def distort(self, x: Float, y: Float) -> tuple[Float, Float]:
        """Where points of the plane, [N] each, appear in it."""


@dataclass(frozen=True)
class RadialTangential:
    """Distortion of ``plumb_bob`` and ``rational_polynomial`` (OpenCV, calib3d).

    Attributes:
        radial: k1, k2, k3.
        tangential: p1, p2.
        denominator: k4, k5, k6, zero for ``plumb_bob``.
        limit: see :class:`Distortion`; of the radial part, which outweighs the tangential one.
    """

    radial: tuple[float, float, float]
    tangential: tuple[float, float]
    denominator: tuple[float, float, float] = (0.0, 0.0, 0.0)
    limit: float = field(init=False)

    def __post_init__(self) -> None:
        # r N(s) / D(s) with s = r²; the sign of its derivative is that of this numerator.
        above, below = Polynomial([1.0, *self.radial]), Polynomial([1.0, *self.denominator])
        slope = above * below + Polynomial([0.0, 2.0]) * (
            above.deriv() * below - above * below.deriv()
        )
        limit = min(_smallest_root(slope), _smallest_root(below)) ** 0.5
        object.__setattr__(self, "limit", limit)

    def distort(self, x: Float, y: Float) -> tuple[Float, Float]:
        """See :class:`Distortion`."""
        k1, k2, k3 = self.radial
        p1, p2 = self.tangential
        xx, yy, xy = x * x, y * y, x * y
        r2 = xx + yy
        scale = 1 + r2 * (k1 + r2 * (k2 + r2 * k3))
        if any(self.denominator):
            k4, k5, k6 = self.denominator
            scale /= 1 + r2 * (k4 + r2 * (k5 + r2 * k6))
        return (
            x * scale + 2 * p1 * xy + p2 * (r2 + 2 * xx),
            y * scale + p1 * (r2 + 2 * yy) + 2 * p2 * xy,
        )


@dataclass(frozen=True)
class Equidistant:
    """Distortion of a fisheye lens (Kannala and Brandt 2006; OpenCV, fisheye).

    Attributes:
        coefficients: k1 to k4.
        limit: see :class:`Distortion`.
    """

    coefficients: tuple[float, float, float, float]
    limit: float = field(init=False)

    def __post_init__(self) -> None:
        slope = Polynomial([1.0, *((2 * i + 3) * k for i, k in enumerate(self.coefficients))])
        angle = _smallest_root(slope) ** 0.5
        object.__setattr__(self, "limit", np.tan(angle) if angle < np.pi / 2 else float("inf"))

    def distort(self, x: Float, y: Float) -> tuple[Float, Float]:
        """See :class:`Distortion`."""
        k1, k2, k3, k4 = self.coefficients
        r = np.sqrt(x * x + y * y)
        angle = np.arctan(r)
        squared = angle * angle
        distorted = angle * (1 + squared * (k1 + squared * (k2 + squared * (k3 + squared * k4))))
        # On the axis itself the ratio is 1.
        scale = np.divide(distorted, r, out=np.ones_like(r), where=r > 0)
        return x * scale, y * scale


@dataclass(frozen=True, eq=False)
class Camera:
    """A calibrated camera.

    Attributes:
        intrinsics: of the image that depth is wanted for.
        distortion: of its lens; ``None`` for a rectified image.
        from_frame: float64 [4, 4], from the frame that points are given in to the camera. Only a
            stereo camera needs it: rotated against the rectified frame, or beside its origin.
    """

    intrinsics: Intrinsics
    distortion: Distortion | None = None
    from_frame: NDArray[np.float64] = field(default_factory=lambda: np.eye(4))

    def project(self, points: Float) -> Float:
        """Pixels at which points appear.

        Args:
            points: float [N, 3], metres in the camera's optical frame, behind ``from_frame``.

        Returns:
            float [N, 2] of the same type, column and row with pixel centres at integers, which may
            lie outside the image; NaN for what is not in front of the camera or beyond the range
            of the distortion.
        """
        x, y, z = points.T
        pixels = np.empty((len(points), 2), points.dtype, order="F")
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            x, y = x / z, y / z
            seen = z > 0
            if self.distortion is not None:
                if np.isfinite(self.distortion.limit):
                    seen &= x * x + y * y < self.distortion.limit**2
                x, y = self.distortion.distort(x, y)
            np.multiply(x, self.intrinsics.fx, out=pixels[:, 0])
            np.multiply(y, self.intrinsics.fy, out=pixels[:, 1])
            pixels[:, 0] += self.intrinsics.cx
            pixels[:, 1] += self.intrinsics.cy
        pixels[~seen] = np.nan
        return pixels


def raw_camera(
    intrinsics: Intrinsics,
    model: str,
    coefficients: Sequence[float],
    rectification: NDArray[np.float64] | None = None,
) -> Camera:
    """The camera of an image as it was taken.

    Args:
        intrinsics: of K.
        model: one of ``MODELS``.
        coefficients: D in OpenCV's order; trailing zeros may be left out or added.
        rectification: R, float [3, 3], from the camera to its rectified frame, in which points are
            given; ``None`` = the same frame.

    Raises:
        ValueError: the model is unknown, a coefficient is not finite or one too many, or R is no
            rotation.
    """
    distortion = make_distortion(model, coefficients)
    if rectification is None:
        return Camera(intrinsics, distortion)
    _check_rotation(rectification, "rectification matrix R")
    from_frame = np.eye(4)
    from_frame[:3, :3] = rectification.T
    return Camera(intrinsics, distortion, from_frame)


def rectified_camera(projection: NDArray[np.float64], width: int, height: int) -> Camera:
    """The camera of a rectified image.

    Args:
        projection: P, float [3, 4]; its last column is where points are seen from, as for the
            second camera of a stereo pair.
        width: of the image in pixels.
        height: of the image in pixels.

    Raises:
        ValueError: P is no projection.
    """
    if projection.shape != (3, 4) or not np.isfinite(projection).all():
        raise ValueError("projection matrix P is 3x4 and finite")
    intrinsics = Intrinsics(
        float(projection[0, 0]),
        float(projection[1, 1]),
        float(projection[0, 2]),
        float(projection[1, 2]),
        width,
        height,
    )
    if projection[2, 2] != 1 or projection[2, :2].any():
        raise ValueError("the last row of the projection matrix P starts with 0, 0, 1")
    from_frame = np.eye(4)
    from_frame[:3, 3] = np.linalg.solve(projection[:, :3], projection[:, 3])
    if not np.abs(from_frame[:3, 3]).max() < FARTHEST_CAMERA:  # also catches NaN
        raise ValueError(
            f"the projection matrix P puts the camera {np.abs(from_frame[:3, 3]).max():.3g} m away "
            "from its own frame"
        )
    return Camera(intrinsics, from_frame=from_frame)


def make_distortion(model: str, coefficients: Sequence[float]) -> Distortion | None:
    """Distortion of one of ``MODELS``; ``None`` where there is none.

    Raises:
        ValueError: see :func:`raw_camera`.
    """
    if model not in MODELS:
        raise ValueError(f"distortion model '{model}' is not known: use {', '.join(MODELS)}")
    given = [float(k) for k in coefficients]
    if not np.isfinite(given).all():
        raise ValueError(f"distortion coefficients must be finite, got {given}")
    most = {"pinhole": 0, "plumb_bob": 5, "rational_polynomial": 8, "equidistant": 4}[model]
    if any(given[most:]):
        raise ValueError(
            f"{model} has at most {most} distortion coefficients that are not zero, got {given}"
        )
    k = (given + [0.0] * most)[:most]
    if model == "equidistant":
        return Equidistant((k[0], k[1], k[2], k[3]))
    if not any(k):
        return None
    denominator = (k[5], k[6], k[7]) if model == "rational_polynomial" else (0.0, 0.0, 0.0)
    return RadialTangential((k[0], k[1], k[4]), (k[2], k[3]), denominator)


def _check_rotation(matrix: NDArray[np.float64], name: str) -> None:
    if (
        matrix.shape != (3, 3)
        or not np.allclose(matrix @ matrix.T, np.eye(3), atol=1e-3)
        or np.linalg.det(matrix) < 0
    ):
        raise ValueError(f"{name} is no rotation")


def _smallest_root(polynomial: Polynomial) -> float:
    """Smallest positive real root, infinite where there is none."""
    roots = polynomial.trim().roots()
    real = roots[np.abs(roots.imag) <= 1e-9 * np.abs(roots)].real
    return float(min(real[real > 0], default=np.inf))
