"""Standard input that has a keeper; tests/netns/test_attach.py has terminals, containers, and another runtime."""

from __future__ import annotations

import asyncio
import os
import subprocess
from collections.abc import Iterator
from contextlib import suppress

import pytest

from tandem.workloads.console import Console, Opening, pour, release
from tandem.workloads.record import ContainerRecord, Process


@pytest.fixture
def keepers() -> Iterator[list[subprocess.Popen[bytes]]]:
    made: list[subprocess.Popen[bytes]] = []
    yield made
    for keeper in made:
        keeper.kill()
        keeper.wait()


def opened(keepers: list[subprocess.Popen[bytes]], *, terminal: bool = False) -> tuple[Console, int]:
    """A console, and the container's end of it."""
    opening = Opening(1, terminal=terminal)
    assert opening.console() is None

    def keep(descriptor: int) -> int:
        keepers.append(subprocess.Popen(["sleep", "60"], stdin=descriptor))
        return keepers[-1].pid

    theirs, output, errors = opening.streams(keep)
    assert (output, errors) == ((theirs, theirs) if terminal else (1, 1))
    console = opening.console()
    assert console is not None
    return console, theirs


def test_what_is_written_is_read_and_goes_on_while_the_keeper_lives(keepers: list[subprocess.Popen[bytes]]) -> None:
    console, theirs = opened(keepers)
    asyncio.run(console.write(b"one"))
    assert os.read(theirs, 10) == b"one"
    record = ContainerRecord(keeper=console.keeper)
    console.close()
    assert console.ended
    assert console.again() is None
    os.set_blocking(theirs, False)
    with pytest.raises(BlockingIOError):
        os.read(theirs, 10)
    again = Console.taken_back(record)
    assert again is not None
    own = again.again()
    assert own is not None
    asyncio.run(own.write(b"two"))
    own.close()
    assert os.read(theirs, 10) == b"two"
    again.end()
    keepers[-1].wait()
    assert os.read(theirs, 10) == b""
    os.close(theirs)


def test_the_input_of_a_terminal_does_not_end_and_has_a_size(keepers: list[subprocess.Popen[bytes]]) -> None:
    console, theirs = opened(keepers, terminal=True)
    console.end()
    assert not console.ended
    console.resize(101, 33)
    assert os.get_terminal_size(theirs) == (101, 33)
    os.write(theirs, b"shown")
    output = console.output()
    assert os.read(output, 10) == b"shown"
    for descriptor in (output, theirs):
        os.close(descriptor)
    console.close()


def test_the_keeper_ends_with_the_container_and_is_asked_how(keepers: list[subprocess.Popen[bytes]]) -> None:
    console, theirs = opened(keepers)
    asyncio.run(console.discard())
    assert console.ended
    with pytest.raises(ChildProcessError):
        os.waitpid(console.keeper.pid, os.WNOHANG)
    keepers[-1].returncode = 0  # asked by others
    release(console.keeper)
    os.close(theirs)


def test_without_its_keeper_nothing_is_taken_back(keepers: list[subprocess.Popen[bytes]]) -> None:
    assert Console.taken_back(ContainerRecord()) is None
    console, theirs = opened(keepers)
    keepers[-1].kill()
    keepers[-1].wait()
    assert Console.taken_back(ContainerRecord(keeper=console.keeper)) is None
    gone = Process(pid=console.keeper.pid, started=1)
    assert Console.taken_back(ContainerRecord(keeper=gone)) is None
    console.end()
    os.close(theirs)


def test_a_keeper_that_cannot_be_started_leaves_nothing_open() -> None:
    def refuse(_: int) -> int:
        raise OSError(2, "no such file")

    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - names are all that is needed
    with pytest.raises(OSError, match="no such file"):
        Opening(1, terminal=False).streams(refuse)
    assert len(os.listdir("/proc/self/fd")) == before  # noqa: PTH208


def test_pouring_waits_for_a_reader_and_tells_that_there_is_none() -> None:
    async def story() -> None:
        reading, writing = os.pipe()
        for descriptor in (reading, writing):
            os.set_blocking(descriptor, False)
        read = 0
        async with asyncio.timeout(10), asyncio.TaskGroup() as tasks:
            pouring = tasks.create_task(pour(writing, b"x" * 200_000))
            while read < 200_000:
                await asyncio.sleep(0)
                with suppress(BlockingIOError):
                    read += len(os.read(reading, 65536))
        assert pouring.result()
        os.close(reading)
        assert not await pour(writing, b"x")
        os.close(writing)
        assert await pour(-1, b"lost")

    asyncio.run(story())
