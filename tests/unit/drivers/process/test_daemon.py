"""A daemon is started, adopted, replaced, started again and ended; the processes are real."""

# ruff: noqa: ASYNC110, ASYNC240 - the loop has no end to wait for, and test directories are small
from __future__ import annotations

import asyncio
import errno
import os
import signal
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from tandem.base.problems import DriverError
from tandem.drivers.process import proc
from tandem.drivers.process.daemon import Daemon, DaemonFiles, DaemonStatus, find_program


@dataclass(frozen=True)
class Sleeper:
    """Sleeps `seconds`; equal to others that do."""

    seconds: str = "60"

    def digest(self) -> str:
        return self.seconds

    def prepare(self) -> list[str]:
        return ["/bin/sleep", self.seconds]


@dataclass(frozen=True)
class Heir(Sleeper):
    """Can take over: its generation is its command line's last word."""

    able: bool = True

    def succeeds(self) -> bool:
        return self.able

    def succeed(self, generation: int) -> list[str]:
        return ["/bin/sh", "-c", f"exec sleep {self.seconds}.{generation}"]


@dataclass(frozen=True)
class Missing:
    def digest(self) -> str:
        return "missing"

    def prepare(self) -> list[str]:
        return ["/nowhere/program"]


class OwnError(DriverError):
    pass


def daemon(folder: Path) -> Daemon:
    conf = folder / "x.conf"
    return Daemon(DaemonFiles(name="x", pid=folder / "x.pid", log=folder / "x.log", others=(conf,)), OwnError)


def play(folder: Path, scene: Callable[[Daemon], Awaitable[None]]) -> None:
    async def whole() -> None:
        kept = daemon(folder)
        try:
            async with asyncio.timeout(30):
                await scene(kept)
        finally:
            await daemon(folder).stop()

    asyncio.run(whole())


async def running(kept: Daemon, scene: Callable[[], Awaitable[None]]) -> None:
    async with asyncio.TaskGroup() as tasks:
        keeper = tasks.create_task(kept.run())
        await scene()
        keeper.cancel()


def test_a_new_agent_adopts_the_process_of_the_old_one(tmp_path: Path) -> None:
    async def scene(first: Daemon) -> None:
        await first.start(Sleeper())
        second = daemon(tmp_path)
        await second.start(Sleeper())
        assert second.pid == first.pid != 0
        assert (first.adopted, second.adopted) == (False, True)
        assert (first.started.value, second.started.value) == (1, 1)

    play(tmp_path, scene)


def test_starting_twice_is_starting_once(tmp_path: Path) -> None:
    async def scene(kept: Daemon) -> None:
        await kept.start(Sleeper())
        before = kept.pid
        await kept.start(Sleeper())
        assert (kept.pid, kept.started.value, kept.adopted) == (before, 1, False)

    play(tmp_path, scene)


def test_another_digest_replaces_the_process(tmp_path: Path) -> None:
    async def scene(first: Daemon) -> None:
        await first.start(Sleeper())
        second = daemon(tmp_path)
        await second.start(Sleeper("61"))
        assert first.pid == 0
        assert second.pid != 0

    play(tmp_path, scene)


def command(kept: Daemon) -> list[str]:
    return Path(f"/proc/{kept.pid}/cmdline").read_text().split("\0")[:-1]


async def slept(kept: Daemon) -> str:
    """For how long; waits for the shell to have become it."""
    while (found := command(kept))[:1] != ["sleep"]:  # nothing at all for a moment
        await asyncio.sleep(0.01)
    return found[1]


def test_who_can_take_over_is_started_beside_the_one_before(tmp_path: Path) -> None:
    async def scene(first: Daemon) -> None:
        await first.start(Heir())
        assert await slept(first) == "60.0"
        second = daemon(tmp_path)
        await second.start(Heir("61"))
        assert await slept(second) == "61.1"
        assert first.pid != 0
        third = daemon(tmp_path)
        await third.start(Heir("62"))
        assert await slept(third) == "62.2"
        assert (first.pid, second.pid != 0) == (0, True)  # no more than one lingers
        await third.stop()
        assert (second.pid, third.pid) == (0, 0)

    play(tmp_path, scene)


def test_after_the_death_of_an_heir_nobody_is_taken_over_from(tmp_path: Path) -> None:
    async def scene(first: Daemon) -> None:
        await first.start(Heir())
        second = daemon(tmp_path)
        await second.start(Heir("61"))
        heir = proc.Process(second.pid, proc.start_time(second.pid))
        os.kill(heir.pid, signal.SIGKILL)
        await heir.wait()
        third = daemon(tmp_path)
        await third.start(Heir("61"))
        assert await slept(third) == "61.0"
        assert first.pid == 0

    play(tmp_path, scene)


def test_an_adopted_heir_is_ended_with_the_one_before(tmp_path: Path) -> None:
    async def scene(first: Daemon) -> None:
        await first.start(Heir())
        await daemon(tmp_path).start(Heir("61"))
        third = daemon(tmp_path)
        await third.start(Heir("61"))
        assert third.adopted
        await third.stop()
        assert first.pid == 0

    play(tmp_path, scene)


@pytest.mark.parametrize(("one", "other"), [(Sleeper(), Heir("61")), (Heir(), Heir("61", able=False))])
def test_nobody_takes_over_where_one_of_both_cannot(tmp_path: Path, one: Sleeper, other: Sleeper) -> None:
    async def scene(first: Daemon) -> None:
        await first.start(one)
        second = daemon(tmp_path)
        await second.start(other)
        assert second.pid != 0
        assert first.pid == 0

    play(tmp_path, scene)


def test_a_foreign_process_with_a_recorded_pid_is_left_alone(tmp_path: Path) -> None:
    async def scene(kept: Daemon) -> None:
        kept.files.pid.write_text(f'{{"pid":{os.getpid()},"start_time":1,"started_with":"60"}}')
        await kept.start(Sleeper())
        assert kept.pid not in {0, os.getpid()}

    play(tmp_path, scene)


def test_what_dies_is_started_again(tmp_path: Path) -> None:
    async def scene(kept: Daemon) -> None:
        kept.want(Sleeper())

        async def die() -> None:
            await kept.started.after(0)
            before = kept.pid
            os.kill(before, signal.SIGKILL)
            await kept.started.after(1)
            assert kept.pid not in {0, before}
            assert kept.restarts == 1

        await running(kept, die)

    play(tmp_path, scene)


def test_another_wish_replaces_it_and_no_wish_ends_it(tmp_path: Path) -> None:
    async def scene(kept: Daemon) -> None:
        (tmp_path / "x.conf").write_text("configuration")
        kept.want(Sleeper())

        async def change() -> None:
            await kept.started.after(0)
            first = kept.pid
            kept.want(Sleeper("61"))
            await kept.started.after(1)
            second = proc.Process(kept.pid, proc.start_time(kept.pid))
            assert second.pid != first
            kept.want(None)
            await second.wait()
            kept.want(Sleeper("62"))
            await kept.started.after(2)
            assert not (tmp_path / "x.conf").exists()
            assert kept.restarts == 0

        await running(kept, change)

    play(tmp_path, scene)


def test_before_the_first_wish_the_process_of_an_earlier_agent_is_left_alone(tmp_path: Path) -> None:
    async def scene(first: Daemon) -> None:
        await first.start(Sleeper())
        second = daemon(tmp_path)

        async def look() -> None:
            for _ in range(5):
                await asyncio.sleep(0)
            assert first.pid != 0
            second.want(None)
            await proc.Process(first.pid, proc.start_time(first.pid)).wait()

        await running(second, look)
        assert first.pid == 0

    play(tmp_path, scene)


def test_stopping_leaves_no_file_but_the_log(tmp_path: Path) -> None:
    async def scene(kept: Daemon) -> None:
        (tmp_path / "x.conf").write_text("configuration")
        await kept.start(Sleeper())
        await kept.stop()
        assert kept.pid == 0
        assert {path.name for path in tmp_path.iterdir()} == {"x.log"}

    play(tmp_path, scene)


@pytest.mark.parametrize("text", ["", "12345", '{"pid": "x"}'])
def test_a_damaged_pid_file_is_nobody(tmp_path: Path, text: str) -> None:
    async def scene(kept: Daemon) -> None:
        kept.files.pid.write_text(text)
        await kept.stop()
        assert not kept.files.pid.exists()

    play(tmp_path, scene)


def test_a_program_that_is_not_there_is_told(tmp_path: Path) -> None:
    async def scene(kept: Daemon) -> None:
        with pytest.raises(OwnError, match="/nowhere/program: No such file"):
            await kept.start(Missing())
        with pytest.raises(OwnError, match="program nowhere is missing: apt-get install some-package"):
            find_program("nowhere", "some-package", OwnError)

    play(tmp_path, scene)


def test_what_does_not_start_says_why_until_it_does(tmp_path: Path) -> None:
    async def scene(kept: Daemon) -> None:
        kept.want(Missing())

        async def mend() -> None:
            while "No such file" not in kept.trouble:
                await asyncio.sleep(0.01)
            kept.want(Sleeper())
            await kept.started.after(0)
            assert kept.trouble == ""

        await running(kept, mend)

    play(tmp_path, scene)


@dataclass(frozen=True)
class NoRoom:
    def digest(self) -> str:
        return "no room"

    def prepare(self) -> list[str]:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_full_disk_is_told_and_ends_nobody(tmp_path: Path) -> None:
    async def scene(kept: Daemon) -> None:
        async def told() -> None:
            kept.want(NoRoom())
            while not kept.trouble:
                await asyncio.sleep(0.01)
            kept.want(Sleeper())
            await kept.started.after(0)
            assert kept.trouble == ""

        await running(kept, told)

    play(tmp_path, scene)


def test_what_cannot_be_recorded_is_ended_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[proc.Process] = []
    spawn = proc.spawn

    def recorded(argv: list[str], log: Path) -> proc.Process:
        started.append(spawn(argv, log))
        return started[-1]

    monkeypatch.setattr(proc, "spawn", recorded)
    (tmp_path / "x.pid.new").mkdir()

    async def scene(kept: Daemon) -> None:
        with pytest.raises(OwnError, match=r"x\.pid"):
            await kept.start(Sleeper())
        assert [process.alive() for process in started] == [False]

    play(tmp_path, scene)


def test_programs_of_administrators_are_found_whatever_the_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/bin")
    assert find_program("unbound", "unbound") == "/usr/sbin/unbound"


def test_a_status_joins_what_is_known_here_with_what_is_told(tmp_path: Path) -> None:
    assert daemon(tmp_path).status("1.2", ready=False) == DaemonStatus(version="1.2")
    assert DaemonStatus().restarts == 0
    assert daemon(tmp_path).last_words() == "(no log)"
