from __future__ import annotations

import subprocess
import sys

SCRIPT = """
import signal, sys
from starrygazer_ros.nodes.stopping import stop_on_signals

stop = stop_on_signals()
sys.settrace(lambda *_: signal.raise_signal(signal.SIGTERM))  # on each call in the handler
signal.raise_signal(signal.SIGINT)
sys.settrace(None)
stop.wait()
"""


def test_a_signal_during_the_handler_of_another_one_does_not_hang_the_process(repository):
    # In a process of its own: nothing else gets out of a lock that its own thread holds.
    ended = subprocess.run([sys.executable, "-c", SCRIPT], cwd=repository, timeout=30)
    assert ended.returncode == 0
