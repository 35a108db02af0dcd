"""So many examples of a strategy of Hypothesis, without its database and deadlines."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

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
    phases = [Phase.generate, Phase.shrink] if shrink else [Phase.generate]
    test = _test(strategy, call, max_examples=cases, phases=phases)
    (test if number is None else seed(number)(test))()


def from_bytes(
    strategy: st.SearchStrategy[Example], call: Callable[[Example], None]
) -> Callable[[bytes], object]:
    """Calls a function with the example that bytes stand for, if they stand for one."""
    found: Callable[[bytes], object] = _test(strategy, call).hypothesis.fuzz_one_input
    return found


def _test(strategy: Any, call: Any, **options: Any) -> Any:
    return settings(
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
        print_blob=False,
        **options,
    )(given(strategy)(call))
