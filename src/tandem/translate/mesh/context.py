"""What every front end of the mesh looks things up in, and the shape of what they hand to `tables.py`."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from tandem.base.problems import Origin, Problem, Severity
from tandem.ir.mesh import DEFAULT_RETRY, Backend, BytesRoute, Forward, Route, RouteMatch
from tandem.ir.traffic import TrafficPolicy
from tandem.model.core import Service, ServicePort, ServiceSpec
from tandem.model.meta import Meta
from tandem.model.world import Key, World
from tandem.translate.mesh.istio.serviceentry import ADDRESSED, NO_ENTRIES, Entries, app_of
from tandem.translate.options import Options
from tandem.translate.protocols import app_protocol, routed_http


class Context(msgspec.Struct, frozen=True, kw_only=True):
    """The World, the installation's options, hosts of ServiceEntries, traffic policies by (namespace, service)."""

    world: World
    options: Options
    entries: Entries = NO_ENTRIES
    policies: Mapping[Key, TrafficPolicy]

    def service(self, key: Key) -> Service | None:
        """A Service by (namespace, name), or a host of a ServiceEntry as one, by (namespace, host)."""
        return service_of(key, self.world, self.entries)

    def resolve(self, host: str, namespace: str) -> Key | None:
        """What an Istio object in a namespace means by a host; a key of nothing for a Service that is not there."""
        return resolve_host(host, namespace, self.options.cluster_domain) or self.entries.find(host.lower(), namespace)

    def passes(self, key: Key) -> bool:
        """True for a host of a ServiceEntry that is reached as what was dialled alone: its address, or its name."""
        return key in self.entries.hosts and self.entries.hosts[key].spec.resolution not in ADDRESSED


def plain_route(service: Key, origin: Origin) -> Route:
    """That of a Service of whose requests no other is about: all of them go to it."""
    return Route(
        name=f"{origin.kind}/{origin.namespace}/{origin.name}",
        matches=(),
        action=Forward(backends=(Backend(namespace=service[0], service=service[1]),)),
        retry=DEFAULT_RETRY,
        origin=origin,
    )


def service_of(key: Key, world: World, entries: Entries) -> Service | None:
    """A Service, or a host of a ServiceEntry in the form of one: its name and ports."""
    entry = entries.hosts.get(key)
    if entry is None:
        return world.get(Service, *key)
    ports = (ServicePort(port=p.number, name=p.name, app_protocol=app_of(p).value) for p in entry.spec.ports)
    meta = Meta(namespace=key[0], name=key[1])
    return Service(api_version="v1", kind="Service", metadata=meta, spec=ServiceSpec(ports=tuple(ports)))


class Layer(msgspec.Struct, frozen=True, kw_only=True):
    """Routes of one origin for one Service. Requests inside `scopes` that no route matches are answered with 404."""

    service: Key
    consumer: str = ""
    """The namespace whose pods see it; empty: all."""
    routes: tuple[Route, ...]
    scopes: tuple[RouteMatch, ...]
    """Ports and sources that the routes are about; a RouteMatch() means everything."""
    bytes: tuple[BytesRoute, ...] = ()
    """Of ports that are not HTTP."""
    origin: Origin


class Layers(msgspec.Struct, frozen=True, kw_only=True):
    """What a front end returns."""

    layers: tuple[Layer, ...]
    problems: tuple[Problem, ...]


def resolve_host(host: str, namespace: str, cluster_domain: str) -> Key | None:
    """(namespace, service) of a host as Istio reads it: a short name, or the full name; None for anything else."""
    if "." not in host:
        return (namespace, host) if host and host != "*" else None
    suffix = f".svc.{cluster_domain}"
    name, dot, home = host.removesuffix(suffix).partition(".")
    if not host.endswith(suffix) or not dot or not home or "." in home or "*" in name:
        return None
    return home, name


def scope_of(match: RouteMatch) -> RouteMatch:
    """The part of a match that is known before the first request: port and source."""
    return RouteMatch(ports=match.ports, source_namespace=match.source_namespace, source_labels=match.source_labels)


def not_http(service: Service, ports: tuple[int, ...], at: Origin) -> tuple[Problem, ...]:
    """Ports meant for HTTP routes whose bytes are not parsed as HTTP (`ports` empty: one HTTP port is enough)."""
    asked = [p for p in service.spec.ports if not ports or p.port in ports]
    routed = routed_http(service.spec.ports, ports)
    bad = [p for p in asked if not app_protocol(p).may_be_http and p.port not in routed]
    if not bad or (not ports and len(bad) < len(asked)):
        return ()
    numbers = ", ".join(str(p.port) for p in bad)
    where = f"Service {service.metadata.namespace}/{service.metadata.name}"
    text = f"port {numbers} of {where} is not HTTP, so no request is seen there: set appProtocol: http on the port"
    return (Problem(at=at, code="PortNotHTTP", text=f"{text} or name it http-…", severity=Severity.ERROR),)
