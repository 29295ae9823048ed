"""Which chain a connection has; against a reference in tests/property, with a real Envoy in tests/contract."""

from __future__ import annotations

from typing import Any

import pytest

from chosen import Dialled, matched
from tandem.compile.envoy.matching import Way, matcher_of

WEB = Way("web", 80, ("10.96.0.1", "fd00:0::1"))


def chosen(*ways: Way, **dialled: Any) -> str | None:
    return matched(matcher_of(ways, "last"), Dialled(**{"address": "10.96.0.1", "port": 80, **dialled}))


def test_it_is_the_port_and_the_address_in_either_family() -> None:
    assert chosen(WEB) == "web"
    assert chosen(WEB, address="fd00::1") == "web"  # as Envoy writes it
    assert chosen(WEB, port=81) == "last"
    assert chosen(WEB, address="10.96.0.2") == "last"
    assert chosen() == "last"


def test_the_longest_prefix_is_taken_and_an_address_before_all() -> None:
    ways = (Way("eight", 80, ("10.0.0.0/8",)), WEB, Way("any", 80), Way("sixteen", 80, ("10.96.0.0/16",)))
    found = {a: chosen(*ways, address=a) for a in ("10.96.0.1", "10.96.7.7", "10.1.0.0", "192.0.2.1", "fd00::2")}
    assert found == {
        "10.96.0.1": "web",
        "10.96.7.7": "sixteen",
        "10.1.0.0": "eight",
        "192.0.2.1": "any",
        "fd00::2": "any",
    }


def test_a_prefix_of_one_address_is_that_address() -> None:
    assert chosen(Way("one", 80, ("10.96.0.1/32",))) == "one"


@pytest.mark.parametrize(
    ("name", "chain"),
    [
        ("a.test", "exact"),
        ("x.a.test", "near"),
        ("x.y.a.test", "near"),
        ("b.test", "far"),
        ("other", "none"),
        ("", "none"),
    ],
)
def test_of_names_the_most_specific_pattern_is_taken(name: str, chain: str) -> None:
    ways = (
        Way("far", 80, (), ("*.test",)),
        Way("near", 80, (), ("*.a.test",)),
        Way("exact", 80, (), ("A.test",)),
        Way("none", 80),
    )
    assert chosen(*ways, server_name=name, transport="tls" if name else "raw_buffer") == chain


def test_what_an_address_has_is_not_looked_for_elsewhere() -> None:
    """As Envoy's own filter_chain_match has it: a name that an address lacks is not that of a wider prefix."""
    ways = (Way("named", 80, ("10.96.0.1",), ("a.test",)), Way("wide", 80, ("10.0.0.0/8",)))
    assert chosen(*ways, server_name="b.test", transport="tls") == "last"


@pytest.mark.parametrize("addresses", [("10.96.0.1",), ("10.0.0.0/8",), ()])
@pytest.mark.parametrize(
    ("transport", "protocol", "chain"),
    [
        ("raw_buffer", "http/1.1", "requests"),
        ("raw_buffer", "h2c", "requests"),
        ("raw_buffer", "", "bytes"),
        ("tls", "http/1.1", "bytes"),
    ],
)
def test_requests_that_were_found_have_a_chain_of_their_own(
    addresses: tuple[str, ...], transport: str, protocol: str, chain: str
) -> None:
    ways = (
        Way("requests", 80, addresses, (), requests=True),
        Way("bytes", 80, addresses),
        Way("web", 80, ("10.1.0.1",)),
    )
    assert chosen(*ways, transport=transport, protocol=protocol) == chain
    assert chosen(*ways, address="10.1.0.1", transport=transport, protocol=protocol) == "web"


def test_of_two_for_the_same_the_first_counts() -> None:
    assert chosen(WEB, Way("other", 80, ("10.96.0.1",))) == "web"


def test_one_address_more_is_one_entry_more() -> None:
    def entries(count: int) -> Any:
        ways = (Way(f"c{i}", 80, (f"10.96.0.{i}",), (), requests=r) for i in range(count) for r in (True, False))
        return str(matcher_of(ways, "last")).count("'action'")

    assert entries(20) - entries(10) == 20
