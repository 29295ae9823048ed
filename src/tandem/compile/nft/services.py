"""Services -> load balancing in the kernel, for pods and for the node itself. Pure.

The number of chains does not grow with Services: `service4` maps (address . protocol . port) to the chain `lb-<n>`
that draws a number below n into the connection's mark, and `backend4` maps (address . protocol . port . number) to
the endpoint. A change of endpoints is a change of elements. Only the first packet of a connection comes here.
A Service port without endpoints is refused at once, as kube-proxy does.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from typing import Final

import msgspec

from tandem.compile.nft.families import FAMILIES, Family
from tandem.ir.node import NodeView
from tandem.state import nft
from tandem.state.nft import Field

_FRONT: Final = ("inet_proto", "inet_service")
Target = tuple[str, int]


class _Front(msgspec.Struct, frozen=True):
    """A Service address, protocol and port, and the endpoints behind it."""

    address: str
    protocol: str
    port: int
    targets: tuple[Target, ...]

    @property
    def key(self) -> nft.Key:
        return (self.address, self.protocol.lower(), self.port)


def service_state(view: NodeView) -> nft.Ruleset:
    """The chains, sets and maps of Service load balancing."""
    chains: list[nft.Chain] = []
    sets: list[nft.Set] = []
    maps: list[nft.Map] = []
    counts: set[int] = set()
    for family in FAMILIES:
        fronts = list(_fronts(view, family))
        counts |= {len(f.targets) for f in fronts if f.targets}
        maps += _maps(family, fronts)
        refused = frozenset(f.key for f in fronts if not f.targets)
        sets.append(nft.Set(name=f"refused{family.version}", type=(family.type, *_FRONT), elements=refused))
    chains += [_balance(n) for n in sorted(counts)]
    dispatch = tuple(
        nft.Rule(then=(nft.Dispatch((f.daddr, Field.L4PROTO, Field.DPORT), f"service{f.version}"),)) for f in FAMILIES
    )
    for name, hook in (("prerouting", "prerouting"), ("output", "output")):
        chains.append(
            nft.Chain(name=f"refuse-{name}", rules=_refusals(), base=nft.Hook(type="filter", hook=hook, priority=-110))
        )
        chains.append(
            nft.Chain(name=f"service-{name}", rules=dispatch, base=nft.Hook(type="nat", hook=hook, priority=-100))
        )
    return nft.ruleset(chains=tuple(chains), sets=tuple(sets), maps=tuple(maps))


def _maps(family: Family, fronts: list[_Front]) -> tuple[nft.Map, nft.Map]:
    service: frozenset[tuple[nft.Key, nft.Verdict | nft.Key]] = frozenset(
        (f.key, nft.Goto(_balance_name(len(f.targets)))) for f in fronts if f.targets
    )
    backend: frozenset[tuple[nft.Key, nft.Verdict | nft.Key]] = frozenset(
        ((*f.key, i), target) for f in fronts for i, target in enumerate(f.targets)
    )
    return (
        nft.Map(name=f"service{family.version}", type=(family.type, *_FRONT), elements=service),
        nft.Map(
            name=f"backend{family.version}",
            type=(family.type, *_FRONT, "mark"),
            data=(family.type, "inet_service"),
            elements=backend,
        ),
    )


def _balance_name(count: int) -> str:
    return f"lb-{count}"


def _balance(count: int) -> nft.Chain:
    draw = nft.Rule(then=(nft.RandomMark(Field.CT_MARK, count),))
    send = tuple(
        nft.Rule(
            then=(nft.DnatMap(f.word, (f.daddr, Field.L4PROTO, Field.DPORT, Field.CT_MARK), f"backend{f.version}"),)
        )
        for f in FAMILIES
    )
    return nft.Chain(name=_balance_name(count), rules=(draw, *send))


def _refusals() -> tuple[nft.Rule, ...]:
    """New connections only: this runs before translation, where established ones still carry the Service's address."""
    new = nft.Is(Field.CT_STATE, "new")
    rules: list[nft.Rule] = []
    for f in FAMILIES:
        refused = nft.InSet((f.daddr, Field.L4PROTO, Field.DPORT), f"refused{f.version}")
        rules.append(nft.Rule(match=(new, nft.Is(Field.L4PROTO, "tcp"), refused), then=(nft.Reject(tcp_reset=True),)))
        rules.append(nft.Rule(match=(new, refused), then=(nft.Reject(),)))
    return tuple(rules)


def _fronts(view: NodeView, family: Family) -> Iterator[_Front]:
    for name in sorted(view.services):
        service = view.services[name]
        if service.external_name:
            continue
        for address in service.cluster_ips:
            # The node's own resolver answers on the DNS address; a Service of that address must not take it away.
            if address == view.config.dns_address or ipaddress.ip_address(address).version != family.version:
                continue
            for port in service.ports:
                yield _Front(address, port.protocol, port.port, _targets(view, name, port.name, family))


def _targets(view: NodeView, service: str, port: str, family: Family) -> tuple[Target, ...]:
    endpoints = view.endpoints.get(service)
    found = {
        (e.address, dict(e.ports)[port])
        for e in (endpoints.endpoints if endpoints else ())
        if port in dict(e.ports) and ipaddress.ip_address(e.address).version == family.version
    }
    return tuple(sorted(found))
