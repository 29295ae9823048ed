"""Whom a sentence means: names, labels and addresses -> crowds of ends that no policy can tell apart.

In: the World, and a Who. Out: Crowds; one end of a crowd stands for all of them, which makes thousands of pods quick.
What names nothing is a mistake in the sentence: IntentError.
"""

from __future__ import annotations

import ipaddress
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from itertools import pairwise
from typing import Final

import msgspec

from tandem.model import core
from tandem.model.selectors import matches_map
from tandem.model.world import World
from tandem.reference.ends import DNS
from tandem.reference.mentioned import policies_of, prefixes
from tandem.views.intents import IntentError, Item, Who
from tandem.views.parties import owned_by

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Address = ipaddress.IPv4Address | ipaddress.IPv6Address
_UNICAST: Final = (
    "1.0.0.0-126.255.255.255",
    "128.0.0.0-223.255.255.255",
    "2000::-3fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
    "fc00::-fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
)
_PRIVATE: Final = (
    "10.0.0.0/8",
    "100.64.0.0/10",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.168.0.0/16",
    "fc00::/7",
)
"""Not of the internet (RFC 1918, RFC 6598, RFC 3927, RFC 4193)."""
_APP: Final = ("app", "app.kubernetes.io/name")


class Crowd(msgspec.Struct, frozen=True, kw_only=True):
    """Ends that no policy can tell apart: pods, or (without pods) a region outside that `address` stands for."""

    pods: tuple[core.Pod, ...] = ()
    address: str = ""
    around: frozenset[Network] = frozenset()
    """The prefixes of policies that the region is in."""
    services: tuple[core.Service, ...] = ()
    """They were named as what is behind these: ports are the Services'."""

    @property
    def label(self) -> str:
        """The first of them, and how many more."""
        if not self.pods:
            return self.address
        more = f" (and {len(self.pods) - 1} like it)" if len(self.pods) > 1 else ""
        return "/".join(self.pods[0].key) + more


class Census:
    """Everybody of a World, by what policies can see of them."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._pods = [p for p in world.sorted(core.Pod) if not p.finished and not p.spec.host_network]
        self._networks = sorted(
            networks(prefixes(policies_of(world))), key=lambda n: (n.version, int(n[0]), n.prefixlen)
        )
        self._signatures: dict[tuple[int, int], frozenset[Network]] = {}

    def crowds(self, who: Who, namespace: str) -> tuple[Crowd, ...]:
        """Whom a side of a sentence means; raises IntentError where it names nothing."""
        pods, services = self._members(who, namespace)
        away, _ = self._members(Who(at=who.at, items=who.excepts), namespace)
        gone = {p.key for p in away}
        regions = (Crowd(address=str(a), around=self._signature(a)) for a in self._regions(who))
        return (*self._alike((p for p in pods if p.key not in gone), tuple(services)), *regions)

    def _members(self, who: Who, namespace: str) -> tuple[list[core.Pod], list[core.Service]]:
        if who.everybody:
            return [p for p in self._pods if _in_scope(p, who)], []
        found: dict[tuple[str, str], core.Pod] = {}
        services: list[core.Service] = []
        for item in who.items:
            chosen: Iterable[core.Pod] = ()
            if item.kind == "cidr":
                chosen = self._inside(ipaddress.ip_network(item.name))
            elif item.kind != "internet":
                chosen, service = self._named(item, item.namespace or namespace)
                services += [service] if service is not None else []
            found |= {p.key: p for p in chosen if not p.spec.host_network}
        return [found[k] for k in sorted(found)], services

    def _named(self, item: Item, namespace: str) -> tuple[list[core.Pod], core.Service | None]:
        world, name = self._world, item.name
        if item.kind == "labels":
            wanted = dict(item.labels)
            return [p for p in self._of(namespace) if matches_map(wanted, p.metadata.labels)], None
        if item.kind == "namespace":
            if name not in world.namespace_labels:
                raise _unknown(item, f"there is no namespace {name}")
            return self._of(name), None
        if item.kind in {"deploy", "name"} and (deployment := world.get(core.Deployment, namespace, name)) is not None:
            return [p for p in self._of(namespace) if owned_by(deployment, p)], None
        if item.kind in {"pod", "name"} and (pod := world.get(core.Pod, namespace, name)) is not None:
            return [pod], None
        if item.kind == "name":
            labelled = [p for p in self._of(namespace) if any(p.metadata.labels.get(k) == name for k in _APP)]
            if labelled:
                return labelled, None
        if item.kind in {"svc", "name"} and (service := world.get(core.Service, namespace, name)) is not None:
            return [p for p in self._of(namespace) if matches_map(service.spec.selector, p.metadata.labels)], service
        kinds = {"deploy": "Deployment", "pod": "Pod", "svc": "Service"}
        what = kinds.get(item.kind, "Deployment, Pod, app label or Service")
        raise _unknown(item, f"there is no {what} {name} in namespace {namespace}")

    def _of(self, namespace: str) -> list[core.Pod]:
        return [p for p in self._pods if namespace in {"*", p.metadata.namespace}]

    def _inside(self, block: Network) -> list[core.Pod]:
        return [p for p in self._pods if any(ipaddress.ip_address(a) in block for a in p.addresses)]

    def _alike(self, pods: Iterable[core.Pod], services: tuple[core.Service, ...]) -> Iterator[Crowd]:
        groups: dict[object, list[core.Pod]] = {}
        for pod in pods:
            groups.setdefault(self._seen(pod), []).append(pod)
        yield from (Crowd(pods=tuple(group), services=services) for group in groups.values())

    def _seen(self, pod: core.Pod) -> object:
        """What policies and the mesh can see of a pod."""
        ports = tuple((p.name, p.protocol, p.container_port) for c in pod.spec.containers for p in c.ports)
        first = tuple((p.name, p.protocol, p.container_port) for c in pod.spec.init_containers for p in c.ports)
        places = tuple(self._signature(ipaddress.ip_address(a)) for a in pod.addresses)
        inject = pod.metadata.annotations.get("sidecar.istio.io/inject")
        return pod.metadata.namespace, frozenset(pod.metadata.labels.items()), ports, first, places, inject

    @cached_property
    def _edges(self) -> dict[int, list[int]]:
        """By family, sorted: where some prefix begins, or the address behind its end."""
        found: dict[int, set[int]] = {4: set(), 6: set()}
        for network in self._networks:
            found[network.version] |= {int(network[0]), int(network[-1]) + 1}
        return {version: sorted(edges) for version, edges in found.items()}

    def _signature(self, address: Address) -> frozenset[Network]:
        """The prefixes around an address; between two edges it is the same everywhere."""
        at = (address.version, bisect_right(self._edges[address.version], int(address)))
        if at not in self._signatures:
            here = (n for n in self._networks if n.version == address.version and address in n)
            self._signatures[at] = frozenset(here)
        return self._signatures[at]

    @cached_property
    def _taken(self) -> frozenset[str]:
        nodes = (a.address for n in self._world.all(core.Node).values() for a in n.status.addresses)
        return frozenset((*(a for p in self._pods for a in p.addresses), *nodes, *DNS))

    @cached_property
    def _everywhere(self) -> tuple[tuple[Address, Address], ...]:
        """The unicast addresses of the families that pods have: (first, last)."""
        versions = {ipaddress.ip_address(a).version for p in self._pods for a in p.addresses} or {4}
        ranges = (r.split("-") for r in _UNICAST)
        both = ((ipaddress.ip_address(first), ipaddress.ip_address(last)) for first, last in ranges)
        return tuple(pair for pair in both if pair[0].version in versions)

    def _regions(self, who: Who) -> list[Address]:
        """Addresses outside the cluster, one for each region in which no policy and no word of `who` tells apart."""
        if who.everybody and (who.inside or who.pods_only):
            return []
        given = [i for i in (*who.items, *who.excepts) if i.kind in {"cidr", "internet"}]
        if not who.everybody and not any(i in given for i in who.items):
            return []
        borders = [*(ipaddress.ip_network(i.name) for i in given if i.kind == "cidr"), *_PRIVATE_NETWORKS]
        found: dict[object, Address] = {}
        for address in self._candidates(borders):
            if not (who.everybody or _is_one_of(address, who.items)) or _is_one_of(address, who.excepts):
                continue
            sides = tuple(n.version == address.version and address in n for n in borders)
            found.setdefault((address.version, self._signature(address), sides), address)
        return list(found.values())

    def _candidates(self, borders: Sequence[Network]) -> Iterator[Address]:
        """An address between every two edges of policies and borders, that is nobody's of the cluster."""
        single = [(n[0], n[-1]) for n in borders if n not in _PRIVATE_NETWORKS]
        for first, last in (*self._everywhere, *single):
            version = first.version
            own = [n for n in borders if n.version == version]
            edges = {*self._edges[version], *(int(n[0]) for n in own), *(int(n[-1]) + 1 for n in own)}
            inner = sorted(e for e in edges if int(first) < e <= int(last))
            for start, end in pairwise([int(first), *inner, int(last) + 1]):
                address = self._free(start, end, version)
                if address is not None:
                    yield address

    def _free(self, start: int, end: int, version: int) -> Address | None:
        """The first address that is nobody's of the cluster."""
        make = ipaddress.IPv4Address if version == 4 else ipaddress.IPv6Address
        for number in range(start, min(end, start + len(self._taken) + 1)):
            if str(make(number)) not in self._taken:
                return make(number)
        return None


def networks(texts: Iterable[str]) -> Iterator[Network]:
    """Those of the texts that are prefixes."""
    for text in texts:
        try:
            yield ipaddress.ip_network(text, strict=False)
        except ValueError:
            continue


_PRIVATE_NETWORKS: Final = tuple(networks(_PRIVATE))


def _is_private(address: Address) -> bool:
    return any(address in n for n in _PRIVATE_NETWORKS if n.version == address.version)


def _is_one_of(address: Address, items: Iterable[Item]) -> bool:
    """Whether an address is in a block that is named, or of the internet where that is."""
    return any(
        not _is_private(address)
        if item.kind == "internet"
        else item.kind == "cidr" and address in ipaddress.ip_network(item.name)
        for item in items
    )


def _in_scope(pod: core.Pod, who: Who) -> bool:
    namespace = pod.metadata.namespace
    return (not who.inside or namespace in who.inside) and namespace not in who.outside


def _unknown(item: Item, text: str) -> IntentError:
    return IntentError((f"{item.at}: {item.text}: {text}",))
