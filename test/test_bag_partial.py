"""The folder of frames that are completed already, and who has it."""

from __future__ import annotations

import fcntl
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("rosbags", reason="rosbags is needed: see requirements/")

from starrygazer_ros.bags.partial import PartialBag, partial_folder
from starrygazer_ros.bags.recording import BagError

JOB = {"image": "/camera/image_rect"}
HOLDS_IT = """
import sys
from pathlib import Path
from starrygazer_ros.bags.partial import PartialBag
with PartialBag(Path(sys.argv[1]), {"image": "/camera/image_rect"}) as partial:
    partial.add("image-000000001", {"depth/dense": b"depths"})
    print("ready", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def output(tmp_path):
    return tmp_path / "out"


@pytest.fixture
def other_process(output):
    """A process that has the folder, with one frame in it."""
    command = [sys.executable, "-c", HOLDS_IT, str(output)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"ready\n"
        yield process
        process.kill()


def test_a_second_process_is_told_and_changes_nothing(output, other_process):
    before = sorted(partial_folder(output).rglob("*"))
    with pytest.raises(BagError, match="out is being made by another run of this command: wait"):
        PartialBag(output, {"image": "/another"})
    assert sorted(partial_folder(output).rglob("*")) == before


def test_the_folder_of_a_process_that_was_killed_is_taken_over(output, other_process):
    other_process.kill()
    other_process.wait()
    with PartialBag(output, JOB) as partial:
        assert partial.resumed
        assert partial.outputs("image-000000001") == {"depth/dense": b"depths"}


def test_of_two_in_one_process_the_second_is_told(output):
    with PartialBag(output, JOB), pytest.raises(BagError, match="another run of this command"):
        PartialBag(output, JOB)
    with PartialBag(output, JOB) as again:
        assert again.resumed


def test_whoever_is_refused_gives_the_folder_back(output):
    with PartialBag(output, JOB):
        pass
    with pytest.raises(BagError, match="image: /camera/image_rect, now /another"):
        PartialBag(output, {"image": "/another"})
    with PartialBag(output, JOB) as partial:
        partial.remove()
    assert not partial.folder.exists()


def test_a_folder_that_a_crash_left_empty_is_used(output):
    partial_folder(output).mkdir()
    (partial_folder(output) / "job.tmp").write_bytes(b"half a")
    with PartialBag(output, JOB) as partial:
        assert not partial.resumed


@pytest.mark.parametrize("make", [Path.touch, lambda path: (path / "sub").mkdir(parents=True)])
def test_what_somebody_else_made_is_left_alone(output, make):
    make(partial_folder(output))
    with pytest.raises(BagError, match="was not made by this command"):
        PartialBag(output, JOB)
    assert not (partial_folder(output) / "lock").exists()


def test_a_folder_that_vanishes_before_it_is_locked_is_made_anew(output, monkeypatch):
    lock, flock, vanished = partial_folder(output) / "lock", fcntl.flock, []

    def remove_first(file, how):
        if not vanished:
            vanished.append(True)
            lock.unlink()
            lock.parent.rmdir()
        flock(file, how)

    monkeypatch.setattr(fcntl, "flock", remove_first)
    with PartialBag(output, JOB):
        assert lock.exists()
        with pytest.raises(BagError, match="another run"):
            PartialBag(output, JOB)


def test_a_bag_that_was_finished_meanwhile_is_not_made_again(output):
    output.mkdir()
    with pytest.raises(BagError, match="out exists"):
        PartialBag(output, JOB)
    assert not partial_folder(output).exists()


def test_what_another_run_begins_in_a_folder_while_it_is_removed_stays(output, monkeypatch):
    rmdir = Path.rmdir

    def begun_before(self):
        (self / "lock").touch()
        rmdir(self)

    with PartialBag(output, JOB) as partial:
        monkeypatch.setattr(Path, "rmdir", begun_before)
        partial.remove()
    assert (partial.folder / "lock").exists()


def test_a_frame_that_was_changed_is_made_again(output):
    with PartialBag(output, JOB) as partial:
        partial.add("image-000000001", {"depth/dense": b"depths"})
        file = partial_folder(output) / "frames" / "image-000000001.npz"
        file.write_bytes(file.read_bytes().replace(b"depths", b"DEPTHS"))
        assert "image-000000001" not in partial
        assert partial.outputs("image-000000001") == {}


def test_a_frame_that_would_grow_when_it_is_read_is_made_again(output):
    with PartialBag(output, JOB) as partial:
        np.savez_compressed(partial_folder(output) / "frames" / "image-1.npz", a=np.zeros(9))
        assert "image-1" not in partial


def test_a_note_of_brackets_only_is_damaged(output):
    with PartialBag(output, JOB):
        pass
    (partial_folder(output) / "job.json").write_bytes(b"[" * 50_000)
    with pytest.raises(BagError, match=r"job\.json is damaged"):
        PartialBag(output, JOB)
