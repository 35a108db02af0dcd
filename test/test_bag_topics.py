from __future__ import annotations

import pytest

pytest.importorskip("rosbags", reason="rosbags is needed: see requirements/")

import recordings
from recordings import START, writing
from starrygazer_ros.bags.recording import BagError, open_recording
from starrygazer_ros.bags.topics import choose_topics


def choose(path, messages, **given):
    """Names of the chosen topics of a bag with one message each."""
    with writing(path / "bag") as write:
        for topic, message in messages.items():
            write(topic, START, message)
    with open_recording(path / "bag") as recording:
        chosen = choose_topics(recording, **given)
    return tuple(
        topic and topic.name
        for topic in (
            chosen.image,
            chosen.sparse_depth,
            chosen.camera_info,
            chosen.sparse_camera_info,
        )
    )


IMAGE, SPARSE = recordings.image(START), recordings.sparse_depth(START)
INFO, CLOUD = recordings.camera_info(START), recordings.cloud(START, recordings.np.ones((4, 3)))


def test_an_only_image_and_an_only_depth_need_no_names(tmp_path):
    messages = {"/a/rgb": IMAGE, "/b/depth": SPARSE, "/c/info": INFO}
    assert choose(tmp_path, messages) == ("/a/rgb", "/b/depth", "/c/info", None)


def test_images_that_hold_depths_are_told_from_those_of_cameras(tmp_path):
    compressed = recordings.compressed_image(START)
    depth = recordings.compressed_image(START)
    depth.format = "16UC1; compressedDepth png"
    messages = {"/cam/compressed": compressed, "/range/compressedDepth": depth}
    assert choose(tmp_path, messages)[:2] == ("/cam/compressed", "/range/compressedDepth")


def test_a_point_cloud_is_taken_where_there_is_no_depth(tmp_path):
    assert choose(tmp_path, {"/a": IMAGE, "/cloud": CLOUD})[1] == "/cloud"


def test_depth_comes_before_point_clouds(tmp_path):
    assert choose(tmp_path, {"/a": IMAGE, "/cloud": CLOUD, "/d": SPARSE})[1] == "/d"


def test_calibrations_are_those_beside_the_topics(tmp_path):
    messages = {
        "/left/image_rect": IMAGE,
        "/left/camera_info": INFO,
        "/lidar/depth": SPARSE,
        "/lidar/depth/camera_info": INFO,
        "/right/camera_info": INFO,
    }
    chosen = choose(tmp_path, messages)
    assert chosen[2:] == ("/left/camera_info", "/lidar/depth/camera_info")


def test_the_usual_names_win(tmp_path):
    messages = {
        "/camera/image_rect": IMAGE,
        "/rear/image_rect": IMAGE,
        "/lidar/sparse_depth": SPARSE,
        "/stereo/depth": SPARSE,
    }
    assert choose(tmp_path, messages)[:2] == ("/camera/image_rect", "/lidar/sparse_depth")


def test_a_topic_of_two_types_is_none(tmp_path):
    messages = {"/a": IMAGE, "/b": IMAGE, "/d": SPARSE}
    with writing(tmp_path / "bag") as write:
        for topic, message in messages.items():
            write(topic, START, message)
        write("/b", START, INFO)
    with open_recording(tmp_path / "bag") as recording:
        assert choose_topics(recording).image.name == "/a"
        with pytest.raises(BagError, match="no topic /b"):
            choose_topics(recording, image="/b")


def test_what_is_called_camera_info_must_be_one(tmp_path):
    messages = {"/cam/image": IMAGE, "/range/depth": SPARSE, "/range/camera_info": CLOUD}
    assert choose(tmp_path, messages)[3] is None


@pytest.mark.parametrize(
    ("messages", "given", "part"),
    [
        ({"/a": IMAGE, "/b": IMAGE, "/d": SPARSE}, {}, "--image: which one .* has /a, /b"),
        ({"/a": IMAGE, "/d": SPARSE, "/e": SPARSE}, {}, "--sparse-depth: which one"),
        ({"/a": IMAGE, "/d": SPARSE, "/i": INFO, "/j": INFO}, {}, "--camera-info: which one"),
        ({"/a": IMAGE}, {}, "no topic with a sparse depth or point cloud"),
        ({"/d": SPARSE}, {}, "no topic with a camera image"),
        ({"/a": IMAGE, "/d": SPARSE}, {"image": "/aa"}, "no topic /aa"),
        ({"/left/rgb": IMAGE, "/d": SPARSE}, {"image": "/left/rbg"}, "did you mean /left/rgb"),
        ({"/a": IMAGE, "/d": SPARSE}, {"camera_info": "/a"}, "is a sensor_msgs/msg/Image, not a"),
        ({"/a": IMAGE, "/d": SPARSE}, {"image": "/d", "sparse_depth": "/d"}, "cannot be both"),
    ],
)
def test_in_doubt_it_asks_and_names_the_choice(tmp_path, messages, given, part):
    with pytest.raises(BagError, match=part):
        choose(tmp_path, messages, **given)
