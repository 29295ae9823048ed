"""What connections ask for -> the matcher of a listener, which names the filter chain of each. Pure.

A chain does not say itself whom it is for: when an address comes or goes, the chain stays the very same, and Envoy
drains none of its connections. The most specific way is taken, as Envoy's own `filter_chain_match` does: the port, the
longest prefix, the name in TLS, the longest pattern of names. What was matched by one of them is not looked for among
less specific ones: all else is the last chain's. Where requests are sought, they come first: those found are looked up
among the addresses at which they are, so that an address costs one entry more and not a tree of its own.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any, Final

import msgspec

from tandem.base.addresses import HOST_BITS, family
from tandem.compile.envoy.detection import PROTOCOLS
from tandem.compile.envoy.proto import Json, any_of, extension

_INPUTS: Final = "extensions.matching.common_inputs.network.v3."
_TEXT: Final = "type.googleapis.com/google.protobuf.StringValue"


class Way(msgspec.Struct, frozen=True):
    """Connections to a port, at some of these addresses and prefixes (none: any), and the chain they have."""

    chain: str
    port: int
    addresses: tuple[str, ...] = ()
    server_names: tuple[str, ...] = ()
    """Asked for in TLS, where only such ones are meant; `*.` begins a pattern."""
    requests: bool = False
    """Only those in which requests were found."""


_At = dict[str, list[Way]]
"""By address or prefix, empty: any."""


def matcher_of(ways: Iterable[Way], last: str) -> Json:
    """The matcher (xds.type.matcher.v3.Matcher); of two ways for the same the first counts. `last`: for all else."""
    ports: dict[int, _At] = {}
    for way in ways:
        at = ports.setdefault(way.port, {})
        for address in way.addresses or ("",):
            at.setdefault(_text(address), []).append(way)
    rest = _action(last)
    found = {str(port): _at_port(at, rest) for port, at in sorted(ports.items())}
    return _tree("DestinationPortInput", found, rest)["matcher"] if found else {"on_no_match": rest}


def _at_port(at: _At, rest: Json) -> Json:
    sought: dict[str, Json] = {}
    others: _At = {}
    for address, ways in at.items():
        requests = next((way for way in ways if way.requests), None)
        if requests is None or not address or "/" in address or any(way.server_names for way in ways):
            others[address] = ways
        else:
            sought[address] = _action(requests.chain)
            others[address] = [way for way in ways if not way.requests]
    every = _by_address(others, rest)
    if not sought:
        return every
    # Those that are not among these addresses go on to all others.
    return _first([(REQUESTS_FOUND, _tree("DestinationIPInput", dict(sorted(sought.items()))))], every)


def _by_address(at: Mapping[str, list[Way]], rest: Json) -> Json:
    """Single addresses first, of the prefixes the longest one."""
    hosts = {address: _by_name(ways, rest) for address, ways in sorted(at.items()) if address and "/" not in address}
    prefixes = sorted((-_bits(p), p) for p in at if "/" in p)
    every = _by_name(at[""], rest) if "" in at else rest
    if prefixes:
        each = [(_within([p]), _by_name(at[p], rest)) for _, p in prefixes]
        every = _first(each, every)
    return _tree("DestinationIPInput", hosts, every) if hosts else every


def _by_name(ways: list[Way], rest: Json) -> Json:
    if not any(way.server_names for way in ways):
        return _by_kind(ways, rest)
    names: dict[str, list[Way]] = {}
    for way in ways:
        for name in way.server_names or ("",):
            names.setdefault(name.lower(), []).append(way)
    unnamed = _by_kind(names.pop("", []), rest)
    exact = {name: _by_kind(found, rest) for name, found in sorted(names.items()) if not name.startswith("*")}
    patterns = sorted((name for name in names if name.startswith("*")), key=lambda name: (-len(name), name))
    if patterns:
        unnamed = _first([(_ending(name[1:]), _by_kind(names[name], rest)) for name in patterns], unnamed)
    return _tree("ServerNameInput", exact, unnamed) if exact else unnamed


def _by_kind(ways: list[Way], rest: Json) -> Json:
    """Where requests are sought, those have a chain of their own."""
    every = next((_action(way.chain) for way in ways if not way.requests), rest)
    requests = next((way for way in ways if way.requests), None)
    return every if requests is None else _first([(REQUESTS_FOUND, _action(requests.chain))], every)


@lru_cache(maxsize=8192)
def _action(chain: str) -> Json:
    """The very same for one chain: a listener has as many of them as there are addresses."""
    return {"action": {"name": "chain", "typed_config": {"@type": _TEXT, "value": chain}}}


def _tree(kind: str, found: Mapping[str, Json], rest: Json | None = None) -> dict[str, Any]:
    tree = {"input": _input(kind), "exact_match_map": {"map": found}}
    return {"matcher": {"matcher_tree": tree, **({"on_no_match": rest} if rest is not None else {})}}


def _first(each: Iterable[tuple[Json, Json]], rest: Json) -> dict[str, Any]:
    matchers = [{"predicate": predicate, "on_match": found} for predicate, found in each]
    return {"matcher": {"matcher_list": {"matchers": matchers}, "on_no_match": rest}}


def _within(prefixes: Iterable[str]) -> Json:
    kind = "extensions.matching.input_matchers.ip.v3.Ip"
    ranges = [{"address_prefix": p.partition("/")[0], "prefix_len": _bits(p)} for p in prefixes]
    matcher = extension("within", kind, {"cidr_ranges": ranges, "stat_prefix": "out"})
    return {"single_predicate": {"input": _input("DestinationIPInput"), "custom_match": matcher}}


def _ending(suffix: str) -> Json:
    return _says("ServerNameInput", {"suffix": suffix})


def _says(kind: str, match: Json) -> Json:
    return {"single_predicate": {"input": _input(kind), "value_match": match}}


def _input(kind: str) -> Json:
    return {"name": kind, "typed_config": any_of(f"{_INPUTS}{kind}")}


_SPOKEN: Final = [_says("ApplicationProtocolInput", {"exact": f"'{p}'"}) for p in PROTOCOLS]
REQUESTS_FOUND: Final[Json] = {
    "and_matcher": {
        "predicate": [
            _says("TransportProtocolInput", {"exact": "raw_buffer"}),
            {"or_matcher": {"predicate": _SPOKEN}},
        ]
    }
}
"""What is said of a connection in which requests were found. The client's own TLS is bytes, whatever is inside."""


def _text(address: str) -> str:
    """A single address as Envoy writes it, or a prefix."""
    bare = address.removesuffix(f"/{HOST_BITS[family(address)]}") if address else ""
    return str(ipaddress.IPv6Address(bare)) if ":" in bare and "/" not in bare else bare


def _bits(prefix: str) -> int:
    return int(prefix.partition("/")[2])
