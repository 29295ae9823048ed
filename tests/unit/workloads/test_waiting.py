"""The exit status of a process, whether it is our child or not."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys

from tandem.workloads.record import Process
from tandem.workloads.waiting import UNKNOWN, exited


def start(code: str) -> int:
    """A child that Python's own subprocess module does not wait for."""
    return os.posix_spawn(sys.executable, [sys.executable, "-c", code], os.environ)


def test_the_status_of_a_child_is_its_own() -> None:
    assert asyncio.run(exited(Process(pid=start("raise SystemExit(3)")))) == 3


def test_a_signal_counts_from_128() -> None:
    pid = start("import time; time.sleep(60)")
    os.kill(pid, signal.SIGKILL)
    assert asyncio.run(exited(Process(pid=pid))) == 128 + signal.SIGKILL


def test_a_process_that_ended_unseen_has_an_unknown_status() -> None:
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    assert asyncio.run(exited(Process(pid=child.pid))) == UNKNOWN


def test_a_number_that_belongs_to_another_process_has_ended() -> None:
    assert asyncio.run(exited(Process(pid=os.getpid(), started=1))) == UNKNOWN
