from __future__ import annotations

from types import SimpleNamespace

from starrygazer_ros.headers import NANOSECONDS
from starrygazer_ros.sweep_history import LARGEST_DELAY, SweepHistory


def cloud(stamp, frame="lidar"):
    """A cloud at seconds."""
    sec, nanosec = divmod(round(stamp * NANOSECONDS), NANOSECONDS)
    stamp = SimpleNamespace(sec=sec, nanosec=nanosec)
    return SimpleNamespace(header=SimpleNamespace(frame_id=frame, stamp=stamp))


def history(clouds, count=3):
    made = SweepHistory()
    for message in clouds:
        made.add(message, count)
    return made


def before(made, message, count=3):
    return [found.message for found in made.before(message, count)]


def test_the_clouds_up_to_one_are_found_whatever_came_later():
    clouds = [cloud(stamp) for stamp in (1.0, 1.1, 1.2, 1.3)]
    made = history(clouds)
    assert before(made, clouds[3]) == clouds[1:]
    assert before(made, clouds[2]) == clouds[:3]
    assert before(made, clouds[0]) == clouds[:1]
    assert before(made, clouds[2], count=1) == clouds[2:3]


def test_an_overtaken_cloud_takes_its_place():
    first, second, third = (cloud(stamp) for stamp in (1.0, 1.1, 1.2))
    assert before(history([first, third, second]), third) == [first, second, third]


def test_of_two_clouds_with_one_stamp_the_newer_stays():
    first, old, new = cloud(1.0), cloud(1.1), cloud(1.1)
    made = history([first, old, new])
    assert before(made, new) == [first, new]
    assert before(made, old) == [old]


def test_another_frame_and_time_that_goes_back_start_anew():
    first, other = cloud(1.0), cloud(1.1, "rear")
    assert before(history([first, other]), other) == [other]
    assert before(history([first, cloud(1.1, "/lidar")]), first) == [first]
    late, early = cloud(9.0), cloud(1.0)
    made = history([late, early])
    assert before(made, early) == [early]
    assert before(made, late) == [late]  # it has left


def test_keeps_no_more_than_may_be_needed():
    clouds = [cloud(1 + index / 10) for index in range(20)]
    made = history(clouds)
    assert len(made._clouds) == len(made._stamps) == 3 + LARGEST_DELAY
    assert before(made, clouds[-1]) == clouds[-3:]
    made.clear()
    assert before(made, clouds[-1]) == clouds[-1:]
