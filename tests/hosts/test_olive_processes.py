from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from tests.patience import SECONDS

HOST = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # it is ignored where the tests run in the background
from theseus_plugin.hosts.olive_processes import _run
inner = "import os, sys, time; open(sys.argv[1], 'w').write(str(os.getpid())); time.sleep(3600)"
launcher = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {inner!r}, sys.argv[1]])"
_run([sys.executable, "-c", launcher, sys.argv[1]])
"""


@pytest.mark.parametrize(("ends_by", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, -signal.SIGINT)])
def test_a_host_that_is_stopped_leaves_no_process_behind(tmp_path: Path, ends_by: signal.Signals, status: int) -> None:
    """Also none that a launcher in between has started."""
    file = tmp_path / "pid"
    host = subprocess.Popen([sys.executable, "-c", HOST, str(file)], stderr=subprocess.DEVNULL)
    while not (file.exists() and file.read_text()):
        assert host.poll() is None
        time.sleep(0.1)
    worker = psutil.Process(int(file.read_text()))
    host.send_signal(ends_by)
    assert host.wait(SECONDS) == status
    _, alive = psutil.wait_procs([worker], SECONDS)
    assert not alive
