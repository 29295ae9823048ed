"""Everything that a process has started ends with it, however it was started; nobody else does."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

from tandem.base import processes
from tandem.workloads import tree
from tandem.workloads.record import Process

SCRIPT = """
sleep 300 & setsid sleep 301 & (trap '' TERM HUP INT; sleep 302; sleep 303) &
sh -c '(sleep 304 &)'; echo ready; exec sleep 305
"""


@contextmanager
def leader() -> Iterator[Process]:
    started = subprocess.Popen(["sh", "-c", SCRIPT], stdout=subprocess.PIPE, start_new_session=True)
    assert started.stdout is not None
    try:
        assert started.stdout.readline() == b"ready\n"
        yield Process(pid=started.pid, started=processes.start_time(started.pid) or 0)
    finally:
        started.kill()
        started.communicate()  # until the last of them has closed its output


def test_children_sessions_and_orphans_are_found_and_end() -> None:
    with leader() as process:
        assert len(tree.members(process)) >= 6
        assert os.getpid() not in {p.pid for p in tree.members(process)}
        tree.end(process)


def test_a_number_that_another_process_has_now_is_left_alone() -> None:
    with leader() as process:
        assert tree.members(Process(pid=process.pid, started=process.started - 1)) == frozenset()
        assert tree.members(process)
        tree.end(process)
