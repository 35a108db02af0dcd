"""What a process frees stays with it: the next image costs no page faults."""

from __future__ import annotations

import ctypes
import subprocess
import sys

import pytest

if not hasattr(ctypes.CDLL(None), "mallopt"):
    pytest.skip("another C library than GNU's", allow_module_level=True)

IMAGES, BYTES = 8, 1_200_000
PAGES = IMAGES * BYTES // 4096
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
print(faults() - before)
"""


def run(program: str) -> int:
    """Page faults of ten frames."""
    command = [sys.executable, "-c", program]
    return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def test_the_arrays_of_an_image_are_those_of_the_one_before() -> None:
    assert run(PROGRAM) < PAGES  # of one frame, in ten


def test_otherwise_they_would_be_got_again_every_time() -> None:
    assert run(PROGRAM.replace("\nkeep_freed_memory()", "")) > 5 * PAGES
