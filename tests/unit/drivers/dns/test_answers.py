"""DNS messages as what they say of a name; `ask` is tested with a server in tests/contract/test_dns.py."""

from __future__ import annotations

import dns.flags
import dns.message
import dns.rcode
import dns.rrset
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tandem.drivers.dns import answers
from tandem.state.dns import NameAnswer


def read(data: bytes) -> NameAnswer | None:
    return answers.read(data, lambda _: True)


def message(
    question: str, *records: str, kind: str = "A", code: dns.rcode.Rcode = dns.rcode.NOERROR, flags: int = 0
) -> bytes:
    made = dns.message.make_response(dns.message.make_query(question, kind))
    made.flags |= flags
    made.set_rcode(code)
    for record in records:
        name, ttl, type_, data = record.split()
        made.answer.append(dns.rrset.from_text(name, int(ttl), "IN", type_, data))
    return made.to_wire()


def answer(name: str, *addresses: str, ttl: int, version: int = 4) -> NameAnswer:
    return NameAnswer(name=name, version=version, addresses=addresses, ttl=ttl)


def test_addresses_are_sorted_and_the_name_is_lower_case() -> None:
    two = message("WWW.Shop.test", "www.shop.test. 30 A 192.0.2.9", "www.shop.test. 30 A 192.0.2.10")
    assert read(two) == answer("www.shop.test", "192.0.2.10", "192.0.2.9", ttl=30)


def test_addresses_of_ipv6_are_in_canonical_form() -> None:
    six = message("a.test", "a.test. 7 AAAA 2001:DB8:0::1", kind="AAAA")
    assert read(six) == answer("a.test", "2001:db8::1", ttl=7, version=6)


def test_aliases_lead_to_the_addresses_of_the_name_that_was_asked_for() -> None:
    chain = message(
        "a.test", "a.test. 300 CNAME b.example.", "b.example. 20 CNAME c.example.", "c.example. 60 A 192.0.2.1"
    )
    assert read(chain) == answer("a.test", "192.0.2.1", ttl=20)


def test_addresses_beside_the_chain_are_not_the_names() -> None:
    beside = message("a.test", "a.test. 30 A 192.0.2.1", "bank.test. 30 A 192.0.2.66")
    assert read(beside) == answer("a.test", "192.0.2.1", ttl=30)
    alone = read(message("a.test", "bank.test. 30 A 192.0.2.66"))
    assert alone is not None
    assert alone.addresses == ()


def test_no_such_name_and_no_such_type_are_answers() -> None:
    for code in (dns.rcode.NOERROR, dns.rcode.NXDOMAIN):
        found = read(message("a.test", code=code))
        assert found is not None
        assert found.addresses == ()


@pytest.mark.parametrize(
    "data",
    [
        message("a.test", code=dns.rcode.SERVFAIL),
        message("a.test", code=dns.rcode.REFUSED),
        message("a.test", flags=dns.flags.TC),
        message("a.test", "a.test. 30 TXT 192.0.2.1", kind="TXT"),
        message("a.test", "a.test. 30 A 192.0.2.1", code=dns.rcode.NXDOMAIN),
        message("a.test", "a.test. 30 CNAME b.test.", "b.test. 30 CNAME a.test."),
        dns.message.make_query("a.test", "A").to_wire(),
        message("a.test", "a.test. 30 A 192.0.2.1")[:-1],
        b"",
    ],
)
def test_failures_other_types_questions_and_rubbish_say_nothing(data: bytes) -> None:
    assert read(data) is None


def test_what_a_cut_answer_has_counts() -> None:
    cut = message("a.test", "a.test. 30 A 192.0.2.1", flags=dns.flags.TC)
    assert read(cut) == answer("a.test", "192.0.2.1", ttl=30)


@given(st.binary(max_size=80), st.integers(0, 60))
def test_no_bytes_break_it(noise: bytes, at: int) -> None:
    whole = message("a.test", "a.test. 30 A 192.0.2.1")
    for data in (noise, whole[:at] + noise + whole[at + len(noise) :]):
        read(data)


def test_of_a_name_that_is_not_wanted_nothing_is_read() -> None:
    asked: list[str] = []

    def wanted(name: str) -> bool:
        asked.append(name)
        return False

    assert answers.read(message("A.Test", "a.test. 30 A 192.0.2.1"), wanted) is None
    assert asked == ["a.test"]
