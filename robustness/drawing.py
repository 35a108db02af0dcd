"""So many examples of a strategy of Hypothesis, without its database and deadlines."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

Example = TypeVar("Example")


def for_each(
    strategy: st.SearchStrategy[Example],
    cases: int,
    call: Callable[[Example], None],
    number: int | None = None,
    shrink: bool = False,
) -> None:
    """Call a function with examples.

    Args:
        strategy: draws them.
        cases: how many.
        call: whatever it raises is raised with the example that did it in its notes.
        number: seed; ``None`` = other examples each time.
        shrink: look for the smallest example that raises.
    """
    test = settings(
        max_examples=cases,
        deadline=None,
        database=None,
        phases=[Phase.generate, Phase.shrink] if shrink else [Phase.generate],
        suppress_health_check=list(HealthCheck),
        print_blob=False,
    )(given(strategy)(call))
    (test if number is None else seed(number)(test))()
