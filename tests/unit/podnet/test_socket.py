"""The agent's socket, with the real courier or a bad client on the other end."""

from __future__ import annotations

import asyncio
import struct
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from tandem_cni.build import build

from tandem.podnet.request import Code, Request, VerbError
from tandem.podnet.socket import serve
from unit.tandem_cni.courier import CONFIG, ENV, Done, run


class Verbs:
    """Answers ADD, refuses DEL, breaks on CHECK."""

    def __init__(self) -> None:
        self.seen: list[Request] = []

    async def run(self, request: Request) -> dict[str, Any] | None:
        self.seen.append(request)
        match request.verb:
            case "ADD":
                return {"cniVersion": request.version}
            case "DEL":
                raise VerbError(Code.TRY_AGAIN, "not now", "because")
            case "CHECK":
                raise RuntimeError("bug")
        return None


def play(path: Path, book: Callable[[Verbs], Awaitable[None]]) -> None:
    async def main() -> None:
        verbs, ready = Verbs(), asyncio.Event()
        async with asyncio.TaskGroup() as tasks:
            server = tasks.create_task(serve(verbs, path, ready=ready))
            await ready.wait()
            await book(verbs)
            server.cancel()

    asyncio.run(main())


async def execute(directory: Path, verb: str) -> Done:
    build(directory / "tandem-cni", sys.executable)
    config = CONFIG | {"socket": str(directory / "s"), "cniVersion": "1.0.0"}
    return await asyncio.to_thread(run, directory / "tandem-cni", ENV | {"CNI_COMMAND": verb}, config)


def test_a_result_reaches_the_runtime_and_the_request_the_verbs(tmp_path: Path) -> None:
    async def book(verbs: Verbs) -> None:
        done = await execute(tmp_path, "ADD")
        assert (done.status, done.answer) == (0, {"cniVersion": "1.0.0"})
        assert (verbs.seen[0].key, verbs.seen[0].netns) == (("c1", "eth0"), "/run/netns/x")

    play(tmp_path / "s", book)


def test_an_error_reaches_the_runtime(tmp_path: Path) -> None:
    async def book(_: Verbs) -> None:
        done = await execute(tmp_path, "DEL")
        assert done.status == 1
        assert done.answer == {"cniVersion": "1.0.0", "code": 11, "msg": "not now", "details": "because"}

    play(tmp_path / "s", book)


def test_a_bug_in_one_request_is_code_999_and_the_agent_lives(tmp_path: Path) -> None:
    async def book(_: Verbs) -> None:
        assert (await execute(tmp_path, "CHECK")).code == 999
        assert (await execute(tmp_path, "ADD")).status == 0

    play(tmp_path / "s", book)


@pytest.mark.parametrize("data", [b"", b"\0\0", struct.pack(">I", 1 << 30), struct.pack(">I", 9) + b"half"])
def test_a_bad_client_is_hung_up_on_and_others_are_served(tmp_path: Path, data: bytes) -> None:
    async def book(_: Verbs) -> None:
        reader, writer = await asyncio.open_unix_connection(tmp_path / "s")
        writer.write(data)
        writer.write_eof()
        assert await reader.read() == b""
        writer.close()
        assert (await execute(tmp_path, "ADD")).status == 0

    play(tmp_path / "s", book)


def test_a_verb_is_finished_when_its_courier_is_gone(tmp_path: Path) -> None:
    async def book(verbs: Verbs) -> None:
        _, writer = await asyncio.open_unix_connection(tmp_path / "s")
        request = b'{"verb": "STATUS"}'
        writer.write(struct.pack(">I", len(request)) + request)
        writer.close()
        await writer.wait_closed()
        assert (await execute(tmp_path, "ADD")).status == 0
        assert {request.verb for request in verbs.seen} == {"STATUS", "ADD"}

    play(tmp_path / "s", book)


def test_a_request_that_is_no_json_is_answered_with_code_6(tmp_path: Path) -> None:
    async def book(_: Verbs) -> None:
        reader, writer = await asyncio.open_unix_connection(tmp_path / "s")
        writer.write(struct.pack(">I", 1) + b"{")
        answer = await reader.read()
        writer.close()
        assert b'"code":6' in answer

    play(tmp_path / "s", book)


def test_the_socket_is_root_s_alone_replaces_a_stale_one_and_is_gone_afterwards(tmp_path: Path) -> None:
    (tmp_path / "s").touch()

    async def book(_: Verbs) -> None:
        assert (tmp_path / "s").stat().st_mode & 0o777 == 0o600

    play(tmp_path / "s", book)
    assert not (tmp_path / "s").exists()
