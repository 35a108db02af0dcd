from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("rosbags", reason="rosbags is needed: see requirements/")

from recordings import CAMERA, HEIGHT, START, WIDTH, camera_info
from starrygazer_ros.bags.calibrations import RecordedCalibrations
from starrygazer_ros.bags.passes import Moment
from starrygazer_ros.calibration import CalibrationCache
from starrygazer_ros.messages import MessageError

SECOND = 10**9


class Bag:
    """Calibrations at seconds of stamp and recording, focal lengths that hold then."""

    def __init__(self, *said):
        self.moment, self.cache = Moment(), CalibrationCache()
        self.calibrations = RecordedCalibrations(self.moment)
        for stamp, recorded, focal in said:
            message = camera_info(START + round(stamp * SECOND), focal)
            self.calibrations.add(message, round(recorded * SECOND))

    def focal(self, stamp, now=None, since=None):
        self.moment.now = round((stamp if now is None else now) * SECOND)
        if since is not None:
            self.moment.since = round(since * SECOND)
        self.calibrations.store(START + round(stamp * SECOND), self.cache)
        return self.cache.find(CAMERA, WIDTH, HEIGHT).intrinsics.fx


def test_an_image_gets_the_one_of_its_stamp_whenever_it_was_recorded():
    zoom = Bag((0, 0, 80), (1, 2.5, 90), (2, 2.6, 100))
    assert [zoom.focal(stamp) for stamp in (0, 1, 2)] == [80, 90, 100]


def test_without_one_of_its_stamp_it_gets_the_newest_before_it():
    zoom = Bag((0, 0, 80), (1, 1, 90), (2, 2, 80))
    assert [zoom.focal(stamp) for stamp in (0.9, 1.9, 2.1, 99)] == [80, 90, 80, 80]


def test_an_image_before_all_gets_the_first():
    assert Bag((5, 5, 80), (6, 6, 90)).focal(1) == 80


def test_going_back_and_forth_is_allowed():
    zoom = Bag((0, 0, 80), (1, 1, 90))
    assert [zoom.focal(stamp) for stamp in (1, 0, 1)] == [90, 80, 90]


def test_one_that_comes_late_takes_its_place():
    zoom = Bag((0, 0, 80), (2, 2, 90), (1.5, 2.1, 85), (3, 3, 90))
    assert [zoom.focal(stamp) for stamp in (1, 1.7, 2, 4)] == [80, 85, 90, 90]


def test_each_pass_of_a_recording_has_its_own():
    loops = Bag((0, 0, 80), (5, 5, 90), (0, 10.1, 100), (5, 15, 110))
    assert loops.focal(7, now=7) == 90
    assert loops.focal(0, now=10, since=10) == 100  # recorded a little later
    assert loops.focal(6, now=16) == 110


def test_the_only_one_holds_in_all_passes():
    assert Bag((0, 0, 80)).focal(0, now=50, since=40) == 80


def test_what_repeats_itself_is_kept_once():
    bag = Bag(*((stamp, stamp, 80) for stamp in range(50)), (50, 50, 90))
    (passes,) = bag.calibrations._passes.values()
    assert len(passes.current(Moment()).messages) == 2


def test_of_several_sizes_each_is_there_and_the_newest_comes_last():
    bag = Bag((0, 0, 80))
    half = camera_info(START - SECOND, 40)
    half.width, half.height = WIDTH // 2, HEIGHT // 2
    bag.calibrations.add(half, SECOND)
    assert bag.focal(1) == 80
    assert bag.cache.find(CAMERA, WIDTH // 2, HEIGHT // 2).intrinsics.fx == 40
    assert [key[1] for key in bag.cache._changes] == [WIDTH // 2, WIDTH]


def test_one_that_cannot_be_used_leaves_the_others():
    bag = Bag((0, 0, 80))
    bad = camera_info(START + SECOND)
    bad.k, bad.p = np.zeros(9), np.zeros(12)
    with pytest.raises(MessageError):
        bag.calibrations.add(bad, SECOND)
    assert bag.focal(1) == 80
