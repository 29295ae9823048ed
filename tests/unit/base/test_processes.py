"""Processes by pid and start time."""

from __future__ import annotations

import os
import subprocess
import sys
import uuid
from collections.abc import Iterator

import pytest

from tandem.base import processes

PROGRAM = "import signal, sys, time; {} print('up', flush=True); time.sleep(60)"


def start(mark: str, prelude: str = "") -> subprocess.Popen[bytes]:
    process = subprocess.Popen([sys.executable, "-c", PROGRAM.format(prelude), mark], stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b"up\n"
    return process


@pytest.fixture
def mark() -> str:
    return f"tandem-test-{uuid.uuid4().hex}"


@pytest.fixture
def child(mark: str) -> Iterator[subprocess.Popen[bytes]]:
    process = start(mark)
    with process:
        yield process
        process.kill()


def test_a_process_is_found_by_its_command_line(child: subprocess.Popen[bytes], mark: str) -> None:
    assert [pid for pid, _ in processes.find(lambda argv: mark in argv)] == [child.pid]


def test_the_calling_process_is_never_found() -> None:
    assert os.getpid() not in [pid for pid, _ in processes.find(lambda _: True)]


def test_another_process_with_the_same_number_is_not_taken_for_it(child: subprocess.Popen[bytes]) -> None:
    started = processes.start_time(child.pid)
    assert started is not None
    assert processes.alive(child.pid, started)
    assert not processes.alive(child.pid, started - 1)
    assert processes.end([(child.pid, started - 1)], grace=0.0) == []
    assert processes.alive(child.pid, started)


def test_a_zombie_runs_nothing_any_more(child: subprocess.Popen[bytes]) -> None:
    child.kill()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert processes.start_time(child.pid) is None


def test_no_process_has_no_start_time() -> None:
    assert processes.start_time(2**30) is None


def test_what_ignores_sigterm_is_killed_after_the_grace(mark: str) -> None:
    with start(mark, "signal.signal(signal.SIGTERM, signal.SIG_IGN);") as stubborn:
        assert processes.end(list(processes.find(lambda argv: mark in argv)), grace=0.1) == []
        assert stubborn.wait(5) == -9


def test_sigterm_comes_first(mark: str) -> None:
    with start(mark, "signal.signal(signal.SIGTERM, lambda *_: sys.exit(3));") as polite:
        assert processes.end(list(processes.find(lambda argv: mark in argv)), grace=5.0) == []
        assert polite.wait(5) == 3


@pytest.mark.root
def test_a_process_of_another_pid_namespace_is_found_only_where_it_is_asked_for(mark: str) -> None:
    deeper = ["unshare", "--pid", "--fork", "--kill-child", sys.executable, "-c", PROGRAM.format(""), mark]
    with subprocess.Popen(deeper, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"up\n"
        here = [pid for pid, _ in processes.find(lambda argv: mark in argv)]
        there = [pid for pid, _ in processes.find(lambda argv: mark in argv, below=1)]
        process.kill()
    assert here == [process.pid]
    assert len(set(there) - {process.pid}) == 1
