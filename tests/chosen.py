"""Which filter chain a listener has for a connection: walks the matcher as Envoy does. Slow, for tests."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from typing import Any

import msgspec

Tree = Mapping[str, Any]


class Dialled(msgspec.Struct, frozen=True):
    """What is known of a connection when its chain is chosen."""

    address: str
    port: int
    server_name: str = ""
    transport: str = "raw_buffer"
    protocol: str = ""
    """What was found of it, or the only one that the client offers in TLS."""

    def read(self, kind: str) -> str:
        """What Envoy's input of this name gives."""
        match kind:
            case "DestinationPortInput":
                return str(self.port)
            case "DestinationIPInput":
                return self.address
            case "ServerNameInput":
                return self.server_name
            case "TransportProtocolInput":
                return self.transport
            case "ApplicationProtocolInput":
                return f"'{self.protocol}'" if self.protocol else ""
        raise AssertionError(kind)


def chain_for(listener: Tree, dialled: Dialled) -> Tree:
    """The chain of a connection; there is one for each."""
    name = matched(listener["filter_chain_matcher"], dialled)
    (chain,) = (chain for chain in listener["filter_chains"] if chain["name"] == name)
    return dict(chain)


def matched(matcher: Tree, dialled: Dialled) -> str | None:
    """The name in the action of a matcher. Where a matcher inside finds nothing, the one around it goes on."""
    found = None
    for one in matcher.get("matcher_list", {}).get("matchers", ()):
        if found is None and _holds(one["predicate"], dialled):
            found = _follow(one["on_match"], dialled)
    if found is None and "matcher_tree" in matcher:
        tree = matcher["matcher_tree"]
        value = dialled.read(_kind(tree["input"]))
        if value and value in tree["exact_match_map"]["map"]:
            found = _follow(tree["exact_match_map"]["map"][value], dialled)
    if found is None and "on_no_match" in matcher:
        found = _follow(matcher["on_no_match"], dialled)
    return found


def _follow(on_match: Tree, dialled: Dialled) -> str | None:
    if "matcher" in on_match:
        return matched(on_match["matcher"], dialled)
    return str(on_match["action"]["typed_config"]["value"])


def _holds(predicate: Tree, dialled: Dialled) -> bool:
    if "and_matcher" in predicate:
        return all(_holds(one, dialled) for one in predicate["and_matcher"]["predicate"])
    if "or_matcher" in predicate:
        return any(_holds(one, dialled) for one in predicate["or_matcher"]["predicate"])
    single = predicate["single_predicate"]
    value = dialled.read(_kind(single["input"]))
    if "custom_match" in single:
        ranges = single["custom_match"]["typed_config"]["cidr_ranges"]
        address = ipaddress.ip_address(value)
        return any(address in ipaddress.ip_network(f"{r['address_prefix']}/{r['prefix_len']}") for r in ranges)
    match = single["value_match"]
    return value == match["exact"] if "exact" in match else value.endswith(match["suffix"])


def _kind(made: Tree) -> str:
    return str(made["typed_config"]["@type"]).rpartition(".")[2]
