"""NodeView -> the records of the cluster's names, and what the node's DNS server is started with. Pure.

Names follow the Kubernetes "DNS-Based Service Discovery" specification 1.1.0: A, AAAA and SRV of Services, addresses
and host names behind headless ones, CNAME of ExternalName, PTR. What has no record does not exist.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import chain
from typing import Final

from tandem.base.addresses import HOST_BITS, family, host_prefix
from tandem.base.members import joined_as_before
from tandem.base.memo import pairs_as_before, same_as_before
from tandem.compile.names import NET
from tandem.ir.fabric import Endpoint, Endpoints, MeshConfig, Service, ServicePort
from tandem.ir.names import Pair
from tandem.ir.node import AttachedPod, NodeView, aliased_pods, without_pods
from tandem.state.dns import CNAME, DnsSettings, Record

VERSION: Final = '"1.1.0"'
"""The TXT data of `dns-version`: which version of the specification is followed."""
_KIND: Final = {4: "A", 6: "AAAA"}
_LABEL_BITS: Final = {4: 8, 6: 4}
_FOREIGN: Final = {4: 24, 6: 64}
"""What may ask beside a pod whose address is not of the node's own prefixes."""
_LABEL: Final = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?")


def compile_records(view: NodeView) -> frozenset[Record]:
    """Every record below the cluster domain, and the PTR records of addresses with a name."""
    domain = _domain(view.config)
    parts = _one_by_one(view.config)((view.services[key], view.endpoints.get(key)) for key in sorted(view.services))
    named: dict[str, Record] = {}
    for part in parts:
        for address, pointer in part.named:
            named.setdefault(address, pointer)
    others = [Record(f"dns-version.{domain}", "TXT", VERSION)]
    for alias, address in names_of(view):
        name = f"{alias}.{NET}.{domain}"
        others.append(Record(name, _KIND[family(address)], address))
        named.setdefault(address, _pointer(address, name))
    return frozenset(named.values()).union(others, *(part.records for part in parts))


def compile_hosts(view: NodeView) -> frozenset[Record]:
    """The records of hosts outside the cluster domain that ServiceEntries give an address."""
    return _hosts_of(without_pods(view))


@same_as_before
def _hosts_of(view: NodeView) -> frozenset[Record]:
    found: set[Record] = set()
    for service in view.services.values():
        external = service.external
        if external is not None and external.answered:
            own = (a.removesuffix(f"/{HOST_BITS[family(a)]}") for a in external.prefixes)
            addresses = (*service.cluster_ips, *(a for a in own if "/" not in a))
            found |= {Record(f"{external.host}.", _KIND[family(a)], a) for a in addresses}
    return frozenset(found)


@dataclass(frozen=True, slots=True)
class _Part:
    """What one Service comes to: its records, and the PTR record of each address that has its name if no other has."""

    records: frozenset[Record]
    named: tuple[tuple[str, Record], ...]


@same_as_before
def _one_by_one(config: MeshConfig) -> Callable[[Iterable[tuple[Service, Endpoints | None]]], tuple[_Part, ...]]:
    """The compiler of single Services: those that have not changed keep their records."""
    return pairs_as_before(partial(_of_service, _domain(config)))


def _of_service(domain: str, service: Service, behind: Endpoints | None) -> _Part:
    name = f"{service.name}.{service.namespace}.svc.{domain}".lower()
    if service.external is not None:
        return _Part(frozenset(), ())
    if service.external_name:
        target = _name(service.external_name)
        return _Part(frozenset([Record(name, CNAME, target)] if target else []), ())
    if service.cluster_ips:
        named = tuple((address, _pointer(address, name)) for address in service.cluster_ips)
        return _Part(frozenset(_clustered(service, name)), named)
    # One that terminates still serves connections, but nobody new shall find it (specification 2.4).
    endpoints = tuple(e for e in (behind.endpoints if behind else ()) if e.ready)
    hosts = tuple((e.address, _pointer(e.address, f"{_host(e)}.{name}")) for e in endpoints)
    return _Part(frozenset(_headless(service, name, endpoints)), hosts)


def _pointer(address: str, name: str) -> Record:
    return Record(f"{ipaddress.ip_address(address).reverse_pointer}.", "PTR", name)


def own_names(view: NodeView) -> tuple[Pair, ...]:
    """What runtimes call containers of this node, sorted."""
    return tuple(
        sorted(
            {(alias, address) for pod in aliased_pods(view.pods) for alias in pod.aliases for address in pod.addresses}
        )
    )


def names_of(view: NodeView) -> tuple[Pair, ...]:
    """The same with what other nodes have told, sorted."""
    others = (names.pairs for names in view.names.values() if names.node != view.node.name)
    return tuple(sorted({*own_names(view), *chain.from_iterable(others)}))


def compile_settings(view: NodeView) -> DnsSettings:
    """The addresses it serves at, and for whom: the node itself and its pods."""
    fixed = without_pods(view)
    own = _own(fixed)
    (foreign,) = _outside(own)(view.pods)
    return _settings(fixed, own, foreign)


@same_as_before
def _settings(view: NodeView, own: tuple[str, ...], foreign: frozenset[str]) -> DnsSettings:
    return DnsSettings(
        addresses=view.config.dns_addresses,
        domain=_domain(view.config),
        reverse=tuple(zone for cidr in view.config.service_cidrs for zone in _reverse_zones(cidr)),
        # The node asks its own address from that address.
        clients=tuple(sorted({*map(host_prefix, view.config.dns_addresses), *own, *foreign})),
    )


@same_as_before
def _own(view: NodeView) -> tuple[str, ...]:
    return _served(view.config.pod_networks, view.node.prefixes)


@same_as_before
def _outside(own: tuple[str, ...]) -> Callable[[tuple[AttachedPod, ...]], tuple[frozenset[str], ...]]:
    """The prefixes around pods whose addresses lie in none of the node's own."""

    def around(attached: AttachedPod) -> tuple[frozenset[str], ...]:
        return (frozenset(_foreign(address, own) for address in attached.addresses) - {""},)

    return joined_as_before(around, 1)


def _served(pools: tuple[str, ...], own: tuple[str, ...]) -> tuple[str, ...]:
    """Whole pools: a server that is told of other clients starts anew, and blocks come and go."""
    networks = [ipaddress.ip_network(cidr) for cidr in pools]
    outside = (cidr for cidr in own if not any(ipaddress.ip_network(cidr)[0] in network for network in networks))
    return (*pools, *outside)


def _foreign(address: str, own: tuple[str, ...]) -> str:
    """The prefix around an address that lies in none of the node's own; empty for one that does."""
    if any(ipaddress.ip_address(address) in ipaddress.ip_network(cidr) for cidr in own):
        return ""
    return str(ipaddress.ip_network(f"{address}/{_FOREIGN[family(address)]}", strict=False))


def _clustered(service: Service, name: str) -> Iterator[Record]:
    for address in service.cluster_ips:
        yield Record(name, _KIND[family(address)], address)
    for port in service.ports:
        if port.name:
            yield _srv(port, name, weight=100, number=port.port, target=name)


def _headless(service: Service, name: str, endpoints: tuple[Endpoint, ...]) -> Iterator[Record]:
    for endpoint in endpoints:
        kind = _KIND[family(endpoint.address)]
        yield Record(name, kind, endpoint.address)
        yield Record(f"{_host(endpoint)}.{name}", kind, endpoint.address)
    for port in service.ports:
        if not port.name:
            continue
        targets = {
            (number, f"{_host(e)}.{name}") for e in endpoints if (number := dict(e.ports).get(port.name)) is not None
        }
        for number, target in targets:
            # All are equal (specification 2.4.2); the same weight whatever their number, so that one endpoint more
            # changes one record.
            yield _srv(port, name, weight=100, number=number, target=target)


def _srv(port: ServicePort, name: str, *, weight: int, number: int, target: str) -> Record:
    return Record(f"_{port.name}._{port.protocol}.{name}".lower(), "SRV", f"0 {weight} {number} {target}")


def _reverse_zones(cidr: str) -> tuple[str, ...]:
    """A zone per octet (RFC 1035, 3.5) or half-octet (RFC 3596, 2.5) that the prefix begins."""
    network = ipaddress.ip_network(cidr)
    bits = _LABEL_BITS[network.version]
    aligned = -(-max(network.prefixlen, bits) // bits) * bits
    left = HOST_BITS[network.version] // bits - aligned // bits
    return tuple(
        ".".join(n.network_address.reverse_pointer.split(".")[left:]) + "." for n in network.subnets(new_prefix=aligned)
    )


def _domain(config: MeshConfig) -> str:
    return config.cluster_domain.lower().strip(".") + "."


def _host(endpoint: Endpoint) -> str:
    """The endpoint's label: its host name if that is one, or its address with dashes."""
    name = endpoint.hostname.lower()
    return name if _LABEL.fullmatch(name) else endpoint.address.replace(".", "-").replace(":", "-")


def _name(text: str) -> str:
    """A name with its dot; empty if it is none: then the ExternalName has no record."""
    name = text.lower().rstrip(".")
    fits = len(name) < 254 and all(_LABEL.fullmatch(label) for label in name.split("."))
    return f"{name}." if fits else ""
