"""The node needs no network: it completes in a namespace that has the loopback device only."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

import pytest

pytest.importorskip("rclpy", reason="rclpy is needed: see requirements/")

from integration.harness import REPOSITORY, next_domain

pytestmark = pytest.mark.integration

SCRIPT = """
import fcntl, socket, struct, sys
from pathlib import Path
sys.path[:0] = [sys.argv[1], sys.argv[1] + "/test"]
UP = 1
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
    fcntl.ioctl(control, 0x8914, struct.pack("16sh14x", b"lo", UP))  # SIOCSIFFLAGS
assert [name for _, name in socket.if_nameindex()] == ["lo"]

from integration.harness import NodeProcess, Peer

domain = int(sys.argv[3])  # whose shared memory nobody else uses: that is not in the namespace
peer = Peer(domain)
process = NodeProcess(Path(sys.argv[2]), domain, {"model": "default"})
try:
    process.wait_for_log("self-check")
    peer.wait_until_connected()
    assert peer.complete_good_pair()["/depth/dense"].encoding == "32FC1"
finally:
    code = process.stop()
    peer.destroy()
assert code == 0, process.log
"""


def test_the_node_completes_without_a_network(tmp_path):
    alone = ["unshare", "--user", "--map-root-user", "--net"]
    if (
        not shutil.which("unshare")
        or subprocess.run([*alone, "true"], capture_output=True).returncode
    ):
        pytest.skip("no network namespaces here: util-linux, and kernel.unprivileged_userns_clone")
    result = subprocess.run(
        [*alone, sys.executable, "-c", SCRIPT, str(REPOSITORY), str(tmp_path), str(next_domain())],
        capture_output=True,
        text=True,
        timeout=180,
        env=os.environ,
    )
    assert result.returncode == 0, result.stdout + result.stderr
