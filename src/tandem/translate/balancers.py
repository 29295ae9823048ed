"""Services of type LoadBalancer and the pools -> the addresses that each should have, and why some have none. Pure.

One address for each family of the Service. It stays with the Service as long as it is in a pool that the Service may
use and nobody else has it; so a newcomer takes nothing away. Services of a class of other implementations are left
alone, and where there is no pool at all, all of them.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator
from typing import Final

import msgspec

from tandem.base.addresses import IPV4, family
from tandem.base.problems import Problem, Severity
from tandem.model import core
from tandem.model.gateways import Gateway
from tandem.model.istiogateway import IstioGateway
from tandem.model.pools import Block, LoadBalancerPool, parse_block
from tandem.model.world import World

CLASS: Final = "tandem.io/pool"
"""spec.loadBalancerClass of Services that are meant for the pools, where other implementations are about."""
POOL: Final = "tandem.io/load-balancer-pool"
"""Annotation of a Service: the pool that its addresses come from."""
ObjectKey = tuple[str, str]


class Assignment(msgspec.Struct, frozen=True, kw_only=True):
    """`given`: the addresses of every Service that is ours, by namespace and name; empty where there is none for it."""

    given: dict[ObjectKey, tuple[str, ...]] = {}
    problems: tuple[Problem, ...] = ()


class _Wish(msgspec.Struct, frozen=True):
    """One address that a Service should have."""

    service: core.Service
    version: int
    first: bool
    """Of its main family."""
    blocks: tuple[Block, ...]
    asked: str

    @property
    def held(self) -> str:
        held = (i.ip for i in self.service.status.load_balancer.ingress if i.ip)
        return next((ip for ip in held if family(ip) == self.version), "")

    def takes(self, address: str) -> bool:
        """True for an address that the Service may have."""
        parsed = ipaddress.ip_address(address)
        return any(parsed in block for block in self.blocks) and self.asked in {"", address}


def is_ours(service: core.Service) -> bool:
    """True for a Service whose addresses come from the pools."""
    spec = service.spec
    ours = spec.type == "LoadBalancer" and spec.load_balancer_class in {"", CLASS}
    return ours and not service.metadata.deletion_timestamp


def assign_addresses(world: World) -> Assignment:
    """Who has which address; equal Worlds give equal assignments."""
    services = [s for s in world.sorted(core.Service) if is_ours(s)]
    pools = world.sorted(LoadBalancerPool)
    if not pools:
        # Nothing is known of who gives addresses here, but what a pool gave before goes with it.
        ours_before: dict[ObjectKey, tuple[str, ...]] = {
            s.key: () for s in services if any(c.type == "Programmed" for c in s.status.conditions)
        }
        return Assignment(given=ours_before, problems=tuple(_no_pool(s) for s in services if not _held(s)))
    wishes = [wish for service in services for wish in _wishes(service, pools)]
    given: dict[tuple[ObjectKey, int], str] = {}
    taken = _of_others(world)
    for wish in wishes:
        if wish.held and wish.held not in taken and wish.takes(wish.held):
            given[wish.service.key, wish.version] = wish.held
            taken.add(wish.held)
    problems: list[Problem] = []
    free: dict[tuple[Block, ...], Iterator[str]] = {}  # one for all who may use the same: a pool is walked through once
    for wish in wishes:
        if (wish.service.key, wish.version) in given:
            continue
        if wish.asked:
            address = wish.asked if wish.takes(wish.asked) and wish.asked not in taken else ""
        else:
            address = next(free.setdefault(wish.blocks, _free(wish.blocks, taken)), "")
        if address:
            given[wish.service.key, wish.version] = address
            taken.add(address)
        else:
            problems.append(_why(wish, pools))
    found = {s.key: tuple(given[s.key, v] for v in _versions(s) if (s.key, v) in given) for s in services}
    return Assignment(given=found, problems=tuple(problems))


def addresses_of_ingress(world: World) -> tuple[str, ...]:
    """Those that the gateway of Istio's Gateways has, as the Gateways tell."""
    return tuple(
        dict.fromkeys(a.value for gateway in world.oldest_first(IstioGateway) for a in gateway.status.addresses)
    )


def _of_others(world: World) -> set[str]:
    """Of nodes, gateways and cluster IPs: whoever got one would take a node, or another Service, off the network."""
    nodes = {a.address for node in world.sorted(core.Node) for a in node.status.addresses}
    gateways = {a.value for gateway in world.all(Gateway).values() for a in gateway.status.addresses}
    return nodes.union(gateways, addresses_of_ingress(world), *(s.spec.cluster_ips for s in world.sorted(core.Service)))


def _held(service: core.Service) -> bool:
    return any(i.ip or i.hostname for i in service.status.load_balancer.ingress)


def _versions(service: core.Service) -> tuple[int, ...]:
    addresses = service.spec.cluster_ips or (service.spec.cluster_ip,)
    return tuple(dict.fromkeys(family(a) for a in addresses if a and a != "None"))


def _wishes(service: core.Service, pools: Iterable[LoadBalancerPool]) -> Iterator[_Wish]:
    named = service.metadata.annotations.get(POOL, "")
    asked = service.spec.load_balancer_ip
    usable = [p for p in pools if (p.metadata.name == named if named else p.spec.automatic or asked)]
    blocks = tuple(parse_block(text) for pool in usable for text in pool.spec.addresses)
    for number, version in enumerate(_versions(service)):
        mine = asked if asked and family(asked) == version else ""
        of_family = tuple(block for block in blocks if block.version == version)
        yield _Wish(service, version, number == 0, of_family, mine)


def _free(blocks: tuple[Block, ...], taken: set[str]) -> Iterator[str]:
    """Those that nobody has when they are asked for, each once."""
    for block in blocks:
        kind = ipaddress.IPv4Address if block.version == IPV4 else ipaddress.IPv6Address
        for number in range(block.first, block.last + 1):
            address = str(kind(number))
            if address not in taken:
                yield address


def _why(wish: _Wish, pools: Iterable[LoadBalancerPool]) -> Problem:
    code, text = _reason(wish, [p.metadata.name for p in pools])
    severity = Severity.ERROR if wish.first else Severity.WARNING
    path, _, text = text.partition(": ")
    return Problem(at=wish.service.origin(path), code=code, text=text, severity=severity)


def _reason(wish: _Wish, names: list[str]) -> tuple[str, str]:
    """The code, and `path: text`."""
    named = wish.service.metadata.annotations.get(POOL, "")
    if named and named not in names:
        known = ", ".join(names)
        return "PoolNotFound", f"metadata.annotations[{POOL}]: no LoadBalancerPool {named!r}; there are {known}"
    if wish.asked and not wish.takes(wish.asked):
        return "AddressNotInPool", f"spec.loadBalancerIP: {wish.asked} is in no pool of this Service"
    if wish.asked:
        return "AddressInUse", f"spec.loadBalancerIP: {wish.asked} belongs to another Service, or to a node"
    if not wish.blocks:
        return "PoolNotFound", f"spec.type: no pool that it may use has IPv{wish.version} addresses"
    return "PoolExhausted", f"spec.type: no IPv{wish.version} address is left in the pools"


def _no_pool(service: core.Service) -> Problem:
    text = "there is no LoadBalancerPool, so it gets no address from here"
    at = service.origin("spec.type")
    known = any(c.type == "Programmed" for c in service.status.conditions)
    severity = Severity.ERROR if known else Severity.WARNING
    return Problem(at=at, code="PoolNotFound", text=text, severity=severity)
