"""Processes known by pid and start time."""

from __future__ import annotations

import asyncio
import os
import subprocess
from pathlib import Path

from tandem.drivers.process import proc


def test_a_process_that_ends_is_seen_by_its_waiter(tmp_path: Path) -> None:
    async def scene() -> None:
        process = proc.spawn(["/bin/sh", "-c", "echo words"], tmp_path / "log")
        await asyncio.wait_for(process.wait(), 20)
        assert not process.alive()
        assert (tmp_path / "log").read_text() == "words\n"

    asyncio.run(scene())


def test_a_process_that_ignores_the_polite_signal_is_killed(tmp_path: Path) -> None:
    async def scene() -> None:
        process = proc.spawn(["/bin/sh", "-c", "trap '' TERM; echo up; while :; do sleep 0.05; done"], tmp_path / "log")
        while not (tmp_path / "log").read_text():  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        await process.end(0.2)
        assert not process.alive()

    asyncio.run(scene())


def test_a_reused_pid_is_another_process() -> None:
    started = proc.start_time(os.getpid())
    assert started > 0
    assert proc.find(os.getpid(), started) is not None
    assert proc.find(os.getpid(), started + 1) is None


def test_a_process_that_is_not_our_child_is_waited_for() -> None:
    async def scene() -> None:
        shell = ["/bin/sh", "-c", "sleep 0.3 >/dev/null 2>&1 & echo $!"]
        pid = int(subprocess.run(shell, check=True, capture_output=True).stdout)  # noqa: ASYNC221
        process = proc.Process(pid, proc.start_time(pid))
        await asyncio.wait_for(process.wait(), 20)
        assert not process.alive()

    asyncio.run(scene())


def test_what_died_before_it_was_looked_at_is_dead() -> None:
    assert not proc.Process(2**22 + 1, 0).alive()


def test_there_is_no_start_time_of_nobody() -> None:
    assert proc.start_time(2**22 + 1) == 0
