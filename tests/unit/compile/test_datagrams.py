"""Ports of UDP of gateways, as shares that the kernel gives to endpoints."""

from __future__ import annotations

from collections import Counter
from typing import Any

import msgspec
import pytest

from gatewaybuild import backend, datagrams, gateway
from meshbuild import NODE, view
from nfttrace import OUTSIDE, Packet, Trace, trace
from tandem.compile.datagrams import MOST, datagram_fronts, shares_of
from tandem.compile.gateways import fronted
from tandem.compile.nft.node import compile_nft
from tandem.compile.nft.services import service_state
from tandem.compile.outward import compile_outward
from tandem.ir.fabric import AppProtocol, Endpoint, Endpoints, Service, ServicePort
from tandem.ir.mesh import Backend, BytesRoute
from tandem.ir.node import NodeView
from tandem.state import nft

POOL, POOL6 = "192.0.2.65", "2001:db8::65"
ASK = Packet(saddr="198.51.100.9", daddr=POOL, dport=53, protocol="udp", iifname=OUTSIDE)


def dns(name: str, *addresses: str) -> tuple[Service, Endpoints]:
    ports = tuple(
        ServicePort(name=n, port=53, protocol=p, app=AppProtocol.TCP) for n, p in (("udp", "UDP"), ("tcp", "TCP"))
    )
    service = Service(namespace="shop", name=name, cluster_ips=("10.96.0.30",), ports=ports)
    ends = tuple(Endpoint(address=a, ports=(("udp", 5353), ("tcp", 5354))) for a in addresses)
    return service, Endpoints(namespace="shop", service=name, endpoints=ends)


A, B = dns("a", "10.244.0.2", "10.244.0.3"), dns("b", "10.244.0.4")


def to(service: str, weight: int = 1, port: int = 53) -> Backend:
    return msgspec.structs.replace(backend(service, port), weight=weight)


def node(*backends: Backend, addresses: tuple[str, ...] = (POOL,), **more: Any) -> NodeView:
    made = gateway(datagrams("dns", *backends), addresses=addresses)
    return view(*A, *B, gateways={"edge/edge": made}, nodes={"n1": NODE}, **more)


def sent(table: nft.Ruleset, packet: Packet = ASK, number: int = 0) -> Trace:
    """What becomes of a packet for which this number is drawn."""
    return trace(table, packet, route=lambda _: OUTSIDE, choose=lambda _: number)


def route(*backends: Backend) -> BytesRoute | None:
    return datagrams("dns", *backends).route


def reached(*backends: Backend, **fields: Any) -> Counter[str]:
    """Where a datagram goes for each number that may be drawn; dropped: the verdict."""
    table = compile_nft(node(*backends, **fields))
    (chain,) = [c for c in table.chains if c.name.startswith("lb-") and "-of-" in c.name]
    (whole,) = [s.modulus for rule in chain.rules for s in rule.then if isinstance(s, nft.RandomMark)]
    found: Counter[str] = Counter()
    for number in range(whole):
        done = sent(table, number=number)
        found[done.packet.daddr if done.verdict == "accept" else done.verdict] += 1
    return found


@pytest.mark.parametrize(
    ("backends", "parts"),
    [
        ((to("a"),), {"10.244.0.2": 1, "10.244.0.3": 1}),
        ((to("a", 7), to("b", 3)), {"10.244.0.2": 7, "10.244.0.3": 7, "10.244.0.4": 6}),
        ((to("b", 1), to("gone!BackendNotFound", 3)), {"10.244.0.4": 1, "drop": 3}),
        ((to("b"), to("b", 1, 54)), {"10.244.0.4": 1, "drop": 1}),
        ((to("gone!BackendNotFound"),), {"drop": 1}),
        ((to("a", 1), to("a", 1)), {"10.244.0.2": 1, "10.244.0.3": 1}),
        ((), {"drop": 1}),
    ],
)
def test_a_weight_is_divided_among_endpoints_and_what_has_none_is_dropped(
    backends: tuple[Backend, ...], parts: dict[str, int]
) -> None:
    assert reached(*backends) == parts


def test_only_the_port_of_udp_is_meant_and_its_number_at_the_pod() -> None:
    table = compile_nft(node(to("a")))
    assert sent(table).packet.dport == 5353
    assert sent(table, msgspec.structs.replace(ASK, protocol="tcp")).verdict == "reject"
    assert sent(table, msgspec.structs.replace(ASK, dport=54)).verdict == "reject"


def test_shares_that_would_be_too_many_are_rounded_and_nobody_is_left_out() -> None:
    counts, whole = shares_of(node(), route(to("a", 999_983), to("b", 1)), 4)
    assert whole <= MOST + 3
    assert min(counts.values()) == 1
    assert counts["10.244.0.2", 5353] > 450


def test_each_family_has_shares_of_its_own() -> None:
    six = dns("a", "10.244.0.2", "fd00:10:244::2", "fd00:10:244::3")
    found = view(*six, *B, gateways={"edge/edge": gateway(datagrams("dns", to("a"), to("b")), addresses=(POOL, POOL6))})
    made = [(s.cluster_ips, s.shares, len(e.endpoints)) for s, e in fronts_of(found)]
    assert made == [((POOL,), 2, 2), ((POOL6,), 4, 2)]


def fronts_of(found: NodeView) -> list[tuple[Service, Endpoints]]:
    return [front for one in found.gateways.values() for front in datagram_fronts(found, one)]


def test_an_address_with_ports_of_udp_alone_is_announced_all_the_same() -> None:
    assert compile_outward(node(to("a"))).addresses == (POOL,)


def test_what_others_do_changes_nothing_and_an_endpoint_does() -> None:
    before = node(to("b"))
    other = Endpoints(namespace="shop", service="other", endpoints=())
    same = msgspec.structs.replace(before, policies={})
    assert fronted(same) is fronted(before)
    assert service_state(fronted(same)) == service_state(fronted(before))
    unrelated = msgspec.structs.replace(before, endpoints={**before.endpoints, "shop/other": other})
    assert fronts_of(unrelated) == fronts_of(before)
    gone = msgspec.structs.replace(before, endpoints={**before.endpoints, "shop/b": dns("b")[1]})
    assert fronts_of(gone) != fronts_of(before)


def test_the_first_datagram_is_logged_and_so_is_one_that_is_lost() -> None:
    table = compile_nft(node(to("b"), to("gone!BackendNotFound")))
    assert [sent(table, number=n).logged for n in (0, 1)] == [("dg-on",), ("dg-lost",)]
