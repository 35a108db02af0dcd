from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("rosbags", reason="rosbags is needed: see requirements/")

import recordings
from recordings import HEIGHT, START, WIDTH, writing
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
INFO, CLOUD = recordings.camera_info(START), recordings.cloud(START, np.ones((4, 3)))


def depth_camera(**other):
    """An image whose pixels all have a depth."""
    message = recordings.sparse_depth(START)
    message.data = np.full((HEIGHT, WIDTH), 3, np.float32).view(np.uint8).ravel()
    for name, value in other.items():
        setattr(message, name, value)
    return message


DEPTH_CAMERA = depth_camera()


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


def test_between_a_depth_camera_and_a_lidar_it_asks(tmp_path):
    messages = {"/a": IMAGE, "/cloud": CLOUD, "/d": DEPTH_CAMERA}
    expected = r"choose with --sparse-depth /cloud or --sparse-depth /d$"
    with pytest.raises(BagError, match=expected):
        choose(tmp_path, messages)


@pytest.mark.parametrize("given", ["/cloud", "/d"])
def test_either_of_them_can_be_given(tmp_path, given):
    messages = {"/a": IMAGE, "/cloud": CLOUD, "/d": DEPTH_CAMERA}
    assert choose(tmp_path, messages, sparse_depth=given)[1] == given


@pytest.mark.parametrize("camera", ["/a", "/a/compressed"])
@pytest.mark.parametrize("beside", [{"/cloud": CLOUD}, {"/depth/dense": DEPTH_CAMERA}])
def test_depth_that_was_projected_into_the_image_comes_first(tmp_path, camera, beside):
    image = IMAGE if camera == "/a" else recordings.compressed_image(START)
    with writing(tmp_path / "bag") as write:
        for topic, message in {camera: image, "/projected": SPARSE, **beside}.items():
            write(topic, START, message)
    with open_recording(tmp_path / "bag") as recording:
        chosen = choose_topics(recording)
    assert (chosen.sparse_depth.name, chosen.passed_over) == ("/projected", tuple(beside))


@pytest.mark.parametrize(
    "depth",
    [
        recordings.sparse_depth(START, frame="depth_frame"),
        depth_camera(data=np.zeros(4 * HEIGHT * WIDTH, np.uint8)),
        depth_camera(width=WIDTH // 2, step=2 * WIDTH, data=SPARSE.data[: 2 * HEIGHT * WIDTH]),
        depth_camera(data=SPARSE.data[:100]),
    ],
    ids=["another frame", "no depth", "another size", "malformed"],
)
def test_depth_that_may_not_be_projected_leaves_doubt(tmp_path, depth):
    with pytest.raises(BagError, match=r"--sparse-depth /cloud or --sparse-depth /d$"):
        choose(tmp_path, {"/a": IMAGE, "/cloud": CLOUD, "/d": depth})


def test_a_malformed_depth_beside_malformed_images_leaves_doubt(tmp_path):
    image = recordings.compressed_image(START)
    image.data = image.data[:10]
    with pytest.raises(BagError, match=r"--sparse-depth /cloud or --sparse-depth /d$"):
        choose(tmp_path, {"/a/compressed": image, "/cloud": CLOUD, "/d": SPARSE})


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
        (
            {"/a": IMAGE, "/b": IMAGE, "/d": SPARSE},
            {},
            "camera image.*: choose with --image /a or --image /b$",
        ),
        ({"/a": IMAGE, "/d": SPARSE, "/e": SPARSE}, {}, "choose with --sparse-depth /d or"),
        ({"/a": IMAGE, "/d": SPARSE, "/i": INFO, "/j": INFO}, {}, "with --camera-info /i or"),
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
