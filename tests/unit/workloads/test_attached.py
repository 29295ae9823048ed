"""Both ends between a client and a container: output, standard input, and what is not there."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from tandem.base.clock import SystemClock
from tandem.workloads.attach import AttachServer, Live, short
from tandem.workloads.attached import Attached, AttachError, attach
from tandem.workloads.console import Opening
from tandem.workloads.logs import LogWriter


class Lab:
    """A runtime with a container that is played by the test."""

    def __init__(self, root: Path, *, stdin: bool, once: bool) -> None:
        self.path = root / "attach.sock"
        self.log = LogWriter(root / "logs", 0, SystemClock())
        self.output = self.log.open_for_container()
        self.keeper: subprocess.Popen[bytes] | None = None
        opening, self.theirs = Opening(self.output, terminal=False), -1
        if stdin:
            self.theirs = opening.streams(self._keep)[0]
            os.set_blocking(self.theirs, False)
        self.console = opening.console()
        self.live = Live(self.log, self.console, once=once)

    def _keep(self, descriptor: int) -> int:
        self.keeper = subprocess.Popen(["sleep", "60"], stdin=descriptor)
        return self.keeper.pid

    async def attach(self, *, stdin: bool = False) -> Attached:
        return await attach(self.path, "u", "c", stdin=stdin)

    async def heard(self) -> bytes:
        """What the container reads next; empty at the end."""
        async with asyncio.timeout(10):
            while True:
                try:
                    return os.read(self.theirs, 4096)
                except BlockingIOError:
                    await asyncio.sleep(0.001)

    def close(self) -> None:
        self.log.close()
        os.close(self.output)
        if self.console is not None and self.keeper is not None:
            self.console.close()
            os.close(self.theirs)
            self.keeper.kill()
            self.keeper.wait()


def play(tmp_path: Path, story: Callable[[Lab], Awaitable[None]], *, stdin: bool = False, once: bool = False) -> None:
    async def told() -> None:
        lab = Lab(tmp_path, stdin=stdin, once=once)
        try:
            async with asyncio.timeout(20), asyncio.TaskGroup() as tasks:
                running = tasks.create_task(AttachServer(lab.path, {("u", "c"): lab.live}).run())
                while not lab.path.exists():  # noqa: ASYNC110 - a file has no event
                    await asyncio.sleep(0)
                await story(lab)
                running.cancel()
        finally:
            lab.close()

    asyncio.run(told())


async def until(attached: Attached, text: bytes) -> bytes:
    """Everything that it is shown, to this."""
    shown = b""
    async for chunk in attached.output():
        shown += chunk
        if text in shown:
            break
    return shown


def test_every_client_is_shown_what_is_written_from_then_on(tmp_path: Path) -> None:
    async def story(lab: Lab) -> None:
        one, other = await lab.attach(), await lab.attach()
        os.write(lab.output, b"no newline")
        assert await until(one, b"no newline") == await until(other, b"no newline") == b"no newline"
        one.close()
        os.write(lab.output, b" and more\n")
        assert await until(other, b"more\n") == b" and more\n"
        lab.live.over.set()
        assert await other.ended() == 0
        await other.kill()
        assert [chunk async for chunk in other.errors()] == []
        other.close()

    play(tmp_path, story)


def test_standard_input_stays_open_for_the_next_client(tmp_path: Path) -> None:
    async def story(lab: Lab) -> None:
        for said in (b"one", b"two"):
            client = await lab.attach(stdin=True)
            await client.write(said)
            assert await lab.heard() == said
            client.close_input()
            client.close()
        silent = await lab.attach()
        await silent.write(b"ignored")
        silent.resize(80, 24)
        last = await lab.attach(stdin=True)
        await last.write(b"x" * 100_000)
        read = 0
        while read < 100_000:
            read += len(await lab.heard())
        for client in (silent, last):
            client.close()

    play(tmp_path, story, stdin=True)


@pytest.mark.parametrize("leaves", [True, False])
def test_it_ends_with_the_first_client_where_the_spec_says_so(tmp_path: Path, *, leaves: bool) -> None:
    async def story(lab: Lab) -> None:
        client = await lab.attach(stdin=True)
        await client.write(b"one")
        assert await lab.heard() == b"one"
        (client.close if leaves else client.close_input)()
        assert await lab.heard() == b""
        with pytest.raises(AttachError, match="has no standard input any more"):
            await lab.attach(stdin=True)
        client.close()

    play(tmp_path, story, stdin=True, once=True)


def test_what_is_not_there_is_said(tmp_path: Path) -> None:
    async def story(lab: Lab) -> None:
        with pytest.raises(AttachError, match='container not found \\("other"\\)'):
            await attach(lab.path, "u", "other", stdin=False, patience=0.0)
        with pytest.raises(AttachError, match="no standard input"):
            await lab.attach(stdin=True)

    play(tmp_path, story)
    with pytest.raises(AttachError, match="the node's runtime does not answer"):
        asyncio.run(attach(tmp_path / "nothing.sock", "u", "c", stdin=False, patience=0.0))


def test_a_runtime_that_comes_back_is_waited_for(tmp_path: Path) -> None:
    async def story() -> None:
        log = LogWriter(tmp_path / "logs", 0, SystemClock())
        live: dict[tuple[str, str], Live] = {}
        async with asyncio.timeout(20), asyncio.TaskGroup() as tasks:
            attaching = tasks.create_task(attach(tmp_path / "attach.sock", "u", "c", stdin=False, patience=20.0))
            await asyncio.sleep(0)
            running = tasks.create_task(AttachServer(tmp_path / "attach.sock", live).run())
            while not (tmp_path / "attach.sock").exists():  # noqa: ASYNC110 - a file has no event
                await asyncio.sleep(0)
            live["u", "c"] = Live(log, None, once=False)
            (await attaching).close()
            running.cancel()
        log.close()

    asyncio.run(story())


def test_who_does_not_speak_our_language_ends_nobody(tmp_path: Path) -> None:
    async def story(lab: Lab) -> None:
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as stranger, short(lab.path) as name:
            stranger.setblocking(False)
            loop = asyncio.get_running_loop()
            await loop.sock_connect(stranger, name)
            await loop.sock_sendall(stranger, b"GET / HTTP/1.1")
            assert await loop.sock_recv(stranger, 10) == b""
        client = await lab.attach()
        os.write(lab.output, b"still here\n")
        assert await until(client, b"here") == b"still here\n"
        client.close()

    play(tmp_path, story)
