"""What waits for a client of a container; `test_attached.py` has both ends."""

from __future__ import annotations

import asyncio
import stat
from pathlib import Path

import pytest

from tandem.workloads import attach as server
from tandem.workloads.attach import CHUNK, MOST_WAITING, AttachServer, Outbox, short


def test_what_waits_comes_in_order_in_pieces_and_then_the_end() -> None:
    async def story() -> list[int]:
        outbox = Outbox()
        outbox.put(b"a" * (CHUNK + 1))
        outbox.put(b"b")
        outbox.end()
        found = []
        while data := await outbox.take():
            found.append(len(data))
        return found

    assert asyncio.run(story()) == [CHUNK, 1, 1]


def test_who_takes_too_little_is_let_go_and_gets_nothing_more() -> None:
    async def story() -> None:
        outbox = Outbox()
        outbox.put(b"x" * MOST_WAITING)
        assert not outbox.slow
        outbox.put(b"x")
        assert outbox.slow
        assert await outbox.take() == b""

    asyncio.run(story())


def test_who_waits_is_woken() -> None:
    async def story() -> bytes:
        outbox = Outbox()
        async with asyncio.timeout(5), asyncio.TaskGroup() as tasks:
            taking = tasks.create_task(outbox.take())
            await asyncio.sleep(0)
            outbox.put(b"now")
        return taking.result()

    assert asyncio.run(story()) == b"now"


def test_a_socket_that_cannot_be_made_is_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "RETRY_SECONDS", 0.0)
    path = tmp_path / "later" / "attach.sock"

    async def story() -> None:
        async with asyncio.timeout(5), asyncio.TaskGroup() as tasks:
            running = tasks.create_task(AttachServer(path, {}).run())
            await asyncio.sleep(0)
            path.parent.mkdir()
            while not path.is_socket():  # noqa: ASYNC110 - a file has no event
                await asyncio.sleep(0)
            running.cancel()

    asyncio.run(story())


def test_the_socket_is_its_owners_alone_wherever_it_is(tmp_path: Path) -> None:
    """Also where its path is longer than the kernel takes, and where a runtime that was killed has left one."""
    folder = tmp_path / ("x" * 100)
    folder.mkdir()
    path = folder / "attach.sock"
    path.touch()

    async def story() -> None:
        async with asyncio.timeout(5), asyncio.TaskGroup() as tasks:
            running = tasks.create_task(AttachServer(path, {}).run())
            while not path.is_socket():  # noqa: ASYNC110 - a file has no event
                await asyncio.sleep(0)
            assert stat.S_IMODE(path.stat().st_mode) == 0o600
            running.cancel()

    asyncio.run(story())
    with short(path) as name:
        assert Path(name).is_socket()
        assert len(name) < 40
