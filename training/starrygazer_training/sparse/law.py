"""The law of sparse depth, and random sensors drawn from it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from starrygazer_training.sparse.coverage import drop_above, drop_sectors, limit_range
from starrygazer_training.sparse.faults import (
    add_outliers,
    add_range_noise,
    misregister,
    quantise,
)
from starrygazer_training.sparse.parallax import SensorBeside
from starrygazer_training.sparse.patterns import (
    Image,
    Mask,
    Scanner,
    corners,
    grid,
    random_points,
    scan_lines,
)

Array = NDArray[np.float32]
Range = tuple[float, float]

MINIMUM_POINTS = 5  # the completer refuses fewer


@dataclass(frozen=True)
class PatternLaw:
    """Ranges and probabilities from which ``sample_sparse`` draws.

    Numbers of points and lines, steps and noise are drawn log-uniformly, everything else uniformly.
    With the defaults two of five draws have no fault and no missing sector.
    """

    # How often each pattern comes, relative to the others.
    points: float = 0.35
    lines: float = 0.4
    corners: float = 0.15
    grid: float = 0.1

    point_count: Range = (5, 20_000)
    largest_share: float = 0.25  # of the pixels that any pattern may measure
    line_count: Range = (4, 128)
    line_step: Range = (0.8, 6.0)  # pixels
    field_of_view: Range = (35.0, 100.0)  # degrees
    pitch: Range = (-8.0, 8.0)  # degrees
    roll: Range = (-4.0, 4.0)  # degrees
    crowding: Range = (0.0, 0.7)
    unevenness: Range = (0.0, 0.3)
    missing_beams: Range = (0.0, 0.3)
    dropout: Range = (0.0, 0.2)
    run_dropout: Range = (0.0, 0.3)
    corner_count: Range = (30, 1500)
    corner_jitter: Range = (0.0, 1.5)  # standard deviation, pixels
    grid_step: Range = (3.0, 40.0)  # pixels
    grid_jitter: Range = (0.0, 0.15)  # standard deviation, grid steps

    range_limit_probability: float = 0.15
    range_quantile: Range = (0.4, 0.95)
    no_view_up_probability: float = 0.35  # of scan lines and grids
    no_view_up_share: Range = (0.1, 0.55)  # of the rows
    missing_sector_probability: float = 0.12
    sector_count: tuple[int, int] = (1, 3)
    sector_width: Range = (0.08, 0.35)  # of the columns, each

    noise_probability: float = 0.1
    noise: Range = (0.002, 0.03)  # standard deviation over depth
    quadratic_noise: Range = (0.002, 0.02)  # the same at the median depth, growing with depth
    outlier_probability: float = 0.2
    outlier_share: Range = (0.003, 0.08)  # of the points
    misregistration_probability: float = 0.08
    misregistration: Range = (0.5, 4.0)  # pixels at the nearest points
    # A LiDAR always sits beside the camera and sees past edges; other sensors rarely do.
    scan_parallax_probability: float = 0.5
    parallax_probability: float = 0.05
    parallax: Range = (1.0, 30.0)  # pixels at the nearest points
    quantisation_probability: float = 0.05
    quantisation: Range = (0.002, 0.04)  # step over median depth

    @classmethod
    def without_faults(cls) -> PatternLaw:
        """The same patterns, range limits and views with perfect measurements and no lost sector.

        For the ablation of fault simulation.
        """
        return replace(
            cls(),
            missing_sector_probability=0.0,
            noise_probability=0.0,
            outlier_probability=0.0,
            misregistration_probability=0.0,
            scan_parallax_probability=0.0,
            parallax_probability=0.0,
            quantisation_probability=0.0,
        )


def sample_sparse(
    log_depth: Array,
    rng: np.random.Generator,
    image: Image | None = None,
    valid: Mask | None = None,
    law: PatternLaw | None = None,
) -> Array:
    """Sparse depth as a random sensor would measure the scene.

    Args:
        log_depth: float32 [H, W] natural logarithm of depth.
        rng: random source; the same state gives the same points.
        image: [H, W, 3] RGB, uint8 or float in 0..1, where corners are looked for; without it
            corners become random points.
        valid: bool [H, W], where depth exists; nothing is measured elsewhere. Default: everywhere.
        law: ranges to draw from.

    Returns:
        float32 [H, W] metres, 0 = none; at least ``MINIMUM_POINTS`` points.

    Raises:
        ValueError: ``valid`` or ``image`` has another size, or too few pixels are valid.
    """
    law = law or PatternLaw()
    depth = _dense(log_depth, valid)
    if image is not None and image.shape[:2] != depth.shape:
        raise ValueError(f"image is {image.shape[:2]} but depth is {depth.shape}")
    kind = _kind(rng, law)
    sparse = _measure(kind, depth, rng, image, law)
    sparse = _falsify(sparse, rng, law)
    sparse[depth == 0] = 0  # where a misregistered point may have gone
    return _top_up(sparse, depth, rng)


def _dense(log_depth: Array, valid: Mask | None) -> Array:
    exists = np.isfinite(log_depth)
    if valid is not None:
        if valid.shape != log_depth.shape:
            raise ValueError(f"valid is {valid.shape} but depth is {log_depth.shape}")
        exists &= valid
    if np.count_nonzero(exists) < MINIMUM_POINTS:
        raise ValueError(f"fewer than {MINIMUM_POINTS} pixels have depth: nothing to sample")
    return np.exp(log_depth, where=exists, out=np.zeros(log_depth.shape, np.float32))


def _kind(rng: np.random.Generator, law: PatternLaw) -> str:
    weights = np.array([law.points, law.lines, law.corners, law.grid])
    return str(rng.choice(["points", "lines", "corners", "grid"], p=weights / weights.sum()))


def _pattern(
    kind: str, depth: Array, rng: np.random.Generator, image: Image | None, law: PatternLaw
) -> Mask:
    shape = depth.shape[0], depth.shape[1]
    if kind == "lines":
        return scan_lines(shape, rng, _scanner(shape[0], rng, law))
    if kind == "grid":
        step = max(_log_uniform(rng, law.grid_step), law.largest_share**-0.5)
        return grid(shape, rng, step, step * rng.uniform(*law.grid_jitter))
    if kind == "corners":
        count = round(_log_uniform(rng, law.corner_count))
        if image is not None:
            return corners(image, rng, count, rng.uniform(*law.corner_jitter))
    else:
        count = round(_log_uniform(rng, law.point_count))
    exists = depth > 0
    count = min(count, int(law.largest_share * np.count_nonzero(exists)))
    return random_points(shape, rng, count, exists)


def _scanner(rows: int, rng: np.random.Generator, law: PatternLaw) -> Scanner:
    lines = _log_uniform(rng, law.line_count)
    return Scanner(
        lines=lines,
        step=max(_log_uniform(rng, law.line_step), lines / (rows * law.largest_share)),
        field_of_view=rng.uniform(*law.field_of_view),
        pitch=rng.uniform(*law.pitch),
        roll=rng.uniform(*law.roll),
        crowding=rng.uniform(*law.crowding),
        unevenness=rng.uniform(*law.unevenness),
        missing=rng.uniform(*law.missing_beams),
        dropout=rng.uniform(*law.dropout),
        run_dropout=rng.uniform(*law.run_dropout),
    )


def _cover(kind: str, sparse: Array, rng: np.random.Generator, law: PatternLaw) -> Array:
    if rng.random() < law.range_limit_probability:
        sparse = limit_range(sparse, rng.uniform(*law.range_quantile))
    if kind in ("lines", "grid") and rng.random() < law.no_view_up_probability:
        sparse = drop_above(sparse, rng.uniform(*law.no_view_up_share))
    if rng.random() < law.missing_sector_probability:
        count = int(rng.integers(law.sector_count[0], law.sector_count[1] + 1))
        sparse = drop_sectors(sparse, rng, count, rng.uniform(*law.sector_width))
    return sparse


def _measure(
    kind: str, depth: Array, rng: np.random.Generator, image: Image | None, law: PatternLaw
) -> Array:
    """What the sensor covers, seen from where it stands, in the camera's image."""
    sensor = None
    lines = kind == "lines"
    if rng.random() < (law.scan_parallax_probability if lines else law.parallax_probability):
        sensor = SensorBeside(depth, _direction(rng, _log_uniform(rng, law.parallax)))
    seen = sensor.view() if sensor else depth
    sparse = np.where(_pattern(kind, seen, rng, image, law), seen, np.float32(0))
    sparse = _cover(kind, sparse, rng, law)
    return sensor.in_camera(sparse) if sensor else sparse


def _falsify(sparse: Array, rng: np.random.Generator, law: PatternLaw) -> Array:
    """Geometry goes wrong before the measured range does."""
    if rng.random() < law.misregistration_probability:
        rigid = rng.random()
        pixels = _log_uniform(rng, law.misregistration)
        shift, parallax = (_direction(rng, part * pixels) for part in (rigid, 1 - rigid))
        sparse = misregister(sparse, shift, parallax)
    if rng.random() < law.noise_probability:
        quadratic = rng.random() < 0.5
        sigma = _log_uniform(rng, law.quadratic_noise if quadratic else law.noise)
        sparse = add_range_noise(sparse, rng, **{"quadratic" if quadratic else "relative": sigma})
    if rng.random() < law.outlier_probability:
        sparse = add_outliers(sparse, rng, _log_uniform(rng, law.outlier_share))
    if rng.random() < law.quantisation_probability:
        step = _log_uniform(rng, law.quantisation)
        known = sparse > 0
        sparse = quantise(sparse, step * float(np.median(sparse[known]))) if known.any() else sparse
    return sparse


def _top_up(sparse: Array, depth: Array, rng: np.random.Generator) -> Array:
    lacking = MINIMUM_POINTS - np.count_nonzero(sparse)
    if lacking > 0:
        more = random_points(sparse.shape, rng, lacking, (depth > 0) & (sparse == 0))
        sparse[more] = depth[more]
    return sparse


def _direction(rng: np.random.Generator, length: float) -> tuple[float, float]:
    angle = rng.uniform(0, 2 * np.pi)
    return length * float(np.cos(angle)), length * float(np.sin(angle))


def _log_uniform(rng: np.random.Generator, ends: Range) -> float:
    return float(np.exp(rng.uniform(*np.log(ends))))
