"""One request and its answer, against a socket that behaves badly."""

from __future__ import annotations

import json
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tandem_cni.wire import CniError, ask

Reaction = Callable[[socket.socket], None]


@contextmanager
def agent(path: Path, react: Reaction) -> Iterator[str]:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        server.listen(1)

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                react(connection)

        thread = threading.Thread(target=serve)
        thread.start()
        yield str(path)
        thread.join()


def read_request(connection: socket.socket) -> object:
    (length,) = struct.unpack(">I", connection.recv(4, socket.MSG_WAITALL))
    return json.loads(connection.recv(length, socket.MSG_WAITALL))


def send(connection: socket.socket, data: bytes) -> None:
    connection.sendall(struct.pack(">I", len(data)) + data)


def test_the_result_comes_back(tmp_path: Path) -> None:
    seen: list[object] = []

    def react(connection: socket.socket) -> None:
        seen.append(read_request(connection))
        send(connection, b'{"result": {"ips": []}}')

    with agent(tmp_path / "s", react) as path:
        assert ask(path, {"verb": "ADD"}, seconds=5) == {"ips": []}
    assert seen == [{"verb": "ADD"}]


def test_the_agent_s_error_keeps_code_sentence_and_details(tmp_path: Path) -> None:
    def react(connection: socket.socket) -> None:
        read_request(connection)
        send(connection, b'{"error": {"code": 101, "msg": "full", "details": "d"}}')

    with agent(tmp_path / "s", react) as path, pytest.raises(CniError) as caught:
        ask(path, {}, seconds=5)
    assert (caught.value.code, caught.value.msg, caught.value.details) == (101, "full", "d")


def test_an_agent_that_hangs_up_is_try_again(tmp_path: Path) -> None:
    with agent(tmp_path / "s", lambda c: (read_request(c), None)[1]) as path, pytest.raises(CniError) as caught:
        ask(path, {}, seconds=5)
    assert caught.value.code == 11


def test_an_agent_that_says_nothing_is_try_again_after_the_deadline(tmp_path: Path) -> None:
    over = threading.Event()

    def react(connection: socket.socket) -> None:
        read_request(connection)
        over.wait()

    with agent(tmp_path / "s", react) as path:
        with pytest.raises(CniError, match="did not answer in time") as caught:
            ask(path, {}, seconds=0.05)
        over.set()
    assert caught.value.code == 11


@pytest.mark.parametrize("data", [b"\xff\xff\xff\xff", struct.pack(">I", 3) + b"abc", struct.pack(">I", 2) + b"[]"])
def test_an_answer_that_is_too_long_or_no_json_is_code_6(tmp_path: Path, data: bytes) -> None:
    def react(connection: socket.socket) -> None:
        read_request(connection)
        connection.sendall(data)

    with agent(tmp_path / "s", react) as path, pytest.raises(CniError) as caught:
        ask(path, {}, seconds=5)
    assert caught.value.code == 6
