"""Publications meet streams: who gets what, and what waiting callers learn."""

from __future__ import annotations

import asyncio

import pytest

from tandem.drivers.xds.board import Board, NotAcceptedError, Stream
from tandem.drivers.xds.messages import Encoded, Request, Response
from tandem.drivers.xds.session import Session
from tandem.state.xds import ROUTE

CDS = "t/cluster"


def want(**versions: str) -> dict[str, Encoded]:
    return {n: Encoded(n, v, b"") for n, v in versions.items()}


def turn(board: Board, stream: Stream) -> list[Response]:
    return board.note(stream, stream.step())


def opened(board: Board, client: str = "n1") -> Stream:
    stream = board.opened(client, Session((CDS,)))
    stream.inbox.append(Request(type_url=CDS))
    return stream


def test_a_slow_stream_skips_what_was_superseded() -> None:
    board = Board()
    stream = opened(board)
    board.publish("n1", {CDS: want(a="1")})
    board.publish("n1", {CDS: want(a="2")})
    assert [[r.version for r in response.resources] for response in turn(board, stream)] == [["2"]]


def test_connect_and_disconnect_are_told_once_while_streams_overlap() -> None:
    board, seen = Board(), list[str]()
    board.on_connect = lambda client: seen.append(f"+{client}")
    board.on_disconnect = lambda client: seen.append(f"-{client}")
    old, new = opened(board), opened(board)
    board.closed(old)
    board.closed(new)
    assert seen == ["+n1", "-n1"]


def test_of_two_that_take_over_from_each_other_the_later_speaks_whoever_came_last() -> None:
    board = Board()
    heir = board.opened("n1", Session(["t/a"]), 1)
    before = board.opened("n1", Session(["t/a"]), 0)
    board.publish("n1", {"t/a": want(x="1")})
    for stream, nonces in ((before, 1), (heir, 0)):
        stream.inbox.append(Request(type_url="t/a", subscribe=("*",), node="n1"))
        (response,) = turn(board, stream)
        if nonces:
            stream.inbox.append(Request(type_url="t/a", nonce=response.nonce))
            turn(board, stream)
    assert board.accepted_versions("n1", "t/a") == {}
    heir.inbox.append(Request(type_url="t/a", nonce=response.nonce))
    turn(board, heir)
    assert board.accepted_versions("n1", "t/a") == {"x": "1"}


def test_waiting_for_a_removal_ends_when_the_client_has_acknowledged_it() -> None:
    async def scene() -> None:
        board = Board()
        stream = opened(board)
        board.publish("n1", {CDS: want(a="1")})
        turn(board, stream)
        stream.inbox.append(Request(type_url=CDS, nonce="1"))
        turn(board, stream)
        board.publish("n1", {CDS: {}})
        with pytest.raises(NotAcceptedError):
            await board.accepted("n1", {(CDS, "a"): ""}, 0.01)
        turn(board, stream)
        with pytest.raises(NotAcceptedError):
            await board.accepted("n1", {(CDS, "a"): ""}, 0.01)
        stream.inbox.append(Request(type_url=CDS, nonce="2"))
        turn(board, stream)
        await board.accepted("n1", {(CDS, "a"): ""}, 0.01)

    asyncio.run(scene())


def test_routes_that_nothing_refers_to_are_not_waited_for() -> None:
    async def scene() -> None:
        board = Board()
        stream = opened(board)
        board.publish("n1", {CDS: want(a="1"), ROUTE: want(unused="1", used="1")})
        wanted = {(CDS, "a"): "1", (ROUTE, "unused"): "1", (ROUTE, "used"): "1"}
        turn(board, stream)
        stream.inbox.append(Request(type_url=ROUTE, subscribe=("used",)))
        stream.inbox.append(Request(type_url=CDS, nonce="1"))
        turn(board, stream)
        with pytest.raises(NotAcceptedError):
            await board.accepted("n1", wanted, 0.01)
        stream.inbox.append(Request(type_url=ROUTE, nonce="2"))
        turn(board, stream)
        await board.accepted("n1", wanted, 0.01)

    asyncio.run(scene())


def test_a_refusal_is_forgotten_when_a_newer_version_is_accepted() -> None:
    board = Board()
    stream = opened(board)
    board.publish("n1", {CDS: want(a="1")})
    turn(board, stream)
    stream.inbox.append(Request(type_url=CDS, nonce="1", error="no"))
    turn(board, stream)
    assert board.refusals("n1") == {(CDS, "a"): ("1", "no")}
    board.publish("n1", {CDS: want(a="2")})
    turn(board, stream)
    stream.inbox.append(Request(type_url=CDS, nonce="2"))
    turn(board, stream)
    assert board.refusals("n1") == {}


def test_a_forgotten_client_starts_from_nothing() -> None:
    board = Board()
    board.publish("n1", {CDS: want(a="1")})
    board.forget("n1")
    assert turn(board, opened(board)) == []


def test_waiting_ends_when_a_publication_changes_nothing_for_the_client() -> None:
    async def scene() -> None:
        board = Board()
        stream = opened(board)
        board.publish("n1", {CDS: want(a="1")})
        turn(board, stream)
        stream.inbox.append(Request(type_url=CDS, nonce="1"))
        turn(board, stream)
        board.publish("n1", {CDS: want(a="1")})
        async with asyncio.TaskGroup() as tasks:
            waiting = tasks.create_task(board.accepted("n1", {(CDS, "a"): "1"}, 30))
            await asyncio.sleep(0)
            assert not waiting.done()
            turn(board, stream)

    asyncio.run(asyncio.wait_for(scene(), 10))
