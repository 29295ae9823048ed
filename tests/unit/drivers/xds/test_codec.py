"""Messages survive the way through protobuf."""

from __future__ import annotations

from tandem.drivers.xds.codec import decode_request, decode_response, encode_request, encode_response
from tandem.drivers.xds.messages import Encoded, Request, Response


def test_requests_survive_the_wire() -> None:
    request = Request(
        type_url="t/x",
        subscribe=("a", "*"),
        unsubscribe=("b",),
        initial_versions={"c": "1"},
        nonce="7",
        error="no",
        node="n1",
        generation=2,
    )
    assert decode_request(encode_request(request)) == request


def test_an_ack_has_no_error() -> None:
    assert decode_request(encode_request(Request(type_url="t/x", nonce="1"))).error is None


def test_an_empty_error_text_is_still_a_nack() -> None:
    assert decode_request(encode_request(Request(type_url="t/x", nonce="1", error=""))).error == "status code 3"


def test_responses_survive_the_wire() -> None:
    response = Response(type_url="t/x", nonce="3", resources=(Encoded("a", "1", b"\x00v"),), removed=("b",))
    assert decode_response(encode_response(response)) == response
