"""The session of a server: a client's bytes, in pieces of any size, become events; calls become frames."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spdyclient import Client, Frame, control, data, frames
from tandem.apiserver.streams.spdy.session import (
    CANCEL,
    LARGEST_CONTROL,
    LARGEST_DATA,
    STREAMS,
    Away,
    Data,
    Event,
    Opened,
    Reset,
    Session,
    SpdyError,
)

RST = 3
PING = 6
GOAWAY = 7


def said(session: Session, *pieces: bytes) -> list[Event]:
    return [event for piece in pieces for event in session.receive(piece)]


def opened(*streams: int) -> Session:
    session, client = Session(), Client()
    for stream in streams:
        said(session, client.opens(stream, {}))
    return session


@given(st.lists(st.integers(1, 40), max_size=30))
def test_events_do_not_depend_on_how_the_bytes_are_cut(cuts: list[int]) -> None:
    client = Client()
    raw = (
        client.opens(1, {"streamtype": "stdin"})
        + data(1, b"hello")
        + client.opens(3, {}, ends=True)
        + data(1, b"", ends=True)
    )
    session, pieces = Session(), []
    for cut in cuts:
        pieces.append(raw[:cut])
        raw = raw[cut:]
    events = said(session, *pieces, raw)
    assert [e for e in events if not isinstance(e, Data)] == [
        Opened(1, {"streamtype": "stdin"}, ends=False),
        Opened(3, {}, ends=True),
    ]
    of_one = [e for e in events if isinstance(e, Data)]
    assert b"".join(e.data for e in of_one) == b"hello"
    assert [e.ends for e in of_one][-1:] == [True]
    assert sum(e.ends for e in of_one) == 1


def test_a_stream_is_accepted_written_and_ended() -> None:
    session = opened(1)
    session.reply(1)
    session.send(1, b"x" * (LARGEST_DATA + 1), ends=True)
    session.send(1, b"after the end")
    reply, first, second = frames(bytes(session.outgoing))
    assert (reply.kind, reply.stream) == (2, 1)
    assert (len(first.body), first.ends, len(second.body), second.ends) == (LARGEST_DATA, False, 1, True)


def test_what_comes_on_a_stream_that_was_reset_is_not_given_on() -> None:
    session = opened(1)
    session.reset(1, CANCEL)
    session.reset(1, CANCEL)
    assert frames(bytes(session.outgoing)) == [Frame(RST, 1, struct.pack(">I", CANCEL))]
    assert said(session, data(1, b"late")) == []


def test_a_reset_ends_both_ways_and_is_told_once() -> None:
    session = opened(1)
    body = struct.pack(">II", 1, CANCEL)
    assert said(session, control(RST, body), control(RST, body)) == [Reset(1)]
    session.send(1, b"nobody listens")
    assert not session.outgoing


def test_pings_of_the_client_come_back_and_ours_are_even() -> None:
    session = Session()
    assert said(session, control(PING, struct.pack(">I", 7)), control(PING, struct.pack(">I", 2))) == []
    session.ping()
    assert frames(bytes(session.outgoing)) == [Frame(PING, 7, b""), Frame(PING, 2, b"")]


def test_leaving_names_the_newest_stream() -> None:
    session = opened(1, 5)
    session.leave()
    assert frames(bytes(session.outgoing)) == [Frame(GOAWAY, 5, bytes(4))]
    assert said(session, control(GOAWAY, bytes(8))) == [Away()]


def test_frames_that_say_nothing_to_us_are_passed_over() -> None:
    settings, window = control(4, bytes(4)), control(9, struct.pack(">II", 1, 99))
    assert said(opened(1), settings, window, data(1, b"on")) == [Data(1, b"on", ends=False)]


def test_streams_are_bounded() -> None:
    session, client = Session(), Client()
    events = said(session, *(client.opens(2 * n + 1, {}) for n in range(STREAMS + 1)))
    assert len(events) == STREAMS
    assert frames(bytes(session.outgoing)) == [Frame(RST, 2 * STREAMS + 1, struct.pack(">I", 3))]


@pytest.mark.parametrize(
    "raw",
    [
        control(1, bytes(10), version=2),
        control(1, b"short"),
        control(1, struct.pack(">IIH", 1, 0, 0) + b"no block"),
        control(6, b"short"),
        struct.pack(">HHI", 0x8003, 4, LARGEST_CONTROL + 1),
        Client().opens(2, {}),
        b"GET / HTTP/1.1\r\n\r\n".replace(b"G", b"\x80", 1),
    ],
)
def test_a_client_that_breaks_the_protocol_is_refused(raw: bytes) -> None:
    with pytest.raises(SpdyError):
        said(Session(), raw)


def test_a_number_comes_once() -> None:
    client = Client()
    with pytest.raises(SpdyError, match="stream 1 after stream 3"):
        said(Session(), client.opens(3, {}), client.opens(1, {}))
