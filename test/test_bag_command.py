"""``starrygazer bag`` from one bag to the other, with the tiny bundle whose answer is known."""

from __future__ import annotations

import shutil
import sqlite3
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml

pytest.importorskip("rosbags", reason="rosbags is needed: see requirements/")

from rosbags.rosbag2 import Reader, Writer

import recordings
from bundles import expected_depth, write_tiny_bundle
from recordings import HEIGHT, PERIOD, START, STORE, WIDTH, record_drive
from starrygazer_ros.bags.mcap_chunks import chunk_compression
from starrygazer_ros.cli import main
from starrygazer_ros.completion import DepthCompleter

DENSE, POINTS, CONFIDENCE, INFO = (
    f"/depth/{name}" for name in ("dense", "points", "confidence", "camera_info")
)
IMAGE, SPARSE = "/camera/image_rect", "/lidar/sparse_depth"


@pytest.fixture(scope="session")
def bundle(tmp_path_factory):
    return write_tiny_bundle(tmp_path_factory.mktemp("bundles") / "tiny")


@pytest.fixture
def complete(bundle):
    """Runs the command; gives its exit code."""
    return lambda *arguments: main(["bag", *map(str, arguments), "-p", f"model:={bundle}"])


def read(path):
    """Topic, time and content of all messages in order, QoS by topic."""
    with Reader(path) as reader:
        messages = [(c.topic, c.msgtype, time, bytes(data)) for c, time, data in reader.messages()]
        qos = {c.topic: c.ext.offered_qos_profiles for c in reader.connections}
    return messages, qos


def messages_of(path, topic):
    """Times and deserialised messages of a topic."""
    messages, _ = read(path)
    return [
        (t, STORE.deserialize_cdr(data, kind)) for name, kind, t, data in messages if name == topic
    ]


def depth_of(message):
    return message.data.view(np.float32).reshape(message.height, message.width)


@pytest.mark.parametrize(
    ("storage", "compression"),
    [(s, c) for s in ("sqlite3", "mcap") for c in ("", "file", "message")] + [("mcap", "storage")],
)
def test_adds_the_outputs_and_keeps_the_rest_byte_for_byte(
    tmp_path, complete, capsys, storage, compression
):
    source = record_drive(tmp_path / "in", storage=storage, compression=compression)
    assert complete(source, tmp_path / "out") == 0
    before, qos_before = read(source)
    after, qos_after = read(tmp_path / "out")
    assert [entry for entry in after if not entry[0].startswith("/depth/")] == before
    assert {topic: qos_after[topic] for topic in qos_before} == qos_before
    for index, (time, message) in enumerate(messages_of(tmp_path / "out", DENSE)):
        assert time == START + index * PERIOD + 20  # when the later input was recorded
        assert message.header == messages_of(source, IMAGE)[index][1].header
        expected = expected_depth(recordings.depths(index))
        np.testing.assert_allclose(depth_of(message), expected, rtol=1e-5)
    for topic in (DENSE, POINTS, CONFIDENCE, INFO):
        assert len(messages_of(tmp_path / "out", topic)) == 4
    assert "completed 4 of 4 images" in capsys.readouterr().out
    assert not (tmp_path / "out.partial").exists()
    metadata = (tmp_path / "out" / "metadata.yaml").read_text()
    assert f"storage_identifier: {storage}" in metadata
    of_metadata = "" if compression == "storage" else compression
    assert f"compression_mode: {of_metadata or repr('')}\n" in metadata
    if storage == "mcap" and compression != "file":
        chunks = chunk_compression(tmp_path / "out" / "out.mcap")
        assert chunks == ("zstd" if compression == "storage" else "")


def test_an_output_lies_behind_the_message_that_completes_its_pair(tmp_path, complete):
    source = record_drive(tmp_path / "in", frames=1)
    complete(source, tmp_path / "out", "--outputs", "dense")
    topics = [topic for topic, *_ in read(tmp_path / "out")[0]]
    assert topics == ["/camera/camera_info", IMAGE, "/chatter", SPARSE, DENSE]


def test_reads_compressed_images_and_a_single_mcap_file(tmp_path, complete):
    with recordings.writing(tmp_path / "in", "mcap") as write:
        write(f"{IMAGE}/compressed", START, recordings.compressed_image(START))
        write(SPARSE, START, recordings.sparse_depth(START))
    assert complete(tmp_path / "in" / "in.mcap", tmp_path / "out", "--outputs", "dense") == 0
    ((_, message),) = messages_of(tmp_path / "out", DENSE)
    np.testing.assert_allclose(depth_of(message), expected_depth(recordings.depths(0)), rtol=1e-5)


def wall():
    """Points [N, 3] of a LiDAR 0.2 m right of the camera that sees a wall 4 m ahead of it."""
    v, u = np.mgrid[4:HEIGHT:8, 4:WIDTH:8]
    cx, cy = WIDTH / 2 - 0.5, HEIGHT / 2 - 0.5
    x, y = 4 * (u - cx) / recordings.FOCAL, 4 * (v - cy) / recordings.FOCAL
    return np.stack([x - 0.2, y, np.full_like(x, 4.0)], -1).reshape(-1, 3)


@pytest.mark.parametrize("storage", ["sqlite3", "mcap"])
def test_a_single_file_with_compressed_messages_is_completed(tmp_path, complete, storage):
    """Only metadata.yaml says that they are."""
    source = record_drive(tmp_path / "in", frames=2, storage=storage, compression="message")
    (file,) = [path for path in source.iterdir() if path.name != "metadata.yaml"]
    shutil.move(file, tmp_path / file.name)
    shutil.move(source, tmp_path / "without")
    assert complete(tmp_path / file.name, tmp_path / "out", "--outputs", "dense") == 0
    shutil.move(tmp_path / file.name, tmp_path / "without" / file.name)
    copied = [entry for entry in read(tmp_path / "out")[0] if entry[0] != DENSE]
    assert copied == read(tmp_path / "without")[0]
    assert len(messages_of(tmp_path / "out", DENSE)) == 2
    assert "compression_mode: message\n" in (tmp_path / "out" / "metadata.yaml").read_text()


@pytest.mark.parametrize("single", [False, True])
def test_a_file_that_may_not_be_read_is_named(tmp_path, complete, capsys, monkeypatch, single):
    source = record_drive(tmp_path / "in")
    (file,) = source.glob("*.db3")
    whole = Path.open

    def refuse(self, mode="r", *arguments, **options):  # as root one may read everything
        if self == file:
            raise PermissionError(13, "Permission denied", str(self))
        return whole(self, mode, *arguments, **options)

    monkeypatch.setattr(Path, "open", refuse)
    assert complete(file if single else source, tmp_path / "out") == 2
    error = capsys.readouterr().err
    assert f"{file} cannot be read (Permission denied): let your user read it" in error
    assert "reindex" not in error


def write_clouds(path, tf_topic="/tf_static"):
    """A LiDAR 0.2 m right of the camera that sees a wall 4 m ahead of both."""
    with recordings.writing(path) as write:
        if tf_topic:
            tf = recordings.transform(START, recordings.CAMERA, recordings.LIDAR, (0.2, 0, 0))
            write(tf_topic, START, tf)
        write("/points", START, recordings.cloud(START, wall()))
        write(IMAGE, START + 5, recordings.image(START))
        write("/camera/camera_info", START + 9, recordings.camera_info(START))
    return path


@pytest.mark.parametrize("topic", ["/tf", "/tf_static"])
def test_a_looped_bag_is_completed_with_the_transforms_of_each_pass(
    tmp_path, complete, interrupted, topic
):
    """The wall is 4 m away in the first pass and 5 m in the second."""
    with recordings.writing(tmp_path / "in") as write:
        for index in range(40):
            stamp = START + index % 20 * PERIOD
            recorded = START + index * PERIOD
            away = (0.2, 0, float(index >= 20))
            tf = recordings.transform(stamp, recordings.CAMERA, recordings.LIDAR, away)
            write(topic, recorded, tf)
            write("/camera/camera_info", recorded, recordings.camera_info(stamp))
            if index % 20 in (7, 8):
                write("/points", recorded, recordings.cloud(stamp, wall()))
                write(IMAGE, recorded + 5, recordings.image(stamp))
    assert complete(tmp_path / "in", tmp_path / "whole", "--outputs", "dense") == 0
    found = [np.mean(depth_of(m)) for _, m in messages_of(tmp_path / "whole", DENSE)]
    assert found == pytest.approx([4 * 1.2, 4 * 1.2, 5 * 1.2, 5 * 1.2], rel=1e-5)
    interrupted.update(calls=0, stop_at=4)  # in the second pass
    assert complete(tmp_path / "in", tmp_path / "out", "--outputs", "dense") == 130
    assert complete(tmp_path / "in", tmp_path / "out", "--outputs", "dense") == 0
    assert read(tmp_path / "out") == read(tmp_path / "whole")


def test_an_image_gets_the_camera_info_of_its_stamp(tmp_path, complete):
    """A zoom whose camera_info is recorded behind the image of the next stamp."""
    with recordings.writing(tmp_path / "in") as write:
        for index in range(4):
            stamp = START + index * PERIOD
            write(SPARSE, stamp, recordings.sparse_depth(stamp))
            write(IMAGE, stamp, recordings.image(stamp))
            info = recordings.camera_info(stamp, focal=80 + index)
            write("/camera/camera_info", stamp + PERIOD + 5, info)
    assert complete(tmp_path / "in", tmp_path / "out") == 0
    infos = [message for _, message in messages_of(tmp_path / "out", INFO)]
    assert [info.k[0] for info in infos] == [80, 81, 82, 83]


def test_projects_point_clouds_with_the_transforms_of_the_bag(tmp_path, complete):
    source = write_clouds(tmp_path / "in")
    assert complete(source, tmp_path / "out") == 0
    ((_, message),) = messages_of(tmp_path / "out", DENSE)
    np.testing.assert_allclose(depth_of(message), 4 * 1.2, rtol=1e-5)
    ((_, points),) = messages_of(tmp_path / "out", POINTS)
    xyz = points.data.view(np.float32).reshape(HEIGHT, WIDTH, 4)[..., :3]
    assert xyz[0, 0] == pytest.approx([-47.5 * 4.8 / 80, -31.5 * 4.8 / 80, 4.8], rel=1e-5)


def test_says_why_a_depth_may_be_wrong(tmp_path, complete, capsys):
    record_drive(tmp_path / "drive", frames=3)
    assert complete(tmp_path / "drive", tmp_path / "out") == 0
    assert "contradicted_points" in capsys.readouterr().err  # of the tiny bundle's depth
    quiet = ["-p", "diagnostics.max_contradicted_share:=0.0"]
    assert complete(tmp_path / "drive", tmp_path / "again", *quiet) == 0
    assert "contradicted_points" not in capsys.readouterr().err


def test_says_that_the_sparse_depth_is_in_another_frame(tmp_path, complete, capsys):
    with recordings.writing(tmp_path / "in") as write:
        depth = recordings.sparse_depth(START)
        depth.header.frame_id = "depth_optical_frame"
        write(SPARSE, START, depth)
        write(IMAGE, START, recordings.image(START))
    assert complete(tmp_path / "in", tmp_path / "out", "--outputs", "dense") == 0
    output, error = capsys.readouterr()
    assert "completed 1 of 1 images" in output
    assert "other_frame: sparse depth is in frame 'depth_optical_frame'" in error


@pytest.mark.parametrize(
    ("topic", "options"),
    [("/robot/tf_static", ()), ("/latched", ("--tf-static-topic", "/latched"))],
)
def test_transforms_may_have_other_topics(tmp_path, complete, capsys, topic, options):
    source = write_clouds(tmp_path / "in", topic)
    assert complete(source, tmp_path / "out", "--outputs", "dense", *options) == 0
    ((_, message),) = messages_of(tmp_path / "out", DENSE)
    np.testing.assert_allclose(depth_of(message), 4 * 1.2, rtol=1e-5)
    assert f"transforms: {topic}\n" in capsys.readouterr().err


def test_a_pose_that_is_given_needs_no_topics(tmp_path, complete):
    source = tmp_path / "in"
    with recordings.writing(source) as write:
        for topic in ("/a/tf", "/b/tf"):
            write(topic, START, recordings.transform(START, "base", "arm"))
        write("/points", START, recordings.cloud(START, wall()))
        write(IMAGE, START, recordings.image(START))
        write("/camera/camera_info", START, recordings.camera_info(START))
    given = ("-p", "extrinsics.source:=parameter", "-p", "extrinsics.translation:=[0.2, 0.0, 0.0]")
    assert complete(source, tmp_path / "out", "--outputs", "dense", *given) == 0
    assert complete(source, tmp_path / "asks") == 2


def test_tells_what_else_could_have_been_the_sparse_depth(tmp_path, complete, capsys):
    with recordings.writing(tmp_path / "in") as write:
        write("/cloud", START, recordings.cloud(START, np.ones((4, 3))))
        write(IMAGE, START, recordings.image(START))
        write("/projected", START, recordings.sparse_depth(START))
    assert complete(tmp_path / "in", tmp_path / "out", "--outputs", "dense") == 0
    error = capsys.readouterr().err
    assert "sparse depth: /projected (1 of sensor_msgs/msg/Image)" in error
    assert "projected into the image already; --sparse-depth takes /cloud instead" in error


def test_without_transforms_it_says_how_to_give_the_pose(tmp_path, complete, capsys):
    source = write_clouds(tmp_path / "in", tf_topic="")
    assert complete(source, tmp_path / "out") == 2
    assert "give it by extrinsics.source:=parameter" in capsys.readouterr().err
    assert not (tmp_path / "out.partial").exists()
    given = ("-p", "extrinsics.source:=parameter", "-p", "extrinsics.translation:=[0.2, 0.0, 0.0]")
    assert complete(source, tmp_path / "out", *given) == 0
    ((_, message),) = messages_of(tmp_path / "out", DENSE)
    np.testing.assert_allclose(depth_of(message), 4 * 1.2, rtol=1e-5)


def test_parameters_are_those_of_the_node(tmp_path, complete):
    source = record_drive(tmp_path / "in", frames=1)
    options = ("-p", "depth_encoding:=16UC1", "-p", "output.scale:=0.5", "--namespace", "/front/")
    assert complete(source, tmp_path / "out", *options) == 0
    ((_, message),) = messages_of(tmp_path / "out", f"/front{DENSE}")
    assert (message.encoding, message.height, message.width) == ("16UC1", HEIGHT // 2, WIDTH // 2)
    expected = round(1000 * expected_depth(recordings.depths(0)))
    assert np.abs(message.data.view(np.uint16).astype(int) - expected).max() <= 1
    ((_, info),) = messages_of(tmp_path / "out", f"/front{INFO}")
    assert (info.width, info.k[0]) == (WIDTH // 2, recordings.FOCAL / 2)


@pytest.fixture
def interrupted(monkeypatch):
    """Lets the n-th completion be interrupted; counts them."""
    complete, counts = DepthCompleter.complete, {"calls": 0, "stop_at": 0}

    def counting(self, *arguments):
        counts["calls"] += 1
        if counts["calls"] == counts["stop_at"]:
            raise KeyboardInterrupt
        return complete(self, *arguments)

    monkeypatch.setattr(DepthCompleter, "complete", counting)
    monkeypatch.setattr(DepthCompleter, "self_check", lambda self: 0.0)
    return counts


def test_goes_on_where_it_was_interrupted(tmp_path, complete, capsys, interrupted):
    source = record_drive(tmp_path / "in", frames=5)
    assert complete(source, tmp_path / "whole") == 0
    interrupted.update(calls=0, stop_at=4)
    assert complete(source, tmp_path / "out") == 130
    assert "the same command continues" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
    interrupted.update(calls=0, stop_at=0)
    assert complete(source, tmp_path / "out") == 0
    assert interrupted["calls"] == 2  # three of five were there
    assert read(tmp_path / "out") == read(tmp_path / "whole")
    assert "completed 5 of 5 images" in capsys.readouterr().out


def test_does_not_mix_frames_of_other_settings(tmp_path, complete, capsys, interrupted):
    source = record_drive(tmp_path / "in")
    interrupted["stop_at"] = 2
    assert complete(source, tmp_path / "out") == 130
    assert complete(source, tmp_path / "out", "-p", "output.scale:=0.5") == 2
    assert "output.scale: 1.0, now 0.5" in capsys.readouterr().err
    shutil.rmtree(tmp_path / "out.partial")
    assert complete(source, tmp_path / "out", "-p", "output.scale:=0.5") == 0


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (
            (),
            "skipped: 3 image no_partner: the nearest sparse depth is 0.07 s away, sync.slop "
            "0.05 s allows less: raise it, or try sync.policy:=latest",
        ),
        (
            ("sync.policy:=exact",),
            "the nearest sparse depth is 0.07 s away, sync.policy:=exact takes equal stamps only: "
            "try sync.policy:=approximate with sync.slop above 0.07",
        ),
        (
            ("sync.policy:=latest", "sync.max_age:=0.05"),
            "skipped: 2 image no_fresh_sparse_depth: the nearest sparse depth is 0.07 s away, "
            "sync.max_age 0.05 s allows less: raise it",
        ),
    ],
    ids=["approximate", "exact", "latest"],
)
def test_an_image_without_partner_says_how_far_the_nearest_is(
    tmp_path, complete, capsys, options, expected
):
    with recordings.writing(tmp_path / "in") as write:
        for index in range(4):
            stamp = START + 10 * index * PERIOD
            late = 0 if index == 0 and "exact" not in str(options) else 70_000_000
            write(SPARSE, stamp, recordings.sparse_depth(stamp))
            write(IMAGE, stamp + 5, recordings.image(stamp + late))
    given = [part for option in options for part in ("-p", option)]
    code = complete(tmp_path / "in", tmp_path / "out", "--outputs", "dense", *given)
    assert code == (2 if "exact" in str(options) else 0)
    assert expected in capsys.readouterr().err


def test_a_resumed_run_says_again_what_is_missing(tmp_path, complete, capsys, interrupted):
    source = tmp_path / "in"
    with recordings.writing(source) as write:
        for index in range(3):
            stamp = START + index * PERIOD
            write(f"{IMAGE}/compressed", stamp, recordings.compressed_image(stamp))
            write(SPARSE, stamp, recordings.sparse_depth(stamp))
    interrupted["stop_at"] = 3
    assert complete(source, tmp_path / "out") == 130
    interrupted["stop_at"] = 0
    partial, made = tmp_path / "out.partial" / "frames", tmp_path / "made.npz"
    shutil.copy(min(partial.iterdir()), made)
    shutil.copy(made, partial / "sparse_depth-000000003.npz")  # nothing is left to complete
    capsys.readouterr()
    assert complete(source, tmp_path / "out") == 0
    expected = "no_camera_info: no usable camera_info for images of frame 'camera_optical_frame'"
    assert f"{expected}, {WIDTH}x{HEIGHT}" in capsys.readouterr().err


def test_says_what_it_skipped_and_why(tmp_path, complete, capsys):
    with recordings.writing(tmp_path / "in") as write:
        for index in range(5):
            stamp = START + index * PERIOD
            image = recordings.image(stamp)
            if index == 1:
                image.encoding = "infrared"
            write(IMAGE, stamp, image)
            sparse = recordings.sparse_depth(stamp)
            if index == 2:
                sparse.data = np.zeros_like(sparse.data)
            if index != 4:
                write(SPARSE, stamp, sparse)
    assert complete(tmp_path / "in", tmp_path / "out") == 0
    output = capsys.readouterr()
    assert "completed 2 of 5 images with 4 sparse depths" in output.out
    assert "skipped: 1 image_encoding: image encoding 'infrared' is not supported" in output.err
    assert "skipped: 1 too_few_sparse_points: " in output.err
    expected = "skipped: 1 image no_partner: the nearest sparse depth is 0.1 s away, sync.slop 0.05"
    assert expected in output.err
    assert "no usable camera_info" in output.err  # so there is no cloud
    assert len(messages_of(tmp_path / "out", DENSE)) == 2
    assert messages_of(tmp_path / "out", POINTS) == []


def test_of_a_damaged_bag_it_completes_what_came_before(tmp_path, complete, capsys):
    source = record_drive(tmp_path / "in", frames=40)
    (file,) = source.glob("*.db3")
    with file.open("r+b") as damaged:
        damaged.seek(file.stat().st_size // 2)
        damaged.write(b"\xff" * 5000)
    assert complete(source, tmp_path / "out", "--outputs", "dense") == 0
    output = capsys.readouterr()
    assert "is damaged after" in output.err
    completed = len(messages_of(tmp_path / "out", DENSE))
    assert 5 < completed < 35
    assert f"completed {completed} of" in output.out


def test_a_message_that_is_none_costs_its_frame_only(tmp_path, complete, capsys):
    with Writer(tmp_path / "in", version=8) as writer:
        image, sparse = (
            writer.add_connection(topic, "sensor_msgs/msg/Image", typestore=STORE)
            for topic in (IMAGE, SPARSE)
        )
        for index in range(3):
            stamp = START + index * PERIOD
            content = STORE.serialize_cdr(recordings.image(stamp), "sensor_msgs/msg/Image")
            writer.write(image, stamp, content[: 50 if index == 1 else None])
            depth = recordings.sparse_depth(stamp)
            writer.write(sparse, stamp, STORE.serialize_cdr(depth, "sensor_msgs/msg/Image"))
    assert complete(tmp_path / "in", tmp_path / "out") == 0
    output = capsys.readouterr()
    assert "completed 2 of 3 images with 3 sparse depths" in output.out
    assert f"skipped: 1 unreadable_message: a message of {IMAGE} cannot be read" in output.err
    assert read(tmp_path / "in")[0] == [
        e for e in read(tmp_path / "out")[0] if e[0] in (IMAGE, SPARSE)
    ]


def test_stays_away_from_what_is_there(tmp_path, complete, capsys):
    source = record_drive(tmp_path / "in")
    (tmp_path / "out").mkdir()
    assert complete(source, tmp_path / "out") == 2
    assert "exists: choose another name" in capsys.readouterr().err
    (tmp_path / "new.partial").mkdir()
    (tmp_path / "new.partial" / "thesis.tex").touch()
    assert complete(source, tmp_path / "new") == 2
    assert "was not made by this command" in capsys.readouterr().err
    assert complete(source, tmp_path / "nowhere" / "out") == 2
    assert "there is no folder" in capsys.readouterr().err


def test_two_runs_do_not_make_the_same_bag(tmp_path, complete, capsys, monkeypatch):
    source = record_drive(tmp_path / "in", frames=3)
    whole, codes = DepthCompleter.complete, []

    def beside_another(self, *arguments):
        if not codes:
            codes.append(None)
            codes[0] = complete(source, tmp_path / "out")
        return whole(self, *arguments)

    monkeypatch.setattr(DepthCompleter, "complete", beside_another)
    monkeypatch.setattr(DepthCompleter, "self_check", lambda self: 0.0)
    assert complete(source, tmp_path / "out") == 0
    assert codes == [2]
    output = capsys.readouterr()
    assert f"{tmp_path / 'out'} is being made by another run of this command" in output.err
    assert "completed 3 of 3 images" in output.out


def test_a_full_disk_costs_nothing_that_is_done(tmp_path, complete, capsys, monkeypatch):
    source = record_drive(tmp_path / "in")
    assert complete(source, tmp_path / "whole") == 0
    savez, calls = np.savez, []

    def full(file, **arrays):
        calls.append(arrays)
        if len(calls) == 3:
            file.write(b"half a frame")
            raise OSError(28, "No space left on device")
        savez(file, **arrays)

    monkeypatch.setattr(np, "savez", full)
    assert complete(source, tmp_path / "out") == 2
    error = capsys.readouterr().err
    assert "out.partial cannot be written ([Errno 28] No space left on device)" in error
    assert len(list((tmp_path / "out.partial" / "frames").iterdir())) == 2
    assert complete(source, tmp_path / "out") == 0
    assert len(calls) == 5
    assert read(tmp_path / "out") == read(tmp_path / "whole")


@pytest.mark.parametrize("failing", ["Writer.write", "Writer.close", "Path.mkdir"])
def test_what_cannot_be_written_is_told_in_one_line(
    tmp_path, complete, capsys, monkeypatch, failing
):
    source = record_drive(tmp_path / "in")

    def refuse(*_, **__):
        if failing == "Writer.close":  # where SQLite writes
            raise sqlite3.OperationalError("database or disk is full")
        raise OSError(13, "Permission denied")

    owner = {"Writer": Writer, "Path": Path}[failing.split(".")[0]]
    with monkeypatch.context() as patched:
        patched.setattr(owner, failing.split(".")[1], refuse)
        assert complete(source, tmp_path / "out") == 2
    error = capsys.readouterr().err
    assert "Permission denied" in error or "database or disk is full" in error
    assert error.startswith("starrygazer: ")
    assert "Traceback" not in error
    assert complete(source, tmp_path / "out") == 0


@pytest.mark.parametrize("namespace", ["x y", "a//b", "1st", "front-left", "ümlaut"])
def test_a_namespace_that_ros_does_not_take_is_refused(tmp_path, complete, capsys, namespace):
    source = record_drive(tmp_path / "in")
    assert complete(source, tmp_path / "out", "--namespace", namespace) == 2
    assert "letters, digits and underscores" in capsys.readouterr().err


def test_a_bag_that_was_completed_needs_other_names(tmp_path, complete, capsys):
    complete(record_drive(tmp_path / "in"), tmp_path / "out")
    assert complete(tmp_path / "out", tmp_path / "again") == 2
    assert "has /depth/dense, /depth/camera_info" in capsys.readouterr().err
    assert complete(tmp_path / "out", tmp_path / "again", "--namespace", "second") == 0
    assert len(messages_of(tmp_path / "again", f"/second{DENSE}")) == 4


@pytest.mark.parametrize(
    ("name", "content", "part"),
    [
        ("missing", None, "does not exist"),
        ("noetic.bag", b"#ROSBAG V2.0", "rosbags-convert --src"),
        ("cut.mcap", b"\x89MCAP0\r\n" + bytes(50), "mcap recover"),
        ("cut.db3", b"SQLite format 3\0" + bytes(50), "ros2 bag reindex"),
        ("drive.mcap.zstd", b"\x28\xb5\x2f\xfd", "decompress it by zstd -d"),
        ("photo.png", b"\x89PNG", "cannot be opened as a rosbag2"),
    ],
)
def test_says_why_something_is_no_bag(tmp_path, complete, capsys, name, content, part):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    assert complete(tmp_path / name, tmp_path / "out") == 2
    error = capsys.readouterr().err
    assert part in error
    assert error.count("\n") == 1


def test_without_rosbags_it_says_what_to_install(monkeypatch, capsys, tmp_path):
    for module in [name for name in sys.modules if name.startswith("starrygazer_ros.bags.")]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, "rosbags.interfaces", None)
    assert main(["bag", "in", str(tmp_path / "out")]) == 2
    assert "pip install rosbags tqdm" in capsys.readouterr().err


def forget_types(bag):
    """As recordings of Humble and before are: no definitions and no hashes of types."""
    (file,) = bag.glob("*.db3")
    with sqlite3.connect(file) as database:
        database.execute("DELETE FROM message_definitions")
        database.execute("UPDATE topics SET type_description_hash = ''")
        database.execute("UPDATE topics SET type = 'odd_msgs/msg/Odd' WHERE name = '/chatter'")
    file = bag / "metadata.yaml"
    metadata = yaml.safe_load(file.read_text())
    for topic in metadata["rosbag2_bagfile_information"]["topics_with_message_count"]:
        del topic["topic_metadata"]["type_description_hash"]
        if topic["topic_metadata"]["name"] == "/chatter":
            topic["topic_metadata"]["type"] = "odd_msgs/msg/Odd"
    file.write_text(yaml.safe_dump(metadata))


def test_older_bags_without_type_definitions_are_completed(tmp_path, complete):
    source = record_drive(tmp_path / "in")
    forget_types(source)
    assert complete(source, tmp_path / "out", "--outputs", "dense") == 0
    copied = [entry for entry in read(tmp_path / "out")[0] if entry[0] != DENSE]
    assert copied == read(source)[0]
    assert ("/chatter", "odd_msgs/msg/Odd") in {entry[:2] for entry in copied}


def test_a_bag_of_several_files_becomes_one(tmp_path, complete):
    """rosbag2 splits long recordings."""
    whole = record_drive(tmp_path / "whole", frames=6)
    parts = tmp_path / "in"
    parts.mkdir()
    shutil.copy(whole / "whole.db3", parts / "in_0.db3")
    shutil.copy(whole / "whole.db3", parts / "in_1.db3")
    middle = START + 3 * PERIOD
    for name, part in (("in_0", "<"), ("in_1", ">=")):
        with sqlite3.connect(parts / f"{name}.db3") as database:
            database.execute(f"DELETE FROM messages WHERE NOT timestamp {part} {middle}")
    metadata = (whole / "metadata.yaml").read_text()
    metadata = metadata.replace("  - whole.db3", "  - in_0.db3\n  - in_1.db3", 1)
    (parts / "metadata.yaml").write_text(metadata)
    assert complete(whole, tmp_path / "of_whole") == 0
    assert complete(parts, tmp_path / "of_parts") == 0
    assert read(tmp_path / "of_parts") == read(tmp_path / "of_whole")


def test_a_bad_transform_costs_itself_only(tmp_path, complete, capsys):
    source = tmp_path / "in"
    write_clouds(tmp_path / "good")
    with Writer(source, version=8) as writer, Reader(tmp_path / "good") as good:
        copies = {
            c.topic: writer.add_connection(c.topic, c.msgtype, typestore=STORE)
            for c in good.connections
        }
        bad = recordings.transform(START, "base", "radar", (0, 0, 0), (0, 0, 0, 0))
        content = STORE.serialize_cdr(bad, bad.__msgtype__)
        writer.write(copies["/tf_static"], START - 2, content)
        writer.write(copies["/tf_static"], START - 1, content[:20])
        for connection, time, data in good.messages():
            writer.write(copies[connection.topic], time, data)
    assert complete(source, tmp_path / "out", "--outputs", "dense") == 0
    output = capsys.readouterr()
    assert "skipped: 1 transform: the transform from 'radar' to 'base' is no pose" in output.err
    assert "skipped: 1 unreadable_message: a message of /tf_static cannot be read" in output.err
    assert "completed 1 of 1 images" in output.out


def test_what_nobody_thought_of_costs_its_frame_and_is_told(
    tmp_path, complete, capsys, monkeypatch
):
    source = record_drive(tmp_path / "in", frames=3)
    whole, calls = DepthCompleter.complete, []

    def sometimes(self, *arguments):
        calls.append(arguments)
        if len(calls) == 2:
            raise ArithmeticError("nobody thought of it")
        return whole(self, *arguments)

    monkeypatch.setattr(DepthCompleter, "complete", sometimes)
    assert complete(source, tmp_path / "out") == 0
    output = capsys.readouterr()
    assert "skipped: 1 internal_error: ArithmeticError: nobody thought of it" in output.err
    assert "completed 2 of 3 images" in output.out


def test_a_frame_that_a_power_cut_left_half_written_is_made_again(tmp_path, complete, interrupted):
    source = record_drive(tmp_path / "in")
    assert complete(source, tmp_path / "whole") == 0
    interrupted.update(calls=0, stop_at=3)
    assert complete(source, tmp_path / "out") == 130
    frame = min((tmp_path / "out.partial" / "frames").iterdir())
    frame.write_bytes(frame.read_bytes()[:1000])
    interrupted.update(calls=0, stop_at=0)
    assert complete(source, tmp_path / "out") == 0
    assert interrupted["calls"] == 3
    assert read(tmp_path / "out") == read(tmp_path / "whole")


def test_a_damaged_note_of_the_job_is_told(tmp_path, complete, capsys, interrupted):
    source = record_drive(tmp_path / "in")
    interrupted["stop_at"] = 2
    assert complete(source, tmp_path / "out") == 130
    (tmp_path / "out.partial" / "job.json").write_bytes(b"")
    assert complete(source, tmp_path / "out") == 2
    assert "job.json is damaged: remove the folder" in capsys.readouterr().err


def test_frames_behind_damage_of_another_topic_are_kept(tmp_path, complete, capsys):
    source = record_drive(tmp_path / "in", frames=10)
    assert complete(source, tmp_path / "whole", "--outputs", "dense") == 0
    whole = Reader.messages

    def damaged(self, connections=(), **options):
        for number, message in enumerate(whole(self, connections, **options)):
            if not connections and number == 22:  # of all topics, between an image and its depth
                raise ValueError("damaged")
            yield message

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Reader, "messages", damaged)
        capsys.readouterr()
        assert complete(source, tmp_path / "out", "--outputs", "dense") == 0
    output = capsys.readouterr()
    assert "completed 10 of 10" in output.out
    assert "added /depth/dense (10)" in output.out
    assert "is damaged after 22 messages" in output.err
    assert "of what lies behind it 9 messages of the inputs" in output.err
    assert "are lost" not in output.err
    kept, expected = (read(tmp_path / name)[0] for name in ("out", "whole"))
    inputs = (IMAGE, SPARSE, DENSE)
    assert [e for e in kept if e[0] in inputs] == [e for e in expected if e[0] in inputs]
    assert [e for e in kept if e[0] == "/chatter"] == [e for e in expected if e[0] == "/chatter"][
        :5
    ]


def test_a_model_that_is_not_there_is_no_fault_of_the_output(tmp_path, capsys):
    source = record_drive(tmp_path / "in")
    assert main(["bag", str(source), str(tmp_path / "out"), "-p", "model:=absent"]) == 2
    error = capsys.readouterr().err
    assert error.startswith("starrygazer: error: no model bundle 'absent'")
    assert not (tmp_path / "out.partial").exists()


def test_clouds_are_not_projected_into_a_distorted_image(tmp_path, complete, capsys):
    source = write_clouds(tmp_path / "in")
    assert complete(source, tmp_path / "out", "-p", "rectified:=false") == 2
    assert "point clouds need rectified:=true" in capsys.readouterr().err
    assert not (tmp_path / "out.partial").exists()


def test_the_reason_of_a_stamp_names_the_right_topic(tmp_path, complete, capsys):
    with recordings.writing(tmp_path / "in") as write:
        for index in range(2):
            stamp = START + index * PERIOD
            write(IMAGE, stamp, recordings.image(stamp))
            sparse = recordings.sparse_depth(stamp)
            if index:
                sparse.header.stamp.sec = -5
            write(SPARSE, stamp, sparse)
    assert complete(tmp_path / "in", tmp_path / "out", "--outputs", "dense") == 0
    expected = "skipped: 1 sparse_depth negative_stamp: sparse depth has a stamp of -5 s"
    assert expected in capsys.readouterr().err


@pytest.mark.parametrize(
    ("entry", "damage", "reason"),
    [
        ("name: /camera/image_rect", "name: true", "has True where a name is expected"),
        ("name: /camera/image_rect", "name: {}", "has {} where a name is expected"),
        ("type: sensor_msgs/msg/Image", "type: false", "has False where a name is expected"),
        ("type: sensor_msgs/msg/Image", "type: {a: b}", "where a name is expected"),
        ("custom_data: null", "custom_data: " + "[" * 3000 + "]" * 3000, "are in each other"),
        ("custom_data: null", "custom_data: [&a {x: 1}, {<<: [*a , *a ]}]", "has an alias"),
    ],
)
def test_metadata_of_other_types_has_one_reason(tmp_path, complete, capsys, entry, damage, reason):
    source = record_drive(tmp_path / "in")
    text = (source / "metadata.yaml").read_text()
    assert entry in text
    (source / "metadata.yaml").write_text(text.replace(entry, damage, 1))
    assert complete(source, tmp_path / "out") == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "cannot be opened as a rosbag2" in line
    assert reason in line
