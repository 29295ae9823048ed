"""The networks of a cluster as values: of pods, of Services, and how both are written. Pure.

A network has one prefix, or one of each family, divided by commas and in the order of preference, as kubeadm has it
(KEP-563): the first is the family of Services that ask for none.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Final

from tandem.base.addresses import IPV4, IPV6, family, special_of

Network = IPv4Network | IPv6Network
POD_NETWORK: Final = "10.244.0.0/16"
SERVICE_NETWORK: Final = "10.96.0.0/16"
NODE_PREFIXES: Final = {IPV4: 24, IPV6: 64}
LONGEST_NODE_PREFIX: Final = {IPV4: 29, IPV6: 120}
"""Of a node's addresses the first is its own, and two of IPv4 are no addresses of hosts."""
SERVICE_PREFIXES: Final = {IPV4: (8, 28), IPV6: (104, 124)}
"""Shortest and longest: room for the reserved beginning, and numbers that can be counted through."""
DNS_NUMBER: Final = 10
"""The tenth address of each Service network is that of DNS."""


def parse_prefixes(text: str) -> tuple[str, ...]:
    """`10.244.0.0/16,fd00::/56` -> its prefixes in canonical form; ValueError says what is wrong."""
    found: list[Network] = []
    for part in text.split(","):
        try:
            found.append(ip_network(part.strip()))
        except ValueError as err:
            raise ValueError(f"{part.strip()}: no IP network: {err}") from err
        if use := special_of(found[-1]):
            raise ValueError(f"{found[-1]} has addresses of {use}")
    if len({n.version for n in found}) != len(found):
        raise ValueError(f"{text}: one network of each family at most")
    return tuple(map(str, found))


@dataclass(frozen=True, slots=True)
class PodNetwork:
    """The addresses of all pods, and how long a node's share of each prefix is; ValueError says what is wrong."""

    cidrs: tuple[str, ...] = (POD_NETWORK,)
    node_prefixes: tuple[int, ...] = (NODE_PREFIXES[IPV4],)

    @classmethod
    def parse(cls, cidrs: str, node_prefixes: str = "") -> PodNetwork:
        """From the options of `tandem up`; without lengths those that are usual."""
        prefixes = parse_prefixes(cidrs)
        lengths = [part.strip() for part in node_prefixes.split(",")] if node_prefixes else []
        if lengths and len(lengths) != len(prefixes):
            raise ValueError(f"{node_prefixes}: one length for each of {', '.join(prefixes)}")
        for length in lengths:
            if not length.isdigit():
                raise ValueError(f"{length!r}: the length of a prefix is a number")
        return cls(prefixes, tuple(map(int, lengths)) or tuple(NODE_PREFIXES[family(p)] for p in prefixes))

    def __post_init__(self) -> None:
        for cidr, length in zip(self.cidrs, self.node_prefixes, strict=True):
            shortest, longest = ip_network(cidr).prefixlen, LONGEST_NODE_PREFIX[family(cidr)]
            if not shortest <= length <= longest:
                raise ValueError(
                    f"/{length} cannot be a node's share of {cidr}: it must lie between /{shortest} and /{longest}"
                )

    @property
    def families(self) -> tuple[int, ...]:
        """In the order of preference."""
        return tuple(map(family, self.cidrs))

    def check_room(self, nodes: int) -> None:
        """Raise ValueError unless so many nodes have a share each."""
        for cidr, length in zip(self.cidrs, self.node_prefixes, strict=True):
            shares = 1 << (length - ip_network(cidr).prefixlen)
            if shares < nodes:
                raise ValueError(f"{cidr} has {shares} of /{length}, which is too few for {nodes} nodes")

    def shares(self) -> Iterator[tuple[Network, Iterator[Network]]]:
        """Each prefix with the shares of the nodes in it."""
        for cidr, length in zip(self.cidrs, self.node_prefixes, strict=True):
            network = ip_network(cidr)
            yield network, iter(network.subnets(new_prefix=length))


@dataclass(frozen=True, slots=True)
class ServiceNetwork:
    """The addresses of all Services; ValueError says what is wrong with them."""

    cidrs: tuple[str, ...] = (SERVICE_NETWORK,)

    @classmethod
    def parse(cls, cidrs: str) -> ServiceNetwork:
        """From the option of `tandem up`."""
        return cls(parse_prefixes(cidrs))

    def __post_init__(self) -> None:
        for cidr in self.cidrs:
            shortest, longest = SERVICE_PREFIXES[family(cidr)]
            if not shortest <= ip_network(cidr).prefixlen <= longest:
                raise ValueError(f"{cidr} cannot hold Services: it must be between /{shortest} and /{longest} long")

    @property
    def families(self) -> tuple[int, ...]:
        """In the order of preference."""
        return tuple(map(family, self.cidrs))

    @property
    def dns_addresses(self) -> tuple[str, ...]:
        """Where DNS is, one of each family."""
        return tuple(str(ip_network(cidr)[DNS_NUMBER]) for cidr in self.cidrs)


PODS: Final = PodNetwork()
SERVICES: Final = ServiceNetwork()


def check_together(pods: PodNetwork, services: ServiceNetwork) -> None:
    """Raise ValueError unless both can be the networks of one cluster."""
    for mine in services.cidrs:
        if family(mine) not in pods.families:
            raise ValueError(f"{mine}: Services of a family that no pod has could have no endpoints")
        for theirs in pods.cidrs:
            if family(mine) == family(theirs) and _overlap(mine, theirs):
                raise ValueError(f"Services in {mine} and pods in {theirs} would share addresses")


def check_apart(cidrs: Iterable[str], taken: Iterable[str], whose: str) -> None:
    """Raise ValueError if one of the prefixes has addresses of those that are `whose` already."""
    theirs = tuple(taken)
    for mine in cidrs:
        for other in theirs:
            if family(mine) == family(other) and _overlap(mine, other):
                raise ValueError(f"{mine} has addresses of {other}, {whose}")


def _overlap(one: str, other: str) -> bool:
    a, b = ip_network(one), ip_network(other)
    return a[0] in b or b[0] in a
