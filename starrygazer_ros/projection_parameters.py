"""Parameters of the projection: of a node that does nothing else, and of one that does it, too."""

from __future__ import annotations

import math
from dataclasses import dataclass

from starrygazer_ros.common_parameters import CommonParameters
from starrygazer_ros.parameters import Parameters, When, parameter

TF = "tf"
QUATERNION_TOLERANCE = 0.01  # of its length, for what people round


@dataclass(frozen=True)
class CloudParameters(Parameters):
    """How point clouds become sparse depth.

    Raises:
        ValueError: a value is not allowed, or the values do not go together.
    """

    camera_frame: str = parameter(
        "frame.camera",
        "",
        "Optical frame of the camera; empty = the one of its camera_info.",
        When.RUNNING,
    )
    rectified: bool = parameter(
        "rectified",
        True,
        "Project into the rectified image, by P; otherwise into the raw one, by K, D and R.",
        When.RUNNING,
    )
    extrinsics_source: str = parameter(
        "extrinsics.source",
        TF,
        "Where the pose of the LiDAR comes from: tf, at the stamp of each cloud, or parameter.",
        When.CONFIGURE,
        choices=(TF, "parameter"),
    )
    extrinsics_translation: tuple[float, ...] = parameter(
        "extrinsics.translation",
        (0.0, 0.0, 0.0),
        "For source parameter: place of the LiDAR in the camera's optical frame, x y z [m].",
        When.RUNNING,
    )
    extrinsics_rotation: tuple[float, ...] = parameter(
        "extrinsics.rotation",
        (0.0, 0.0, 0.0, 1.0),
        "For source parameter: quaternion x y z w from the LiDAR's to the camera's optical frame.",
        When.RUNNING,
    )
    extrinsics_timeout: float = parameter(
        "extrinsics.timeout",
        0.1,
        "For source tf: longest wait for the transform at a cloud's stamp [s].",
        When.RUNNING,
        limits=(0.0, 10.0),
    )
    range_min: float = parameter(
        "range.min",
        0.0,
        "Points no farther than this from the LiDAR are left out [m], as those of the vehicle.",
        When.RUNNING,
        limits=(0.0, 1000.0),
    )
    range_max: float = parameter(
        "range.max",
        0.0,
        "Points farther than this from the LiDAR are left out [m]; 0 = none.",
        When.RUNNING,
        limits=(0.0, 10_000.0),
    )
    filter_occluded: bool = parameter(
        "filter_occluded",
        True,
        "Leave out background points that the LiDAR sees past edges and the camera does not.",
        When.RUNNING,
    )
    sweeps_count: int = parameter(
        "sweeps.count",
        1,
        "So many of the last clouds are projected together; more than 1 needs sweeps.fixed_frame.",
        When.RUNNING,
        limits=(1, 50),
    )
    sweeps_fixed_frame: str = parameter(
        "sweeps.fixed_frame",
        "",
        "Frame in which the world stands still, such as odom; by tf.",
        When.RUNNING,
    )
    sweeps_compensate_motion: bool = parameter(
        "sweeps.compensate_motion",
        False,
        "Bring the points of a cloud to its stamp by their times; needs sweeps.fixed_frame.",
        When.RUNNING,
    )

    def check_together(self) -> None:
        """See :meth:`Parameters.check_together`."""
        super().check_together()
        if self.range_max and self.range_max <= self.range_min:
            raise ValueError(
                f"range.max ({self.range_max:g}) is 0 or more than range.min ({self.range_min:g})"
            )
        length = math.hypot(*self.extrinsics_rotation)
        if not abs(length - 1) <= QUATERNION_TOLERANCE:
            raise ValueError(
                f"extrinsics.rotation is a quaternion x y z w of length 1, got length {length:.3g}"
            )
        if not all(math.isfinite(number) for number in self.extrinsics_translation):
            raise ValueError("extrinsics.translation is finite")
        moving = self.sweeps_count > 1 or self.sweeps_compensate_motion
        if moving and not self.sweeps_fixed_frame:
            raise ValueError(
                "sweeps.count above 1 and sweeps.compensate_motion need sweeps.fixed_frame"
            )
        if moving and self.extrinsics_source != TF:
            raise ValueError("how the LiDAR moves is known with extrinsics.source tf only")


@dataclass(frozen=True)
class ProjectionParameters(CommonParameters, CloudParameters):
    """Values of all parameters of the projection node.

    Raises:
        ValueError: a value is not allowed; the message names the parameter and what is allowed.
    """
