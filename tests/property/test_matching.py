"""The matcher of a listener against the rules that Envoy's documentation gives for `filter_chain_match`."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Sequence

from hypothesis import given
from hypothesis import strategies as st

from chosen import Dialled, matched
from tandem.compile.envoy.detection import PROTOCOLS
from tandem.compile.envoy.matching import Way, matcher_of

ADDRESSES = ("10.0.0.1", "10.0.1.1", "10.1.0.1", "192.0.2.1", "fd00::1", "fd00::1:1")
PLACES = (*ADDRESSES, "10.0.0.0/8", "10.0.0.0/16", "10.0.0.1/32", "0.0.0.0/0", "fd00::/64", "fd00::/112", "::/0")
NAMES = ("a.test", "b.a.test", "c.b.a.test", "test", "other")
PATTERNS = ("a.test", "*.a.test", "*.test", "*.b.a.test", "B.A.test")
PORTS = (80, 443)

ways = st.builds(
    Way,
    chain=st.just(""),
    port=st.sampled_from(PORTS),
    addresses=st.lists(st.sampled_from(PLACES), max_size=3, unique=True).map(tuple),
    server_names=st.lists(st.sampled_from(PATTERNS), max_size=2, unique=True).map(tuple),
    requests=st.booleans(),
)
plain = st.builds(
    Dialled, address=st.sampled_from(ADDRESSES), port=st.sampled_from(PORTS), protocol=st.sampled_from(("", *PROTOCOLS))
)
secure = st.builds(
    Dialled,
    address=st.sampled_from(ADDRESSES),
    port=st.sampled_from(PORTS),
    server_name=st.sampled_from(("", *NAMES)),
    transport=st.just("tls"),
    protocol=st.sampled_from(("", "h2", "http/1.1")),
)


def expected(ways: Sequence[Way], last: str, one: Dialled) -> str:
    """Port, then the longest prefix, then the name, each without going back; then whether requests were found."""
    here = [w for w in ways if w.port == one.port]
    address = ipaddress.ip_address(one.address)
    here = most(here, lambda way: max(bits(place, address) for place in way.addresses or ("",)))
    here = most(here, lambda way: max(closeness(pattern, one.server_name) for pattern in way.server_names or ("",)))
    found = one.transport == "raw_buffer" and one.protocol in PROTOCOLS
    for asks in (True, False) if found else (False,):
        for way in here:
            if way.requests is asks:
                return way.chain
    return last


def most(ways: list[Way], close: Callable[[Way], int]) -> list[Way]:
    """Those that are closest; below nothing they are not meant."""
    closest = max(map(close, ways), default=-1)
    return [way for way in ways if close(way) == closest >= 0]


def bits(place: str, address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> int:
    """How long a prefix is that holds the address; any address is the shortest of all, and no prefix -1."""
    if not place:
        return 0
    network = ipaddress.ip_network(place)
    return network.prefixlen + 1 if network.version == address.version and address in network else -1


def closeness(pattern: str, name: str) -> int:
    """How close a pattern is to a name: the same is closest, no pattern farthest."""
    pattern = pattern.lower()
    if not pattern:
        return 0
    if pattern == name:
        return 1000
    return len(pattern) if pattern.startswith("*") and name.endswith(pattern[1:]) else -1


@given(st.lists(ways, max_size=8), st.one_of(plain, secure))
def test_each_connection_has_the_chain_that_the_rules_say(made: list[Way], one: Dialled) -> None:
    made = [Way(f"c{i}", w.port, w.addresses, w.server_names, w.requests) for i, w in enumerate(made)]
    assert matched(matcher_of(made, "last"), one) == expected(made, "last", one)
