from __future__ import annotations

import pytest

pytest.importorskip("rosbags", reason="rosbags is needed: see requirements/")

from recordings import START, image, transform, writing
from starrygazer_ros.bags.recording import BagError, open_recording
from starrygazer_ros.bags.transform_topics import choose_transforms


def choose(path, *topics, **given):
    """What is chosen of a bag with these topics of transforms and one image."""
    with writing(path / "bag") as write:
        write("/image", START, image(START))
        for topic in topics:
            write(topic, START, transform(START, "base", "lidar"))
    with open_recording(path / "bag") as recording:
        return choose_transforms(recording, **given)


@pytest.mark.parametrize(
    ("topics", "expected"),
    [
        (("/tf", "/tf_static"), {"/tf": False, "/tf_static": True}),
        (("/tf", "/tf_static", "/old/tf", "/old/tf_static"), {"/tf": False, "/tf_static": True}),
        (("/robot/tf", "/robot/tf_static"), {"/robot/tf": False, "/robot/tf_static": True}),
        (("/tf_static", "/robot/tf"), {"/robot/tf": False, "/tf_static": True}),
        (("/tf_static",), {"/tf_static": True}),
        (("/transforms",), {"/transforms": False}),
        ((), {}),
    ],
)
def test_the_usual_names_or_else_the_only_ones_are_taken(tmp_path, topics, expected):
    assert choose(tmp_path, *topics) == expected


def test_given_ones_come_first_and_are_not_taken_twice(tmp_path):
    topics = "/tf", "/tf_static", "/latched"
    assert choose(tmp_path, *topics, static="/latched") == {"/tf": False, "/latched": True}
    assert choose(tmp_path / "b", "/latched", static="/latched") == {"/latched": True}


@pytest.mark.parametrize(
    ("topics", "given", "part"),
    [
        (("/a/tf", "/b/tf"), {}, "choose with --tf-topic /a/tf or --tf-topic /b/tf$"),
        (("/a/tf_static", "/b/tf_static"), {}, "choose with --tf-static-topic /a/tf_static or"),
        (("/tf",), {"moving": "/ft"}, "--tf-topic: the bag has no topic /ft: did you mean /tf"),
        (("/tf",), {"static": "/image"}, "--tf-static-topic: /image is a sensor_msgs/msg/Image"),
        (("/tf",), {"moving": "/tf", "static": "/tf"}, "cannot be both --tf-topic and"),
    ],
)
def test_in_doubt_it_asks_and_names_the_choice(tmp_path, topics, given, part):
    with pytest.raises(BagError, match=part):
        choose(tmp_path, *topics, **given)
