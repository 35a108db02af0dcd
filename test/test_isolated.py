from __future__ import annotations

import os

import pytest

from robustness.isolated import Isolated
from robustness.refusals import FINE, BrokenError


def make_check(folder):
    """In the process: a check that gets into the trouble that the case's name says."""

    def check(name, case):
        if name == "dies":
            os.abort()
        if name == "hangs":
            while True:
                pass
        if name == "raises":
            raise ZeroDivisionError("by zero")
        return FINE

    return check


@pytest.fixture(scope="module")
def isolated(tmp_path_factory):
    made = Isolated(make_check, tmp_path_factory.mktemp("isolated"))
    yield made
    made.stop()


@pytest.mark.parametrize(
    ("trouble", "expected"),
    [
        ("raises", "ZeroDivisionError: by zero"),
        ("dies", "the process ended: SIGABRT"),
        ("hangs", "nothing came of it in 1 s"),
    ],
)
def test_trouble_is_found_and_a_process_in_it_replaced(isolated, monkeypatch, trouble, expected):
    assert isolated.check("nothing", None) == FINE
    monkeypatch.setattr("robustness.isolated.LONGEST_CASE", 1)
    with pytest.raises(BrokenError, match=expected):
        isolated.check(trouble, None)
