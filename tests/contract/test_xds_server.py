"""Real gRPC over a unix socket: our server with our client, and the promises that both hops rest on."""

from __future__ import annotations

import asyncio
import json
import stat
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tandem.drivers.xds.board import NotAcceptedError
from tandem.drivers.xds.client import CallError, CallRefusedError, XdsClient
from tandem.drivers.xds.client_session import Update
from tandem.drivers.xds.messages import Encoded
from tandem.drivers.xds.server import XdsServer

POD, SET = "t/Pod", "t/Set"
SIGN = "/tandem.v1.CertificateAuthority/Sign"


def want(**versions: str) -> dict[str, Encoded]:
    return {n: Encoded(n, v, f"{n}={v}".encode()) for n, v in versions.items()}


class Agent:
    """A client that keeps what it was sent, and answers when told to."""

    def __init__(self, socket: Path, *, answers: bool = True) -> None:
        self.updates: asyncio.Queue[Update] = asyncio.Queue()
        self.answers = answers
        self.client = XdsClient(f"unix:{socket}", "n1", (SET, POD), self.on_update)

    def on_update(self, update: Update) -> None:
        self.updates.put_nowait(update)
        if self.answers:
            self.client.ack(update.nonce)

    async def next_named(self) -> Update:
        """The next update that is not empty."""
        while True:
            update = await asyncio.wait_for(self.updates.get(), 20)
            if update.resources or update.removed:
                return update


@asynccontextmanager
async def running(client: XdsClient) -> AsyncIterator[None]:
    async with asyncio.TaskGroup() as group:
        task = group.create_task(client.run())
        try:
            yield
        finally:
            task.cancel()


@asynccontextmanager
async def serving(socket: Path) -> AsyncIterator[XdsServer]:
    server = XdsServer(socket, (SET, POD))
    await server.start()
    try:
        yield server
    finally:
        await server.stop()


def play(tmp_path: Path, scene: Callable[[Path], Awaitable[None]]) -> None:
    async def timed() -> None:
        async with asyncio.timeout(60):
            await scene(tmp_path / "x.sock")

    asyncio.run(timed())


def test_the_socket_is_for_its_owner_alone_and_vanishes(tmp_path: Path) -> None:
    async def scene(socket: Path) -> None:
        async with serving(socket):
            assert stat.S_IMODE(socket.stat().st_mode) == 0o600  # noqa: ASYNC240
        assert not socket.exists()  # noqa: ASYNC240

    play(tmp_path, scene)


def test_nothing_is_answered_before_the_first_publication(tmp_path: Path) -> None:
    async def scene(socket: Path) -> None:
        agent = Agent(socket)
        connected = asyncio.Event()
        async with serving(socket) as server, running(agent.client):
            server.on_connect = lambda _: connected.set()
            await asyncio.wait_for(connected.wait(), 20)
            assert server.clients == ("n1",)
            assert agent.updates.empty()
            server.publish("n1", {POD: want(a="1"), SET: {}})
            assert (await agent.next_named()).resources == {"a": ("1", b"a=1")}
            await agent.client.synced.after(0)
            await server.accepted("n1", {(POD, "a"): "1"}, 20)
            assert server.accepted_versions("n1", POD) == {"a": "1"}

    play(tmp_path, scene)


def test_the_answer_may_come_later_and_names_what_is_refused(tmp_path: Path) -> None:
    async def scene(socket: Path) -> None:
        agent = Agent(socket, answers=False)
        seen: list[object] = []
        async with serving(socket) as server, running(agent.client):
            server.on_nack = lambda *args: seen.append(args)
            server.publish("n1", {POD: want(a="1", b="1"), SET: {}})
            update = await agent.next_named()
            assert server.accepted_versions("n1", POD) == {}
            agent.client.nack(update.nonce, {"b": "the kernel said no"})
            await server.accepted("n1", {(POD, "a"): "1"}, 20)
            with pytest.raises(NotAcceptedError, match="b: the kernel said no"):
                await server.accepted("n1", {(POD, "b"): "1"}, 20)
            assert seen == [("n1", POD, {"b": ("1", "the kernel said no")})]
            assert server.refusals("n1") == {(POD, "b"): ("1", "the kernel said no")}

    play(tmp_path, scene)


@asynccontextmanager
async def child(socket: Path, **versions: str) -> AsyncIterator[asyncio.StreamReader]:
    """A server in a process of its own, told to end afterwards; its acknowledgements as lines."""
    script = str(Path(__file__).with_name("xdschild.py"))
    process = await asyncio.create_subprocess_exec(
        sys.executable, script, str(socket), json.dumps(versions), stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    try:
        yield process.stdout
    finally:
        process.terminate()
        await process.wait()


async def acknowledged(lines: asyncio.StreamReader, **versions: str) -> None:
    async with asyncio.timeout(20):
        async for line in lines:  # log lines come the same way
            if line.startswith(b"{") and json.loads(line) == versions:
                return
    raise AssertionError("the server ended before it was acknowledged")


def test_a_reconnect_sends_only_what_differs_and_removals(tmp_path: Path) -> None:
    async def scene(socket: Path) -> None:
        agent = Agent(socket)
        async with running(agent.client):
            async with child(socket, same="1", changes="1", goes="1") as lines:
                await agent.next_named()
                await acknowledged(lines, same="1", changes="1", goes="1")
            async with child(socket, same="1", changes="2") as lines:
                update = await agent.next_named()
                assert (set(update.resources), update.removed) == ({"changes"}, ("goes",))
                await acknowledged(lines, same="1", changes="2")

    play(tmp_path, scene)


def test_what_was_not_acknowledged_is_removed_after_a_reconnect_if_it_is_gone(tmp_path: Path) -> None:
    async def scene(socket: Path) -> None:
        agent = Agent(socket, answers=False)
        async with running(agent.client):
            async with child(socket, a="1", b="1"):
                await agent.next_named()
            async with child(socket, a="1"):
                update = await agent.next_named()
                assert (set(update.resources), update.removed) == ({"a"}, ("b",))

    play(tmp_path, scene)


def test_a_superseded_version_counts_when_the_newer_one_is_in_force(tmp_path: Path) -> None:
    async def scene(socket: Path) -> None:
        agent = Agent(socket)
        async with serving(socket) as server, running(agent.client):
            server.publish("n1", {POD: want(a="1"), SET: {}})
            server.publish("n1", {POD: want(a="2")})
            await server.accepted("n1", {(POD, "a"): "1"}, 20)
            assert server.accepted_versions("n1", POD) == {"a": "2"}

    play(tmp_path, scene)


def test_waiting_ends_with_the_names_that_are_missing(tmp_path: Path) -> None:
    async def scene(socket: Path) -> None:
        async with serving(socket) as server:
            with pytest.raises(NotAcceptedError, match=r"n9 \(not connected\).*: a"):
                await server.accepted("n9", {(POD, "a"): "1"}, 0.01)

    play(tmp_path, scene)


def test_common_resources_reach_clients_without_sets_of_their_own(tmp_path: Path) -> None:
    async def scene(socket: Path) -> None:
        agent = Agent(socket)
        async with serving(socket) as server, running(agent.client):
            server.publish("n1", {POD: want(own="1")})
            server.publish(None, {POD: want(common="1"), SET: want(s="1")})
            got = {n for u in (await agent.next_named(), await agent.next_named()) for n in u.resources}
            assert got == {"own", "s"}

    play(tmp_path, scene)


def test_calls_carry_the_clients_name_and_refusals(tmp_path: Path) -> None:
    async def sign(client: str, data: bytes) -> bytes:
        if data == b"evil":
            raise PermissionError("not a pod of yours")
        return client.encode() + b":" + data

    async def scene(socket: Path) -> None:
        server = XdsServer(socket, ())
        server.add_unary(SIGN, sign)
        await server.start()
        agent = Agent(socket)
        try:
            async with running(agent.client):
                await asyncio.sleep(0)
                assert await agent.client.call(SIGN, b"csr") == b"n1:csr"
                with pytest.raises(CallRefusedError, match="not a pod of yours"):
                    await agent.client.call(SIGN, b"evil")
        finally:
            await server.stop()

    play(tmp_path, scene)


def test_a_call_that_nobody_answers_is_no_refusal(tmp_path: Path) -> None:
    async def scene(socket: Path) -> None:
        agent = Agent(socket)
        async with running(agent.client):
            await asyncio.sleep(0)
            with pytest.raises(CallError) as failure:
                await agent.client.call(SIGN, b"csr")
            assert not isinstance(failure.value, PermissionError)

    play(tmp_path, scene)


def test_reports_arrive_and_wait_while_control_is_away(tmp_path: Path) -> None:
    async def scene(socket: Path) -> None:
        agent = Agent(socket)
        async with running(agent.client):
            for text in ("early", "late"):
                agent.client.report(text.encode())
                async with child(socket) as lines, asyncio.timeout(20):
                    async for line in lines:
                        if line.startswith(b"{") and json.loads(line) == {"from": "n1", "report": text}:
                            break
                    else:
                        raise AssertionError("the server ended before the report arrived")
                await gone(agent.client)

    play(tmp_path, scene)


async def gone(client: XdsClient) -> None:
    """Return when the client has noticed that its server left: a report that is under way then is lost."""
    seen, connected = await client.connected.after(-1)
    while connected:
        seen, connected = await client.connected.after(seen)


def test_the_oldest_reports_are_dropped_and_counted_while_control_is_away(tmp_path: Path) -> None:
    async def scene(socket: Path) -> None:
        client = XdsClient(f"unix:{socket}", "n1", (), lambda _: None)
        for i in range(5000):
            client.report(b"%d" % i)
        assert client.dropped_reports == 5000 - 4096

    play(tmp_path, scene)
