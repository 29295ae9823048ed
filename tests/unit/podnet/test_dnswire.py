"""Messages as bytes: what is read, what is refused, what is written."""

from __future__ import annotations

import struct

import dns.message
import dns.rcode
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tandem.podnet import dnswire
from tandem.podnet.dnswire import Body, MalformedError
from unit.podnet.dnsview import query

WEB = query("Web.shop").to_wire()


def test_a_question_is_read_in_lower_case_and_kept_as_asked() -> None:
    found = dnswire.parse_query(WEB)
    assert (found.name, found.type, found.size, found.edns) == ("web.shop", dnswire.A, 512, False)
    assert b"Web" in found.raw


@pytest.mark.parametrize(("payload", "size"), [(100, 512), (512, 512), (1000, 1000), (65535, 1232)])
def test_the_size_a_client_takes_is_bounded_both_ways(payload: int, size: int) -> None:
    found = dnswire.parse_query(query("web.shop", edns=payload).to_wire())
    assert (found.size, found.edns) == (size, True)


@pytest.mark.parametrize("data", [b"", b"short", dns.message.make_response(query("web.shop")).to_wire()])
def test_what_is_no_query_gets_no_answer(data: bytes) -> None:
    with pytest.raises(MalformedError) as caught:
        dnswire.parse_query(data)
    assert caught.value.ident is None


@pytest.mark.parametrize(
    "data",
    [
        WEB[:14],
        WEB[:-1],
        WEB[:12] + b"\xc0\x0c\x00\x01\x00\x01",
        WEB[:4] + struct.pack(">HHHH", 2, 0, 0, 0) + WEB[12:],
        WEB[:12] + b"\x3f" * 300 + b"\0\0\x01\0\x01",
    ],
)
def test_a_malformed_question_can_be_refused_by_its_id(data: bytes) -> None:
    with pytest.raises(MalformedError) as caught:
        dnswire.parse_query(data)
    assert caught.value.ident is not None
    assert dns.message.from_wire(dnswire.refusal(data, dnswire.FORMERR)).rcode() == dns.rcode.FORMERR


@given(st.binary(max_size=600))
def test_no_bytes_break_the_parser(data: bytes) -> None:
    try:
        dnswire.parse_query(data)
    except MalformedError:
        return


def test_a_refusal_repeats_the_question() -> None:
    asked = query("web.shop")
    message = dns.message.from_wire(dnswire.refusal(asked.to_wire(), dnswire.SERVFAIL))
    assert asked.is_response(message)
    assert message.rcode() == dns.rcode.SERVFAIL


def test_a_reply_carries_every_section() -> None:
    record = dnswire.record(dnswire.OWNER, dnswire.A, 5, b"\x0a\0\0\x01")
    body = Body(answers=(record,), authority=(record,), additional=(record,))
    message = dns.message.from_wire(dnswire.reply(dnswire.parse_query(WEB), body, udp=True))
    assert [len(section) for section in message.sections] == [1, 1, 1, 1]


def test_a_label_that_is_too_long_is_named() -> None:
    with pytest.raises(ValueError, match="has 64 bytes"):
        dnswire.encode_name("a" * 64 + ".local")
