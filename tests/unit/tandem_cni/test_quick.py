"""The courier's quick way: which requests it takes, what it sends, what it says when the agent fails it."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from tandem_cni.build import build
from tandem_cni.quick import exchange, message

from unit.tandem_cni.courier import CONFIG, ENV, run

BYTES = {k.encode(): v.encode() for k, v in ENV.items()}
PYTHON = "/usr/bin/python3"
Told = list[dict[str, object]]


@pytest.fixture(params=["/usr/bin/perl", "/nonexistent/perl"], ids=["perl", "python"])
def courier(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """Both quick ways: what holds for one holds for the other."""
    build(tmp_path / "tandem-cni", PYTHON, request.param)
    return tmp_path / "tandem-cni"


def configured(**config: object) -> bytes:
    return json.dumps({**CONFIG, "socket": "/run/a.sock", **config}).encode()


def test_the_message_is_the_request_that_the_long_way_sends() -> None:
    asked = message({**BYTES, b"CNI_COMMAND": b"ADD", b"HOME": b"/"}, configured())
    assert asked is not None
    assert asked[0] == b"/run/a.sock"
    assert json.loads(asked[1]) == {
        "verb": "ADD",
        "unchecked": True,
        "env": ENV,
        "config": {**CONFIG, "socket": "/run/a.sock"},
    }


@pytest.mark.parametrize("verb", ["CHECK", "GC", "STATUS", "VERSION", "", "ADDS"])
def test_other_verbs_go_the_long_way(verb: str) -> None:
    assert message({**BYTES, b"CNI_COMMAND": verb.encode()}, configured()) is None


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"no json",
        b'{"name":"x"}',
        b'{"socket":7}',
        b'{"socket":"/a","args":{"socket":"/b"}}',
        b'{"socket":"/a\\u0062"}',
        b'{"socket":"/a',
    ],
)
def test_a_configuration_that_is_not_plain_goes_the_long_way(data: bytes) -> None:
    assert message({**BYTES, b"CNI_COMMAND": b"ADD"}, data) is None


@pytest.mark.parametrize("value", [b'a"b', b"a\\b", b"a\nb", "a\u00e9".encode()])
def test_an_environment_that_needs_quoting_goes_the_long_way(value: bytes) -> None:
    assert message({**BYTES, b"CNI_COMMAND": b"ADD", b"CNI_ARGS": value}, configured()) is None


def test_without_a_verb_nothing_is_read(courier: Path) -> None:
    reader, writer = os.pipe()
    done = subprocess.run([courier], env={}, stdin=reader, capture_output=True, check=False, timeout=60)
    os.close(reader)
    os.close(writer)
    assert done.stderr.startswith(b"tandem-cni:")


def test_nobody_there_is_left_to_the_long_way(tmp_path: Path) -> None:
    assert exchange(str(tmp_path / "none.sock").encode(), b"{}") is None


def answering(path: Path, work: Callable[[socket.socket, dict[str, object]], None]) -> Told:
    """A server for one connection; the requests that came."""
    told: Told = []
    server = socket.socket(socket.AF_UNIX)
    server.bind(str(path))
    server.listen()

    def serve() -> None:
        with server, server.accept()[0] as connection:
            size = int.from_bytes(connection.recv(4), "big")
            data = b""
            while len(data) < size:
                data += connection.recv(size - len(data))
            told.append(json.loads(data))
            work(connection, told[0])

    threading.Thread(target=serve, daemon=True).start()
    return told


def reply(text: bytes, pieces: int = 1) -> Callable[[socket.socket, dict[str, object]], None]:
    data = len(text).to_bytes(4, "big") + text

    def work(connection: socket.socket, _: dict[str, object]) -> None:
        step = -(-len(data) // pieces)
        for at in range(0, len(data), step):
            connection.sendall(data[at : at + step])

    return work


@pytest.mark.parametrize("pieces", [1, 2, 7])
def test_a_result_is_passed_on_byte_by_byte(courier: Path, tmp_path: Path, pieces: int) -> None:
    large = {"cniVersion": "1.1.0", "text": "é" * 100_000}
    told = answering(tmp_path / "s", reply(json.dumps({"result": large}, separators=(",", ":")).encode(), pieces))
    done = run(courier, ENV | {"CNI_COMMAND": "ADD"}, CONFIG | {"socket": str(tmp_path / "s")})
    assert (done.status, done.answer, done.err) == (0, large, "")
    assert told[0]["unchecked"] is True


@pytest.mark.parametrize(
    ("env", "data"),
    [
        ({"CNI_ARGS": "A=1;B=$x@y%"}, configured()),
        ({"TRACEPARENT": "00-0-0-01"}, b'{ "name" : "tandem",\n "cniVersion":"1.1.0", "socket" \t:\n "/run/a.sock" }'),
        ({"CNI_ARGS": 'A="1"'}, configured()),
        ({"CNI_ARGS": "A=\u00e9"}, configured()),
        ({"CNI_ARGS": "A=1\n"}, configured()),
        ({}, configured(args={"socket": "x"})),
        ({}, configured(socket="/run/\\a.sock")),
    ],
)
def test_whatever_way_is_taken_the_agent_is_told_the_same(
    courier: Path, tmp_path: Path, env: dict[str, str], data: bytes
) -> None:
    path = tmp_path / "s"
    told = answering(path, reply(b'{"result":{"a":1}}'))
    sent = data.replace(b"/run/a.sock", str(path).encode()).replace(b"/run/\\\\a.sock", str(path).encode())
    done = run(courier, ENV | {"CNI_COMMAND": "ADD"} | env, sent.decode())
    assert (done.status, done.answer) == (0, {"a": 1})
    assert (told[0]["env"], told[0]["config"]) == (ENV | env, json.loads(sent))


def test_no_result_is_no_output(courier: Path, tmp_path: Path) -> None:
    answering(tmp_path / "s", reply(b'{"result":null}'))
    done = run(courier, ENV | {"CNI_COMMAND": "DEL"}, CONFIG | {"socket": str(tmp_path / "s")})
    assert (done.status, done.out, done.err) == (0, "", "")


def test_an_error_of_the_agent_is_told_and_not_asked_for_twice(courier: Path, tmp_path: Path) -> None:
    answering(tmp_path / "s", reply(b'{"error":{"code":101,"msg":"full","details":"d"}}'))
    done = run(courier, ENV | {"CNI_COMMAND": "ADD"}, CONFIG | {"socket": str(tmp_path / "s")})
    assert (done.status, done.answer) == (1, {"cniVersion": "1.1.0", "code": 101, "msg": "full", "details": "d"})


def test_an_agent_that_hangs_up_is_try_again_and_not_asked_twice(courier: Path, tmp_path: Path) -> None:
    told = answering(tmp_path / "s", lambda *_: None)
    done = run(courier, ENV | {"CNI_COMMAND": "ADD"}, CONFIG | {"socket": str(tmp_path / "s")})
    assert (done.status, done.code, len(told)) == (1, 11, 1)
    assert done.answer["details"].endswith("the agent hung up")


def test_a_reader_that_is_gone_is_an_error(courier: Path, tmp_path: Path) -> None:
    answering(tmp_path / "s", reply(b'{"result":{}}'))
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [courier],
        env=ENV | {"CNI_COMMAND": "ADD"},
        input=configured(socket=str(tmp_path / "s")),
        stdout=writer,
        stderr=subprocess.PIPE,
        check=False,
    )
    os.close(writer)
    assert done.returncode != 0
