"""What a process frees stays with it: the next image costs no page faults."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys

import pytest

from starrygazer_ros.freed_memory import keep_freed_memory

IMAGES, BYTES = 8, 1_200_000
PROGRAM = f"""
import resource

import numpy as np

from starrygazer_ros.freed_memory import keep_freed_memory


def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt


def frame():
    return [np.ones({BYTES}, np.uint8) for _ in range({IMAGES})]


keep_freed_memory()
for _ in range(3):
    frame()
before = faults()
for _ in range(10):
    frame()
print((faults() - before) * resource.getpagesize())
"""


@pytest.mark.skipif(
    sys.platform != "linux" or not hasattr(ctypes.CDLL(None), "mallopt"),
    reason="another C library than GNU's",
)
def test_the_arrays_of_an_image_are_those_of_the_one_before() -> None:
    tuned = ("MALLOC_", "GLIBC_TUNABLES", "LD_PRELOAD")
    environment = {k: v for k, v in os.environ.items() if not k.startswith(tuned)}
    command = [sys.executable, "-c", PROGRAM]
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
    assert int(done.stdout) < IMAGES * BYTES  # got again for ten frames: less than for one


@pytest.mark.parametrize("platform", ["darwin", "win32"])
def test_elsewhere_nothing_is_done(monkeypatch, platform) -> None:
    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.setattr(ctypes, "CDLL", None)
    keep_freed_memory()
