from __future__ import annotations

import pytest

pytest.importorskip("rclpy", reason="rclpy is needed: see requirements/")

from rclpy.qos import DurabilityPolicy, ReliabilityPolicy

from starrygazer_ros.common_parameters import CommonParameters


def test_gives_qos_by_name_and_depth():
    values = CommonParameters(input_reliability="reliable", input_depth=7)
    assert values.input_qos().reliability == ReliabilityPolicy.RELIABLE
    assert values.input_qos().depth == 7
    assert CommonParameters().input_qos().reliability == ReliabilityPolicy.BEST_EFFORT
    assert CommonParameters().output_qos().reliability == ReliabilityPolicy.RELIABLE
    assert CommonParameters().output_qos().durability == DurabilityPolicy.VOLATILE
    assert CommonParameters().output_qos().depth == 1
