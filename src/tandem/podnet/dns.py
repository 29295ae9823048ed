"""NodeView + query bytes -> answer bytes, or None: not our name, forward it. Pure.

Names follow the Kubernetes "DNS-Based Service Discovery" specification 1.1.0: A and SRV of Services, addresses and
host names behind headless ones, CNAME of ExternalName, PTR. Everything else below the cluster domain does not exist.
Answers are cached by (name, type) for as long as the view lives; a new view is a new Zone.
"""

from __future__ import annotations

import ipaddress
import socket
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from tandem.ir.fabric import Endpoint, Service
from tandem.ir.node import NodeView
from tandem.podnet import dnswire
from tandem.podnet.dnswire import Body, Query

TTL: Final = 5
CACHED: Final = 4096
"""Answers kept of one view: names that do not exist may be asked for without end."""
VERSION: Final = b"\x051.1.0"
"""The TXT data of `dns-version`: which version of the specification is followed."""
_SUFFIX: Final = ".in-addr.arpa"


@dataclass(frozen=True, slots=True, kw_only=True)
class Alias:
    """An ExternalName Service whose target is not ours: whoever asks a resolver wants the target's records as well."""

    query: Query
    target: str
    body: Body


class Zone:
    """The names of one NodeView."""

    def __init__(self, view: NodeView) -> None:
        self._view = view
        self._domain = view.config.cluster_domain.lower().strip(".")
        self._cache: dict[tuple[str, int], Body | Alias | None] = {}

    def answer(self, data: bytes, *, udp: bool = True) -> bytes | Alias | None:
        """The answer to a query, an Alias to resolve first, or None to forward; raises MalformedError."""
        query = dnswire.parse_query(data)
        if not dnswire.is_standard(query):
            return dnswire.refusal(data, dnswire.NOTIMP)
        key = (query.name, query.type)
        if key in self._cache:
            found = self._cache[key]
        else:
            found = self._find(query)
            if len(self._cache) < CACHED:
                self._cache[key] = found
        match found:
            case None:
                return None
            case Alias():
                return Alias(query=query, target=found.target, body=found.body)
            case Body():
                return dnswire.reply(query, found, udp=udp)

    def _find(self, query: Query) -> Body | Alias | None:
        name = query.name
        if name.endswith(_SUFFIX):
            return self._reverse(name, query.type)
        if name == self._domain:
            return self._fixed(query, dnswire.SOA, self._soa())
        if not name.endswith(f".{self._domain}"):
            return None
        match name[: -len(self._domain) - 1].split("."):
            case ["dns-version"]:
                return self._fixed(query, dnswire.TXT, dnswire.record(dnswire.OWNER, dnswire.TXT, TTL, VERSION))
            case [*labels, "svc"]:
                return self._below_svc(labels, query)
            case _:
                return self._nothing(exists=False)

    def _fixed(self, query: Query, kind: int, record: bytes) -> Body:
        """A name with a single record."""
        return Body(answers=(record,)) if query.type == kind else self._nothing(exists=True)

    def _below_svc(self, labels: list[str], query: Query) -> Body | Alias:
        if len(labels) < 2:
            return self._nothing(exists=not labels or labels[0] in self._namespaces)
        *front, service_name, namespace = labels
        service = self._view.services.get(f"{namespace}/{service_name}")
        if service is None:
            return self._nothing(exists=False)
        if service.external_name:
            return self._external(service, query) if not front else self._nothing(exists=False)
        return self._below_service(service, front, query)

    def _below_service(self, service: Service, front: list[str], query: Query) -> Body:
        match front:
            case []:
                return self._addresses(self._service_addresses(service), query)
            case [port, protocol] if port.startswith("_") and protocol.startswith("_"):
                return self._srv(service, port[1:], protocol[1:], kind=query.type)
            case [host] if not service.cluster_ips:
                ready = [e.address for e in self._endpoints(service) if _host(e) == host]
                return self._addresses(ready, query) if ready else self._nothing(exists=False)
            case [protocol] if protocol in {"_tcp", "_udp", "_sctp"}:
                exists = any(p.protocol.lower() == protocol[1:] and p.name for p in service.ports)
                return self._nothing(exists=exists)
            case _:
                return self._nothing(exists=False)

    def _external(self, service: Service, query: Query) -> Body | Alias:
        target = service.external_name.lower().strip(".")
        try:
            data = dnswire.encode_name(target)
        except ValueError:
            return Body(code=dnswire.SERVFAIL)
        body = Body(answers=(dnswire.record(dnswire.OWNER, dnswire.CNAME, TTL, data),))
        if query.type == dnswire.CNAME:
            return body
        if target != self._domain and not target.endswith(f".{self._domain}"):
            return Alias(query=query, target=target, body=body)
        labels = target[: -len(self._domain) - 1].split(".")
        behind = self._view.services.get(f"{labels[1]}/{labels[0]}") if labels[2:] == ["svc"] else None
        addresses = self._service_addresses(behind) if behind and query.type == dnswire.A else []
        return Body(answers=body.answers + tuple(_a(data, address) for address in addresses))

    def _addresses(self, addresses: list[str], query: Query) -> Body:
        if query.type not in {dnswire.A, dnswire.ANY} or not addresses:
            return self._nothing(exists=True)
        return Body(answers=tuple(_a(dnswire.OWNER, address) for address in addresses))

    def _srv(self, service: Service, port_name: str, protocol: str, *, kind: int) -> Body:
        port = next((p for p in service.ports if p.name == port_name and p.protocol.lower() == protocol), None)
        if port is None:
            return self._nothing(exists=False)
        name = f"{service.name}.{service.namespace}.svc.{self._domain}"
        if service.cluster_ips:
            targets = {(port.port, name): [a for a in service.cluster_ips if _is_v4(a)]}
        else:
            targets = {}
            for endpoint in self._endpoints(service):
                number = dict(endpoint.ports).get(port_name)
                if number is not None:
                    targets.setdefault((number, f"{_host(endpoint)}.{name}"), []).append(endpoint.address)
        if kind not in {dnswire.SRV, dnswire.ANY} or not targets:
            return self._nothing(exists=True)
        # All are equal (specification 2.3.2, 2.4.2), so the weights are shares of 100.
        weight = max(1, 100 // len(targets))
        answers = [
            dnswire.record(dnswire.OWNER, dnswire.SRV, TTL, dnswire.srv(0, weight, number, target))
            for number, target in targets
        ]
        glue = [_a(dnswire.encode_name(target), a) for (_, target), found in targets.items() for a in found]
        return Body(answers=tuple(answers), additional=tuple(glue))

    def _reverse(self, name: str, kind: int) -> Body | None:
        address = ".".join(reversed(name.removesuffix(_SUFFIX).split(".")))
        try:
            parsed = ipaddress.ip_address(address)
        except ValueError:
            return None
        target = self._by_address.get(address)
        if target is None:
            ours = parsed in ipaddress.ip_network(self._view.config.service_cidr)
            return self._nothing(exists=False) if ours else None
        if kind not in {dnswire.PTR, dnswire.ANY}:
            return self._nothing(exists=True)
        return Body(answers=(dnswire.record(dnswire.OWNER, dnswire.PTR, TTL, dnswire.encode_name(target)),))

    @cached_property
    def _by_address(self) -> dict[str, str]:
        """Names of Service addresses, and of the endpoints of headless Services."""
        found: dict[str, str] = {}
        for key in sorted(self._view.services):
            service = self._view.services[key]
            name = f"{service.name}.{service.namespace}.svc.{self._domain}"
            for address in service.cluster_ips:
                found.setdefault(address, name)
            for endpoint in () if service.cluster_ips else self._endpoints(service):
                found.setdefault(endpoint.address, f"{_host(endpoint)}.{name}")
        return found

    @cached_property
    def _namespaces(self) -> frozenset[str]:
        return frozenset(service.namespace for service in self._view.services.values())

    def _service_addresses(self, service: Service) -> list[str]:
        if service.cluster_ips:
            return [address for address in service.cluster_ips if _is_v4(address)]
        return sorted({e.address for e in self._endpoints(service) if _is_v4(e.address)}, key=ipaddress.ip_address)

    def _endpoints(self, service: Service) -> tuple[Endpoint, ...]:
        found = self._view.endpoints.get(f"{service.namespace}/{service.name}")
        return found.endpoints if found else ()

    def _nothing(self, *, exists: bool) -> Body:
        """No such name, or no record of that type; the SOA lets clients cache it briefly."""
        return Body(code=dnswire.NOERROR if exists else dnswire.NXDOMAIN, authority=(self._soa(),))

    def _soa(self) -> bytes:
        owner = dnswire.encode_name(self._domain)
        return dnswire.record(owner, dnswire.SOA, TTL, dnswire.soa(self._domain, serial=1, ttl=TTL))


def _a(owner: bytes, address: str) -> bytes:
    return dnswire.record(owner, dnswire.A, TTL, socket.inet_aton(address))


def _host(endpoint: Endpoint) -> str:
    """The endpoint's label: its host name, or its address with dashes."""
    return endpoint.hostname.lower() or endpoint.address.replace(".", "-").replace(":", "-")


def _is_v4(address: str) -> bool:
    return ":" not in address
