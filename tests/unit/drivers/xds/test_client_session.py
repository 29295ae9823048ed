"""The client's end: what is reported as held after a reconnect, and which answers are still worth sending."""

from __future__ import annotations

from tandem.drivers.xds.client_session import ClientSession
from tandem.drivers.xds.messages import Encoded, Request, Response

A, B = "t/a", "t/b"


def response(url: str, nonce: str, *removed: str, **versions: str) -> Response:
    resources = tuple(Encoded(n, v, b"") for n, v in versions.items())
    return Response(type_url=url, nonce=nonce, resources=resources, removed=removed)


def held(session: ClientSession) -> dict[str, str]:
    return dict(session.on_connect()[0].initial_versions)


def test_the_first_request_of_each_type_is_a_wildcard_with_the_node() -> None:
    assert ClientSession("n1", (A, B)).on_connect() == [
        Request(type_url=A, subscribe=("*",), node="n1"),
        Request(type_url=B, subscribe=("*",), node="n1"),
    ]


def test_synced_when_every_type_was_answered_if_only_with_nothing() -> None:
    session = ClientSession("n1", (A, B))
    session.on_response(response(A, "1", x="1"))
    assert not session.synced
    session.on_response(response(B, "2"))
    assert session.synced


def test_a_foreign_type_is_ignored() -> None:
    assert ClientSession("n1", (A,)).on_response(response("t/other", "1")) is None


def test_what_was_acknowledged_is_held_at_its_version() -> None:
    session = ClientSession("n1", (A,))
    session.on_connect()
    update = session.on_response(response(A, "1", x="1"))
    assert update is not None
    assert session.ack(update.nonce) == Request(type_url=A, nonce="1")
    assert held(session) == {"x": "1"}


def test_what_was_not_acknowledged_is_held_at_no_known_version() -> None:
    session = ClientSession("n1", (A,))
    session.on_response(response(A, "1", x="1"))
    assert held(session) == {"x": "?1"}


def test_a_refused_resource_is_held_at_no_known_version_and_the_rest_at_theirs() -> None:
    session = ClientSession("n1", (A,))
    session.on_connect()
    update = session.on_response(response(A, "1", x="1", y="1"))
    assert update is not None
    assert session.nack(update.nonce, {"y": "no"}) == Request(type_url=A, nonce="1", error='{"errors":{"y":"no"}}')
    assert held(session) == {"x": "1", "y": "?1"}


def test_a_removal_counts_when_it_is_acknowledged() -> None:
    session = ClientSession("n1", (A,))
    for nonce, update in (
        ("1", session.on_response(response(A, "1", x="1"))),
        ("2", session.on_response(response(A, "2", "x"))),
    ):
        assert update is not None, nonce
        assert "x" in held(session)
        session.ack(update.nonce)
    assert held(session) == {}


def test_an_answer_to_an_older_version_does_not_settle_the_newer_one() -> None:
    session = ClientSession("n1", (A,))
    first = session.on_response(response(A, "1", x="1"))
    session.on_response(response(A, "2", x="2"))
    assert first is not None
    session.ack(first.nonce)
    assert held(session) == {"x": "?2"}


def test_an_answer_for_a_stream_that_is_gone_is_noted_but_not_sent() -> None:
    session = ClientSession("n1", (A,))
    session.on_connect()
    update = session.on_response(response(A, "1", x="1"))
    session.on_connect()
    assert update is not None
    assert session.ack(update.nonce) is None
    assert held(session) == {"x": "1"}


def test_a_second_answer_is_not_sent() -> None:
    session = ClientSession("n1", (A,))
    session.on_connect()
    update = session.on_response(response(A, "1"))
    assert update is not None
    session.ack(update.nonce)
    assert session.ack(update.nonce) is None
