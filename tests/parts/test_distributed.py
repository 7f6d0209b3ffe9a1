"""Who of a group has ended."""

import os
import socket
import subprocess
import sys

from sslrepro.parts.distributed import ended_processes


def test_a_killed_process_is_named_and_a_live_or_distant_one_is_not():
    here = socket.gethostname()
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        peers = [(here, os.getpid()), (here, child.pid), ("elsewhere", child.pid)]
        assert ended_processes(peers, seconds=0.0) == []
        child.kill()
        named = [f"process 1 of 3 ({here}, pid {child.pid})"]
        assert ended_processes(peers) == named, "before anyone has waited for it"
    assert ended_processes(peers) == named, "and after"
