"""A container's processes are known by its mount namespace."""

from __future__ import annotations

import asyncio
import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tandem.base import processes
from tandem.workloads.hold import Hold, closing_descriptor, own_namespaces
from tandem.workloads.record import Process

ME = Process(pid=os.getpid(), started=processes.start_time(os.getpid()) or 0)
FAMILY = "setsid sleep 60 & (sleep 60; true) & echo up; read -r _"


@contextmanager
def family() -> Iterator[tuple[subprocess.Popen[bytes], Process]]:
    """A shell in a mount namespace of its own, with a child in its session and one in another."""
    argv = ["unshare", "--mount", "sh", "-c", FAMILY]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"up\n"
        try:
            yield child, Process(pid=child.pid, started=processes.start_time(child.pid) or 0)
        finally:
            child.kill()


def wait_for_all(hold: Hold) -> None:
    """The shell, both it started, and what one of these starts: that one may not have yet."""
    for _ in range(2000):
        if len(list(hold.processes())) >= 4:
            return
        time.sleep(0.005)
    raise AssertionError(list(hold.processes()))


@pytest.mark.root
def test_what_a_process_started_is_found_after_its_end_whatever_its_session() -> None:
    with family() as (child, process):
        hold = Hold.of(process)
        assert hold is not None
        assert process in set(hold.processes())
        wait_for_all(hold)
        child.kill()
        child.wait()
        left = list(hold.processes())
        assert len(left) >= 3
        asyncio.run(hold.end())
        assert list(hold.processes()) == []
        assert not any(p.alive for p in left)
        hold.close()


@pytest.mark.root
def test_nobody_outside_the_namespace_is_touched() -> None:
    with family() as (_, one), family() as (_, other):
        hold = Hold.of(one)
        assert hold is not None
        assert hold.kill()
        asyncio.run(hold.end())
        hold.close()
        assert other.alive
        found = Hold.of(other)
        assert found is not None
        found.kill()
        found.close()


def test_a_process_that_has_ended_or_is_another_one_is_not_held() -> None:
    assert Hold.of(Process(pid=ME.pid, started=ME.started + 1)) is None
    with subprocess.Popen(["true"]) as child:
        child.wait()
        assert Hold.of(Process(pid=child.pid, started=1)) is None


def test_the_own_namespaces_lead_to_the_own_mount_namespace() -> None:
    with closing_descriptor(own_namespaces()) as directory:
        assert os.stat("mnt", dir_fd=directory).st_ino == os.stat("/proc/self/ns/mnt").st_ino  # noqa: PTH116
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(directory)


def test_the_process_itself_is_one_of_them() -> None:
    hold = Hold.of(ME)
    assert hold is not None
    assert ME in set(hold.processes())
    hold.close()
