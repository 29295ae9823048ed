"""IPv6 is served as IPv4 is: a node's view with every address changed for one of IPv6 sends packets alike."""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv6Address

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nfttrace import trace
from nodeviews import routes, view_of
from property.test_services import attempts, outcome
from property.test_services import worlds as services
from tandem.compile.nft.node import compile_nft
from tandem.ir.node import NodeView
from tandem.model.world import World

_FOUR = re.compile(r"(?<![\w.:])(\d+\.\d+\.\d+\.\d+)(?:/(\d+))?(?![\w.])")
_BASE = int(IPv6Address("fd00:4::"))


def six(text: str) -> str:
    """The address of IPv6 that stands for one of IPv4; its prefixes are as many bits shorter than a whole one."""

    def one(found: re.Match[str]) -> str:
        address = "::1" if found[1] == "127.0.0.1" else str(IPv6Address(_BASE + int(IPv4Address(found[1]))))
        return f"{address}/{int(found[2]) + 96}" if found[2] else address

    return _FOUR.sub(one, text)


def translated(view: NodeView) -> NodeView:
    return msgspec.json.decode(six(msgspec.json.encode(view).decode()), type=NodeView)


@settings(max_examples=15, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(services(), st.integers(0, 7))
def test_a_service_of_ipv6_sends_each_connection_where_one_of_ipv4_does(made: World, draw: int) -> None:
    view, known = view_of(made), routes(made)
    rules, rules6 = compile_nft(view), compile_nft(translated(view))
    back = {six(a): a for a in (*_addresses(view), *(a for p in attempts() for a in (p.saddr, p.daddr)))}

    def route(address: str) -> str:
        return "" if address == "127.0.0.1" else known(address)

    for packet in attempts():
        other = msgspec.structs.replace(packet, saddr=six(packet.saddr), daddr=six(packet.daddr))
        four = trace(rules, packet, route=route, choose=lambda _: draw)
        found = trace(rules6, other, route=lambda a: route(back.get(a, a)), choose=lambda _: draw)
        assert outcome(four) == outcome(found), (packet, four, found)
        assert (six(four.packet.daddr), four.packet.dport) == (found.packet.daddr, found.packet.dport)


def _addresses(view: NodeView) -> set[str]:
    return {found[1] for found in _FOUR.finditer(msgspec.json.encode(view).decode())}
