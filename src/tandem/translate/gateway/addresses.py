"""Gateways -> their addresses, from the pools of load balancers, with Problems where there is none. Pure.

Where there is no pool at all, a gateway gets an address from the end of the network of Services: nodes and pods reach
it, nobody else does. An address stays with its gateway as long as it may have it and nobody else has it.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator
from typing import Final

import msgspec

from tandem.base.addresses import IPV4, family, is_address
from tandem.base.problems import Problem, Severity
from tandem.model import core
from tandem.model.gateways import Gateway, GatewayAddress
from tandem.model.pools import Block, LoadBalancerPool, parse_block
from tandem.model.world import Key, World
from tandem.translate.balancers import POOL
from tandem.translate.options import Options

SPAN: Final = 1 << 12
"""So many addresses at the end of the network of Services may be given to gateways."""


class Placed(msgspec.Struct, frozen=True, kw_only=True):
    """Addresses by gateway; one that may not be served is absent."""

    given: dict[Key, tuple[str, ...]] = {}
    problems: tuple[Problem, ...] = ()


def place(world: World, options: Options, gateways: Iterable[Gateway], balanced: Iterable[str]) -> Placed:
    """The addresses of these gateways; `balanced`: those that Services were given."""
    return _Placer(world, options, {*balanced}).place(tuple(gateways))


class _Placer:
    def __init__(self, world: World, options: Options, balanced: set[str]) -> None:
        nodes = {a.address for node in world.sorted(core.Node) for a in node.status.addresses}
        services = set().union(*(s.spec.cluster_ips for s in world.sorted(core.Service)))
        self._taken = balanced | nodes | services | set(options.dns_addresses)
        self._pools = world.sorted(LoadBalancerPool)
        self._network = tuple(_end_of(cidr) for cidr in options.service_cidrs)
        self._versions = {block.version for block in self._network}
        """Nodes have addresses of their own of these families: behind others nobody could be."""
        self._given: dict[Key, list[str]] = {}
        self._problems: list[Problem] = []

    def place(self, gateways: tuple[Gateway, ...]) -> Placed:
        for gateway in gateways:  # who has one keeps it: a newcomer takes nothing away
            self._given[gateway.key] = []
            held = {a.value for a in gateway.status.addresses if is_address(a.value)}
            self._ask(gateway, held)
            for address in sorted(held):
                if family(address) in self._wanted(gateway):
                    self._take(gateway, address, self._blocks(gateway))
        for gateway in gateways:
            self._ask(gateway, {a.value for a in gateway.spec.addresses})
        for gateway in gateways:
            self._choose(gateway)
            self._tell(gateway)
        return Placed(given={k: tuple(v) for k, v in self._given.items()}, problems=tuple(self._problems))

    def _ask(self, gateway: Gateway, among: set[str]) -> None:
        """Take those of `among` that it asks for, in its order."""
        for asked in gateway.spec.addresses:
            if asked.value and asked.value in among:
                self._take(gateway, asked.value, self._blocks(gateway, asked=True))

    def _blocks(self, gateway: Gateway, *, asked: bool = False) -> tuple[Block, ...]:
        if not self._pools:
            return self._network
        named = gateway.metadata.annotations.get(POOL, "")
        usable = [p for p in self._pools if (p.metadata.name == named if named else p.spec.automatic or asked)]
        blocks = (parse_block(text) for pool in usable for text in pool.spec.addresses)
        return tuple(block for block in blocks if block.version in self._versions)

    def _wanted(self, gateway: Gateway) -> list[int]:
        """The families of which an address of our choice is still wanted: of each that there is, the first."""
        chosen = [a for a in gateway.spec.addresses if not a.value]
        if gateway.spec.addresses and not chosen:
            return []
        asked = {a.value for a in gateway.spec.addresses}
        have = {family(a) for a in self._given[gateway.key] if a not in asked}
        versions = dict.fromkeys(block.version for block in self._blocks(gateway))
        return [version for version in sorted(versions) if version not in have]

    def _take(self, gateway: Gateway, address: str, blocks: tuple[Block, ...]) -> None:
        usable = is_address(address) and address not in self._taken
        if usable and any(ipaddress.ip_address(address) in block for block in blocks):
            self._taken.add(address)
            self._given[gateway.key].append(address)

    def _choose(self, gateway: Gateway) -> None:
        blocks = self._blocks(gateway)
        for version in self._wanted(gateway):
            free = _addresses(block for block in blocks if block.version == version)
            found = next((a for a in free if a not in self._taken), None)
            if found is not None:
                self._take(gateway, found, blocks)

    def _tell(self, gateway: Gateway) -> None:
        given = self._given[gateway.key]
        for i, asked in enumerate(gateway.spec.addresses):
            path = f"spec.addresses[{i}]"
            if asked.type != "IPAddress":
                text = f"addresses of type {asked.type} are not supported, only IPAddress"
                self._problems.append(Problem(at=gateway.origin(path), code="UnsupportedAddress", text=text))
            elif asked.value and asked.value not in given:
                text = f"{asked.value} is {self._why_not(asked)}"
                self._problems.append(Problem(at=gateway.origin(path), code="AddressNotUsable", text=text))
        if not given:
            text = "no address is left in the pools that it may use"
            self._problems.append(Problem(at=gateway.origin("spec.addresses"), code="AddressNotAssigned", text=text))
        elif not self._pools:
            text = "there is no LoadBalancerPool: the address is one that nodes and pods of this cluster alone reach"
            at = gateway.origin("spec.addresses")
            self._problems.append(Problem(at=at, code="PoolNotFound", text=text, severity=Severity.WARNING))

    def _why_not(self, asked: GatewayAddress) -> str:
        if not is_address(asked.value):
            return "no IP address"
        return "in use elsewhere" if asked.value in self._taken else "in no pool that it may use"


def _end_of(cidr: str) -> Block:
    network = ipaddress.ip_network(cidr)
    # The very last is where gateways come from (compile/addresses.py).
    last = int(network.broadcast_address) - (network.version == IPV4) - 1
    return Block(version=network.version, first=max(int(network.network_address) + 1, last - SPAN + 1), last=last)


def _addresses(blocks: Iterable[Block]) -> Iterator[str]:
    """From the end: Services of a cluster without pools are given addresses from the beginning."""
    for block in blocks:
        kind = ipaddress.IPv4Address if block.version == IPV4 else ipaddress.IPv6Address
        for number in range(block.last, block.first - 1, -1):
            yield str(kind(number))
