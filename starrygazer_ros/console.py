"""What the parts of the command ``starrygazer`` have in common."""

from __future__ import annotations

import argparse
import sys

import numpy as np

EXIT_OK, EXIT_SICK, EXIT_BAD_INPUT, EXIT_INTERRUPTED = 0, 1, 2, 130


def say(message: str) -> None:
    """Tell what is no result, on stderr."""
    print(f"starrygazer: {message}", file=sys.stderr)


def bar_interval() -> float:
    """Seconds between two states of a progress bar: seldom where each becomes a line in a log."""
    return 0.1 if sys.stderr.isatty() else 3.0


def positive_number(text: str) -> float:
    """For arguments of argparse."""
    try:
        number = float(text)
    except ValueError:
        number = np.nan
    if not (np.isfinite(number) and number > 0):
        raise argparse.ArgumentTypeError(f"{text} is not a positive number")
    return number


def share(text: str) -> float:
    """For arguments of argparse."""
    try:
        number = float(text)
    except ValueError:
        number = np.nan
    if not 0 <= number <= 1:  # also catches NaN
        raise argparse.ArgumentTypeError(f"{text} is not a number from 0 to 1")
    return number


def positive_integer(text: str) -> int:
    """For arguments of argparse."""
    if not text.isascii() or not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a whole number of at least 1")
    return int(text)
