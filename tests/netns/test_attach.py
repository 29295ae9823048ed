"""Clients at containers' own processes, on the real kernel: output, standard input, terminals, across runtimes."""

# ruff: noqa: ASYNC110 - the story is told on a loop that has nothing else to do
from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from netns.runtimelab import Lab, pod, run, state, waits_for
from tandem.model.meta import RawObject
from tandem.workloads.attached import Attached, AttachError, attach
from tandem.workloads.logs import Selection, read_logs

pytestmark = pytest.mark.root

ECHO = 'while read line; do echo "got $line"; done; echo ended; exec sleep 60'


class Client:
    """Keeps what it is shown."""

    def __init__(self, attached: Attached) -> None:
        self.attached = attached
        self.shown = b""
        self.ended = False

    async def read(self) -> None:
        async for chunk in self.attached.output():
            self.shown += chunk
        self.ended = True

    async def sees(self, text: bytes) -> None:
        async with asyncio.timeout(20):
            while text not in self.shown:
                await asyncio.sleep(0.005)


@asynccontextmanager
async def client(lab: Lab, raw: RawObject, *, stdin: bool = False) -> AsyncIterator[Client]:
    made = Client(await attach(lab.dir.attach_socket, raw["metadata"]["uid"], "c", stdin=stdin))
    async with asyncio.TaskGroup() as tasks:
        reading = tasks.create_task(made.read())
        try:
            yield made
        finally:
            reading.cancel()
            made.attached.close()


async def log_of(lab: Lab, raw: RawObject) -> bytes:
    return b"".join([line async for line in read_logs(lab.dir, raw["metadata"]["uid"], "c", Selection())])


def test_what_is_said_reaches_the_process_and_what_it_writes_every_client(tmp_path: Path) -> None:
    """Also what does not end in a newline, from the moment on at which a client came."""
    script = "echo before; printf 'name? '; read name; printf \"hello $name\\n\"; read more; printf partial; read last"

    async def story(lab: Lab) -> None:
        async with lab.running():
            raw = await lab.ready("web")
            async with asyncio.timeout(20):
                while b"before" not in await log_of(lab, raw):
                    await asyncio.sleep(0.01)
            async with client(lab, raw, stdin=True) as one, client(lab, raw) as other:
                await one.attached.write(b"me\n")
                await one.sees(b"hello me\n")
                await other.sees(b"hello me\n")
                assert b"before" not in one.shown
                await one.attached.write(b"more\n")
                await other.sees(b"partial")
                one.attached.close_input()
            async with client(lab, raw, stdin=True) as again:
                await again.attached.write(b"last\n")
                async with asyncio.timeout(20):
                    while not again.ended:
                        await asyncio.sleep(0.005)
            assert b"hello me\npartial" in await log_of(lab, raw)

    run(
        tmp_path,
        story,
        pod("web", "sh", "-c", script, uid="0000a001-a", container={"stdin": True}, restartPolicy="Never"),
    )


def test_standard_input_outlives_the_runtime_and_ends_with_the_first_client_where_asked(tmp_path: Path) -> None:
    async def story(lab: Lab) -> None:
        async with lab.running():
            raw = await lab.ready("once")
            keeper = lab.record(raw).containers["c"].keeper
            assert keeper.alive
        async with lab.running():
            async with client(lab, raw, stdin=True) as one:
                await one.attached.write(b"first\n")
                await one.sees(b"got first\n")
                assert state(await lab.pod("once"))["restartCount"] == 0
            async with client(lab, raw) as watching:
                await asyncio.wait_for(_log_has(lab, raw, b"ended"), 20)
                assert not watching.ended
            with pytest.raises(AttachError, match="no standard input any more"):
                await attach(lab.dir.attach_socket, raw["metadata"]["uid"], "c", stdin=True)
            assert not keeper.alive

    container = {"stdin": True, "stdinOnce": True}
    run(tmp_path, story, pod("once", "sh", "-c", ECHO, uid="0000a002-a", container=container))


async def _log_has(lab: Lab, raw: RawObject, text: bytes) -> None:
    while text not in await log_of(lab, raw):
        await asyncio.sleep(0.01)


def test_a_terminal_has_a_size_echoes_and_outlives_the_runtime(tmp_path: Path) -> None:
    async def story(lab: Lab) -> None:
        async with lab.running():
            raw = await lab.ready("shell")
            async with client(lab, raw, stdin=True) as one:
                one.attached.resize(101, 33)
                await one.attached.write(b"stty size; tty; echo $TERM\n")
                await one.sees(b"33 101\r\n")
                await one.sees(b"/dev/pts/")
                await one.sees(b"xterm\r\n")
                await one.attached.write(b"exit 3 | cat; sleep 50\n")
                await one.attached.write(b"\x03")
        async with lab.running():
            async with client(lab, raw, stdin=True) as one:
                await one.attached.write(b"echo a$((20+1))b\n")
                await one.sees(b"a21b\r\n")
            assert state(await lab.pod("shell"))["restartCount"] == 0
            assert b"a21b" in await log_of(lab, raw)

    run(tmp_path, story, pod("shell", "sh", uid="0000a003-a", container={"stdin": True, "tty": True}))


def test_what_cannot_be_started_leaves_no_keeper_and_harms_nobody_else(tmp_path: Path) -> None:
    async def story(lab: Lab) -> None:
        async with lab.running():
            raw = await lab.until("wrong", waits_for("RunContainerError"))
            assert "no-such-program" in state(raw)["state"]["waiting"]["message"]
            async with asyncio.timeout(20):  # it is tried again and again, each time with a keeper
                while "sleep" in _children() or len(lab.processes(raw)) > 1:
                    await asyncio.sleep(0.01)
            assert lab.record(raw).init.alive

    run(tmp_path, story, pod("wrong", "no-such-program", uid="0000a005-a", container={"stdin": True}))


def _children() -> list[str]:
    """The programs that are children of ours, also those that nobody has asked how they ended."""
    pids = [pid for path in Path("/proc/self/task").glob("*/children") for pid in path.read_text().split()]
    return [path.read_text().strip() for pid in pids if (path := Path("/proc", pid, "comm")).exists()]


def test_what_is_not_there_is_said_and_a_slow_client_holds_up_nobody(tmp_path: Path) -> None:
    async def story(lab: Lab) -> None:
        async with lab.running():
            raw = await lab.ready("loud")
            uid = raw["metadata"]["uid"]
            with pytest.raises(AttachError, match="container not found"):
                await attach(lab.dir.attach_socket, uid, "other", stdin=False, patience=0.0)
            with pytest.raises(AttachError, match="no standard input"):
                await attach(lab.dir.attach_socket, uid, "c", stdin=True)
            slow = await attach(lab.dir.attach_socket, uid, "c", stdin=False)
            await lab.run_in(raw, "touch", "/go")
            await asyncio.wait_for(_log_has(lab, raw, b"done"), 30)
            slow.close()
            assert lab.record(raw).containers["c"].keeper.pid == 0
        with pytest.raises(AttachError, match="does not answer"):
            await attach(lab.dir.attach_socket, uid, "c", stdin=False, patience=0.0)

    script = "until [ -e /go ]; do sleep 0.05; done; head -c 9000000 /dev/zero | tr '\\0' x; echo; echo done; sleep 60"
    run(tmp_path, story, pod("loud", "sh", "-c", script, uid="0000a004-a"))
