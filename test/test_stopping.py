from __future__ import annotations

import subprocess
import sys

import pytest

START = """
import signal, sys, threading, time
from starrygazer_ros.nodes.stopping import stop_on_signals

stop = stop_on_signals()
"""
DURING_THE_HANDLER = """
sys.settrace(lambda *_: signal.raise_signal(signal.SIGTERM))  # on each call in the handler
signal.raise_signal(signal.SIGINT)
sys.settrace(None)
"""
IN_ANOTHER_THREAD = """
def interrupt():
    time.sleep(0.5)  # so that the main thread waits; if it does not yet, nothing is lost
    signal.pthread_kill(threading.get_ident(), signal.SIGINT)

threading.Thread(target=interrupt).start()
"""
OFTEN = """
for _ in range(100_000):
    stop.set()
signal.raise_signal(signal.SIGINT)
"""


@pytest.mark.parametrize("signals", [DURING_THE_HANDLER, IN_ANOTHER_THREAD, OFTEN])
def test_signals_end_the_wait_whatever_they_interrupt(repository, signals):
    # In a process of its own: one that hangs would not be interrupted by pytest either.
    script = f"{START}{signals}\nstop.wait()"
    ended = subprocess.run([sys.executable, "-c", script], cwd=repository, timeout=30)
    assert ended.returncode == 0
