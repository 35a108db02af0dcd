"""What becomes of a broken input: a result within bounds, or one clear reason with a cause."""

from __future__ import annotations

import tracemalloc
import warnings
from collections import Counter
from collections.abc import Callable
from typing import Any

from starrygazer_ros.completion import CompletionError
from starrygazer_ros.files import FileError

LONGEST_REASON = 1000  # characters
FINE = "fine"


class BrokenError(AssertionError):
    """Something else than a result or a clear reason."""


def attempt(check: Callable[[Any], None], case: Any, allowed: int) -> str:
    """Cause of the refusal, ``fine`` without one.

    Args:
        check: reads the case; raises what the readers raise.
        case: for it.
        allowed: bytes of Python and NumPy that it may need at once.

    Raises:
        BrokenError: the reason is none, or it needed more.
    """
    tracemalloc.start()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", RuntimeWarning)  # a line in the log for each message
            check(case)
        return FINE
    except CompletionError as error:
        return _cause(error, error.cause)
    except FileError as error:
        return _cause(error, "file")
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        if peak > allowed:
            raise BrokenError(f"{peak:,} bytes were needed to read it, {allowed:,} are allowed")


def _cause(error: Exception, cause: str) -> str:
    reason = " ".join(str(error).split())
    if not 10 < len(reason) < LONGEST_REASON or not cause.replace("_", "").isalnum():
        raise BrokenError(f"no clear reason: {cause!r}: {str(error)[:300]!r}")
    return cause


def require(condition: bool) -> None:
    """A result is what the docstring says.

    Raises:
        BrokenError: it is not.
    """
    if not condition:
        raise BrokenError("the result is not what the docstring says")


def in_words(outcomes: Counter[str]) -> str:
    """Counts by cause, the most frequent first."""
    return ", ".join(f"{count} {cause}" for cause, count in outcomes.most_common())
