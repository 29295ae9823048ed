"""ServiceDefaults -> what the ports of Services speak, and what their pods take, with Problems. Pure.

Each field counts by itself: one that is refused leaves the others, and the condition of the object names it. What a
port says of its protocol comes before what is said of all; mTLS that is asked for is asked for by whoever says so.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from typing import Final

import msgspec

from tandem.base.problems import Origin, Problem, Severity
from tandem.ir.calling import Calling
from tandem.ir.fabric import Inbound
from tandem.ir.limits import RateLimit
from tandem.ir.traffic import PortTraffic, Traffic, TrafficPolicy
from tandem.model.consuldefaults import ServiceDefaults
from tandem.model.core import Pod, Service, ServicePort
from tandem.model.selected import target_port
from tandem.model.world import Key, World
from tandem.translate.mesh.consul.calling import read_calling
from tandem.translate.mesh.consul.limits import read_rate_limits
from tandem.translate.protocols import app_protocol, undeclared

REFUSED: Final = {
    "destination": ("destination", "hosts outside are known by ServiceEntry"),
    "externalSNI": ("external_sni", "TLS towards hosts outside is said by DestinationRule"),
    "envoyExtensions": ("envoy_extensions", "nobody writes into Envoy's configuration here"),
    "expose": ("expose", "ports that take plain text are said by PeerAuthentication, portLevelMtls"),
    "transparentProxy": ("transparent_proxy", "every pod of the mesh is dialled as its Services are"),
}
"""Fields that have their counterpart elsewhere."""
_HTTP2: Final = frozenset({"http2", "grpc"})


class Defaults:
    """What is said of each Service; `problems` is what is wrong with it."""

    def __init__(self, world: World) -> None:
        self._found: dict[Key, ServiceDefaults] = {}
        problems: list[Problem] = []
        named: dict[str, frozenset[int]] = {}
        only_bytes: dict[str, frozenset[int]] = {}
        self._http2: dict[Key, tuple[int, ...]] = {}
        self._limits: dict[Key, tuple[RateLimit, frozenset[int]]] = {}
        """What is counted, and at which ports of the Service."""
        self._calling: dict[Key, Calling] = {}
        for source in world.sorted(ServiceDefaults):
            service = world.get(Service, *source.key)
            problems += _refused(source)
            self._found[source.key] = source
            if service is None:
                text = f"no Service {'/'.join(source.key)}: it is about nobody"
                problems.append(_told(source, "metadata.name", "HostNotFound", text))
                continue
            silent = tuple(p.port for p in service.spec.ports if undeclared(p))
            problems += _otherwise(source, service.spec.ports)
            if source.spec.protocol in {"http", *_HTTP2} and silent:
                named["/".join(source.key)] = frozenset(silent)
            if source.spec.protocol in _HTTP2 and silent:
                self._http2[source.key] = silent
            if source.spec.protocol == "tcp" and silent:
                only_bytes["/".join(source.key)] = frozenset(silent)
            wrong = partial(self._wrong, source, problems)
            calling = read_calling(source, world, wrong)
            if calling is not None:
                self._calling[source.key] = calling
            limit = read_rate_limits(source, wrong)
            http = {p.port for p in service.spec.ports if app_protocol(p).is_http}
            counted = http | named.get("/".join(source.key), frozenset())
            if limit is not None and counted:
                self._limits[source.key] = limit, frozenset(counted)
            elif limit is not None:
                wrong("spec.rateLimits", "PortNotHTTP", "the service has no port of HTTP: nothing is counted")
        self.named: Mapping[str, frozenset[int]] = named
        """The ports of Services (`namespace/name`) that are HTTP since it is said here."""
        self.bytes: Mapping[str, frozenset[int]] = only_bytes
        """And those that are bytes."""
        self.problems = tuple(problems)

    def inbound(self, services: Iterable[Service]) -> Inbound:
        """What a pod that these Services select takes: of several the least."""
        mine = [self._found[s.key] for s in services if s.key in self._found]
        limits = [(m.spec.max_inbound_connections, m) for m in mine if m.spec.max_inbound_connections]
        connect = [(m.spec.local_connect_timeout_ms, m) for m in mine if m.spec.local_connect_timeout_ms]
        request = [(m.spec.local_request_timeout_ms, m) for m in mine if m.spec.local_request_timeout_ms]
        said = {m.origin() for several in (limits, connect, request) for _, m in several}
        return Inbound(
            connections=min((value for value, _ in limits), default=0),
            connect_ms=min((value for value, _ in connect), default=0),
            request_ms=min((value for value, _ in request), default=0),
            origins=tuple(sorted(said)),
        )

    def calling(self, services: Iterable[Service]) -> Calling | None:
        """What a pod that these Services select may take of others: of several the first by name says it."""
        found = sorted(service.key for service in services if service.key in self._calling)
        return self._calling[found[0]] if found else None

    def limits(self, pod: Pod, services: Iterable[Service]) -> tuple[RateLimit, ...]:
        """What is counted at a pod that these Services select, each at its own ports."""
        found: list[RateLimit] = []
        for service in services:
            limit, counted = self._limits.get(service.key, (None, frozenset[int]()))
            numbers = {target_port(port, pod) for port in service.spec.ports if port.port in counted}
            ports = tuple(sorted(number for number in numbers if number is not None))
            if limit is not None and ports:
                found.append(msgspec.structs.replace(limit, ports=ports))
        return tuple(found)

    def strict(self, services: Iterable[Service]) -> Origin | None:
        """Who asks for mTLS at a pod that these Services select."""
        mine = (self._found[s.key] for s in services if s.key in self._found)
        return next((m.origin("spec.mutualTLSMode") for m in mine if m.spec.mutual_tls_mode == "strict"), None)

    def spoken(self, policies: Mapping[Key, TrafficPolicy]) -> dict[Key, TrafficPolicy]:
        """Policies in which ports that speak HTTP/2, and do not say so, are called in it."""
        found = dict(policies)
        for key, ports in self._http2.items():
            known = found.get(key) or TrafficPolicy(namespace=key[0], service=key[1], origin=self._found[key].origin())
            found[key] = known.each(partial(_spoken, ports))
        return found

    @staticmethod
    def _wrong(source: ServiceDefaults, problems: list[Problem], path: str, code: str, text: str) -> None:
        problems.append(_told(source, path, code, text))

    def differing(self, other: Defaults) -> set[str]:
        """The namespaces in which the two say something else."""
        keys = self._found.keys() | other._found.keys()
        found = {key[0] for key in keys if self._found.get(key) != other._found.get(key)}
        calls = self._calling.keys() | other._calling.keys()
        return found | {key[0] for key in calls if self._calling.get(key) != other._calling.get(key)}


def _spoken(ports: Iterable[int], known: TrafficPolicy) -> TrafficPolicy:
    own = {p.port for p in known.ports}
    made = (PortTraffic(port=p, traffic=_http2(known.traffic)) for p in ports if p not in own)
    ordered = tuple(sorted((*known.ports, *made), key=lambda p: p.port))
    return msgspec.structs.replace(known, ports=ordered)


def _http2(traffic: Traffic) -> Traffic:
    return msgspec.structs.replace(traffic, pool=msgspec.structs.replace(traffic.pool, http2=True))


def _refused(source: ServiceDefaults) -> Iterator[Problem]:
    spec = source.spec
    for name, (field, text) in REFUSED.items():
        if getattr(spec, field):
            yield _told(source, f"spec.{name}", "UnsupportedField", f"{text}: the field does not count")
    if spec.mesh_gateway.mode not in {"", "none"}:
        text = "there is one cluster here, and no gateway between: the field does not count"
        yield _told(source, "spec.meshGateway.mode", "UnsupportedField", text)
    if spec.balance_inbound_connections:
        text = "the proxy of a node is one for all of its pods, and its threads take what comes"
        yield _told(source, "spec.balanceInboundConnections", "NoEffect", text, severity=Severity.WARNING)


def _otherwise(source: ServiceDefaults, ports: Iterable[ServicePort]) -> Iterator[Problem]:
    """Ports that say something else."""
    protocol = source.spec.protocol
    for port in ports if protocol else ():
        said = app_protocol(port)
        if port.protocol == "TCP" and not undeclared(port) and said.is_http is (protocol == "tcp"):
            text = f"port {port.port} of the Service says {said.value}, which has precedence"
            at = source.origin("spec.protocol")
            yield Problem(at=at, code="Shadowed", text=text, severity=Severity.WARNING)


def _told(source: ServiceDefaults, path: str, code: str, text: str, *, severity: Severity = Severity.ERROR) -> Problem:
    return Problem(at=source.origin(path), code=code, text=text, severity=severity)
