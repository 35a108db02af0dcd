"""PointCloud2 to arrays, whatever the order, type and place of its fields."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from starrygazer_ros.headers import NANOSECONDS
from starrygazer_ros.messages import MessageError, TruncatedDataError

if TYPE_CHECKING:
    from sensor_msgs.msg import PointCloud2, PointField

AXES = ("x", "y", "z")
# Time of each point, by the names that LiDAR drivers give it.
TIME_FIELDS = ("time", "t", "timestamp", "time_stamp", "offset_time")
# By the constants of PointField: INT8, UINT8, INT16, UINT16, INT32, UINT32, FLOAT32, FLOAT64.
_TYPES = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 8: "f8"}
LONGEST_SWEEP = 10.0  # s; a larger number in a time field is no offset from the stamp
LATEST_SECONDS = 1e14  # a larger number can only be nanoseconds


class PointFieldError(MessageError):
    """A field of the cloud is missing, of another type than it can have, or out of its point."""

    cause = "point_fields"


class PointStepError(MessageError):
    """``point_step`` or ``row_step`` does not fit the cloud's fields or width."""

    cause = "point_step"


class PointTimeError(MessageError):
    """The cloud has no time per point, or times that belong to another cloud."""

    cause = "point_time"


@dataclass(frozen=True)
class PointCloud:
    """Points of a message.

    Attributes:
        points: float32 or float64 [N, 3], metres in the message's frame, NaN = no return; a view of
            the message's data where the layout allows it.
        times: float64 [N], seconds from the message's stamp; ``None`` if they were not asked for.
    """

    points: NDArray[np.floating]
    times: NDArray[np.float64] | None = None


def points_from_message(message: PointCloud2, with_times: bool = False) -> PointCloud:
    """Points of a cloud, organised or not; one of no points has none.

    Args:
        message: x, y and z of one type, float32 or float64, anywhere in the point; either byte
            order; rows of any ``row_step``.
        with_times: read one of ``TIME_FIELDS``, too: whole numbers are nanoseconds, others seconds,
            either from the message's stamp or since its epoch.

    Raises:
        MessageError: one of its subclasses.
    """
    fields = {field.name: field for field in message.fields}
    missing = [axis for axis in AXES if axis not in fields]
    if missing:
        raise PointFieldError(
            f"the cloud has no field {', '.join(missing)}, only {', '.join(fields) or 'none'}: "
            "publish points with x, y and z"
        )
    _check_layout(message)
    axes = [_field(message, fields[axis]) for axis in AXES]
    if len({axis.dtype for axis in axes}) > 1 or axes[0].dtype.kind != "f":
        kinds = ", ".join(
            f"{name} {axis.dtype.name}" for name, axis in zip(AXES, axes, strict=True)
        )
        raise PointFieldError(f"x, y and z are float32 or float64, all the same; got {kinds}")
    return PointCloud(_joined(message, fields, axes), _times(message, fields, with_times))


def _check_layout(message: PointCloud2) -> None:
    """Every point lies within the data."""
    width, height, step = message.width, message.height, message.point_step
    if width == 0 or height == 0:
        return
    if step == 0:
        raise PointStepError("the cloud has a point_step of 0: set it to the bytes of one point")
    if height > 1 and message.row_step < width * step:
        raise PointStepError(
            f"the cloud has a row_step of {message.row_step} bytes, but a row of {width} points of "
            f"{step} bytes has {width * step}: set row_step to at least that in the publisher"
        )
    needed = message.row_step * (height - 1) + width * step
    if len(message.data) < needed:
        raise TruncatedDataError(
            f"the cloud has {len(message.data)} bytes of data instead of {needed} "
            f"({width}x{height} points of {step}): the message was cut off or its size is wrong"
        )


def _field(message: PointCloud2, field: PointField) -> NDArray:  # type: ignore[type-arg]
    """Values of a field, [H, W], a view in the byte order of the message."""
    if field.datatype not in _TYPES:
        raise PointFieldError(
            f"field {field.name} has the unknown datatype {field.datatype}: use those of PointField"
        )
    order = ">" if message.is_bigendian else "<"
    dtype = np.dtype(order + _TYPES[field.datatype])
    empty = message.width == 0 or message.height == 0
    if not empty and field.offset + dtype.itemsize > message.point_step:
        raise PointFieldError(
            f"field {field.name} ends at byte {field.offset + dtype.itemsize} of a point that has "
            f"{message.point_step}: correct its offset or point_step in the publisher"
        )
    if empty:
        return np.empty((message.height, message.width), dtype)
    return np.ndarray(
        (message.height, message.width),
        dtype,
        message.data,
        field.offset,
        (_row_step(message), message.point_step),
    )


def _row_step(message: PointCloud2) -> int:
    """Bytes from row to row; of a single row publishers write anything."""
    return message.row_step if message.height > 1 else message.width * message.point_step


def _joined(
    message: PointCloud2,
    fields: dict[str, PointField],
    axes: list[NDArray],  # type: ignore[type-arg]
) -> NDArray[np.floating]:
    """x, y and z as [N, 3], where they lie one after the other without a copy."""
    x, y, z = (fields[axis].offset for axis in AXES)
    dtype = axes[0].dtype
    if min(abs(y - x), abs(z - y), abs(z - x)) < dtype.itemsize:
        raise PointFieldError(
            f"x, y and z overlap: they have {dtype.itemsize} bytes each, but begin at bytes "
            f"{x}, {y} and {z}"
        )
    if axes[0].size == 0:
        return np.empty((0, 3), dtype.newbyteorder("="))
    if y - x == z - y > 0:
        shape = message.height, message.width, 3
        strides = _row_step(message), message.point_step, y - x
        points = np.ndarray(shape, dtype, message.data, x, strides).reshape(-1, 3)
    else:
        points = np.stack([axis.ravel() for axis in axes], axis=1)
    if points.dtype.isnative and points.flags.aligned:
        return points
    return points.astype(dtype.newbyteorder("="))


@np.errstate(invalid="ignore")  # NaN, in some of its forms
def _times(
    message: PointCloud2, fields: dict[str, PointField], wanted: bool
) -> NDArray[np.float64] | None:
    """Seconds from the message's stamp."""
    if not wanted:
        return None
    name = next((name for name in TIME_FIELDS if name in fields), None)
    if name is None:
        raise PointTimeError(
            f"the cloud has none of the fields {', '.join(TIME_FIELDS)}: let the driver publish "
            "the time of each point, or set sweeps.compensate_motion to false"
        )
    values = _field(message, fields[name]).ravel()
    stamp = message.header.stamp.sec * NANOSECONDS + message.header.stamp.nanosec
    times = values.astype(np.float64)
    largest = float(np.max(np.abs(times), initial=0, where=np.isfinite(times)))
    if values.dtype.kind != "f" or largest > LATEST_SECONDS:
        # In whole nanoseconds, of which a double holds today's only to 256.
        times = (times - (stamp if largest > LONGEST_SWEEP * NANOSECONDS else 0)) / NANOSECONDS
    elif largest > LONGEST_SWEEP:
        times -= stamp / NANOSECONDS
    if np.any(np.abs(times) > LONGEST_SWEEP):
        raise PointTimeError(
            f"field {name} puts points {np.nanmax(np.abs(times)):.3g} s from the stamp of the "
            "cloud: set the stamp and the times in the driver from one clock"
        )
    return times
