"""A node's view and a pod -> the service ports the pod can dial, each with the route table that applies to the pod.

A route may be limited to clients of a namespace or with labels. Who the client is is known here, not in Envoy: pods
for which the same limits hold share one route configuration, and its name carries a digest of those limits.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Final

import msgspec

from tandem.base.digest import digest
from tandem.base.ids import PodUid
from tandem.base.memo import same_as_before
from tandem.compile import names
from tandem.compile.envoy.callers import Among, among_of, policies_among
from tandem.compile.envoy.reencrypt import is_secured
from tandem.ir.calling import Calling
from tandem.ir.fabric import AppProtocol, LocalPod, Service, ServicePort
from tandem.ir.mesh import Backend, BytesMatch, Forward, Route, RouteMatch, RouteTable
from tandem.ir.node import NodeView
from tandem.ir.traffic import ClientTls, HashKey, TrafficPolicy


class SourceLimit(msgspec.Struct, frozen=True, kw_only=True, order=True):
    """What a route match asks of the client."""

    namespace: str = ""
    labels: tuple[tuple[str, str], ...] = ()

    def holds(self, namespace: str, labels: frozenset[tuple[str, str]]) -> bool:
        """True for clients of that namespace with all of those labels."""
        return (not self.namespace or self.namespace == namespace) and set(self.labels) <= labels


UNLIMITED = SourceLimit()


Hashes = tuple[tuple[str, tuple[HashKey, ...]], ...]


class PortScope(msgspec.Struct, frozen=True, kw_only=True):
    """A service port as some clients see it: its table (if any) and which source limits in it hold for them."""

    service: Service
    port: ServicePort
    table: RouteTable | None = None
    limits: tuple[SourceLimit, ...] = ()
    variant: str = ""
    client: PodUid | None = None
    """The one pod that it is for: copies of requests leave by clusters of its own. A gateway: all requests do."""
    gateway: bool = False
    secured: tuple[str, ...] = ()
    """Shared clusters in whose place a gateway has some of `secure_client`, with their subsets."""
    secure_client: PodUid | None = None
    hashes: Hashes = ()
    """What of a request chooses the endpoint, by cluster."""
    calling: Calling | None = None
    """Of pods whose calls to some Services have limits of their own: clusters of theirs lead there."""
    among: Among = ()
    """Of Services that these clients have other rules for than others: as which callers."""
    detects: bool = False
    """Whether requests are found out by what a client sends first."""

    @property
    def reads_requests(self) -> bool:
        """Whether what is sent is read as requests, or may be."""
        return self.port.app.is_http or self.detects

    @property
    def route_config(self) -> str:
        """RDS name."""
        consumer = self.table.consumer if self.table else ""
        return names.route_config(self.service.namespace, self.service.name, self.port.port, consumer, self.variant)

    def sends_by(self, cluster: str, *, copies: bool = False) -> str:
        """The cluster by which these clients' requests (`copies`: copies of them) reach what a shared one leads to."""
        if self.client is None or not (self.gateway or copies):
            return self._apart(cluster)
        if self.secure_client is not None and is_secured(cluster, self.secured):
            return names.client_cluster(self.secure_client, cluster)
        return names.client_cluster(self.client, cluster)

    def _apart(self, cluster: str) -> str:
        named = names.service_port(cluster) if self.calling is not None or self.among else None
        if named is None:
            return cluster
        who = dict(self.among).get(f"{named[0]}/{named[1]}")
        own = names.for_callers(who, cluster) if who is not None else cluster
        if self.calling is None or self.calling.of(named[0], named[1]) is None:
            return own
        return names.apart(self.calling.namespace, self.calling.service, own)

    @property
    def cluster(self) -> str:
        """The cluster of the service port as a whole."""
        return names.service_cluster(self.service.namespace, self.service.name, self.port.port)

    @property
    def own_cluster(self) -> str:
        """Where requests go that no table directs: a headless service keeps the address that was dialled."""
        if self.service.cluster_ips or self.service.external is not None:
            return self._apart(self.cluster)
        return self._apart(names.dialled_cluster(self.service.namespace, self.service.name, self.port.port))

    def applies(self, match: RouteMatch | BytesMatch) -> bool:
        """True if these clients on this port can satisfy the match."""
        if match.ports and self.port.port not in match.ports:
            return False
        limit = limit_of(match)
        return limit == UNLIMITED or limit in self.limits


def limit_of(match: RouteMatch | BytesMatch) -> SourceLimit:
    """The part of a match that concerns the client."""
    return SourceLimit(namespace=match.source_namespace or "", labels=tuple(sorted(match.source_labels)))


@lru_cache(maxsize=1024)
def source_limits(table: RouteTable) -> tuple[SourceLimit, ...]:
    """The distinct source limits in a table, sorted."""
    found = {limit_of(match) for route in table.routes for match in route.matches}
    found |= {limit_of(match) for route in table.bytes for match in route.matches}
    return tuple(sorted(found - {UNLIMITED}))


@lru_cache(maxsize=1024)
def mirrored(table: RouteTable) -> tuple[Backend, ...]:
    """Where copies of requests go, in order."""
    return tuple(dict.fromkeys(mirror.backend for route in table.routes for mirror in route.mirrors))


def counters_of(routes: Iterable[Route]) -> tuple[Backend, ...]:
    """Who is asked to count requests, in order."""
    found = (limit.counter for route in routes for limit in route.limits)
    asked = (c for c in found if c is not None and c.service)
    return tuple(dict.fromkeys(Backend(namespace=c.namespace, service=c.service, port=c.port) for c in asked))


@lru_cache(maxsize=1024)
def called(table: RouteTable) -> tuple[Backend, ...]:
    """What each client's proxy sends by clusters of that client: copies of requests, and what it asks of counters."""
    return (*mirrored(table), *counters_of(table.routes))


@lru_cache(maxsize=4096)
def port_scopes(
    service: Service,
    table: RouteTable | None,
    *,
    namespace: str,
    labels: frozenset[tuple[str, str]],
    client: PodUid | None = None,
    hashes: Hashes = (),
    policy: TrafficPolicy | None = None,
    calling: Calling | None = None,
    among: Among = (),
) -> tuple[PortScope, ...]:
    """The TCP ports of a service as clients of `namespace` with `labels`, or one `client`, see them.

    `policy` counts where protocols are detected: what it would have opened in TLS of its own stays bytes.
    """
    limits = source_limits(table) if table else ()
    held = tuple(limit for limit in limits if limit.holds(namespace, labels))
    variant = digest(repr((held, client)), 6) if limits or client else ""
    if calling is not None:
        variant = digest(f"{variant} {calling.namespace}/{calling.service}", 6)
    if among:
        variant = digest(f"{variant} {among!r}", 6)
    return tuple(
        PortScope(
            service=service,
            port=port,
            table=table,
            limits=held,
            variant=variant,
            client=client,
            hashes=hashes,
            calling=calling,
            among=among,
            detects=port.app is AppProtocol.DETECTED and _mere(policy, port.port),
        )
        for port in service.ports
        if port.protocol == "TCP"
    )


def _mere(policy: TrafficPolicy | None, port: int) -> bool:
    """Whether a port is reached in plain text or by the mesh's own mTLS, which tells the other proxy what is inside."""
    every = (policy.of(port, subset) for subset in (None, *policy.subsets)) if policy is not None else ()
    return all(t.tls not in _OWN_TLS and not t.origination.alt_names for t in every)


_OWN_TLS: Final = frozenset({ClientTls.SIMPLE, ClientTls.MUTUAL})


def detecting(service: Service) -> bool:
    """Whether what some port of it speaks is found out."""
    return any(port.app is AppProtocol.DETECTED for port in service.ports)


def scopes_of(view: NodeView, pod: LocalPod) -> tuple[PortScope, ...]:
    """Every port that the pod can dial: of Services by name, then of other hosts, its own namespace's first."""
    labels = frozenset(pod.labels)
    held = among_of(view.policies, pod.namespace, pod.labels)
    policies = policies_among(view.policies, held)
    found: list[PortScope] = []
    for key in (*inside(view.services), *_seen(view.services, pod.namespace)):
        table = view.tables.get(f"{key}@{pod.namespace}") or view.tables.get(key)
        relevant = labels if table and source_limits(table) else frozenset[tuple[str, str]]()
        client = pod.uid if table and called(table) else None
        ports = port_scopes(
            view.services[key],
            table,
            namespace=pod.namespace,
            labels=relevant,
            client=client,
            hashes=_hashes(view.services, policies, key, table),
            policy=policies.get(key) if detecting(view.services[key]) else None,
            calling=pod.calling if pod.calling is not None and _concerns(pod.calling, key, table) else None,
            among=_concerning(held, key, table) if held else (),
        )
        host = host_of(view.services[key], view.config.cluster_domain)
        sees = pod.outbound.covers
        found.extend(scope for scope in ports if sees(scope.service.namespace, host, scope.port.port))
    return tuple(found)


def _answering(key: str, table: RouteTable | None) -> set[str]:
    """The Service and every backend that its table names for requests."""
    actions = (route.action for route in table.routes) if table is not None else ()
    named = (backend for action in actions if isinstance(action, Forward) for backend in action.backends)
    return {key, *(f"{backend.namespace}/{backend.service}" for backend in named)}


def _reached(key: str, table: RouteTable | None) -> set[str]:
    """The same for connections as well."""
    sent = table.bytes if table is not None else ()
    return _answering(key, table) | {f"{one.namespace}/{one.service}" for route in sent for one in route.backends}


def _concerns(calling: Calling, key: str, table: RouteTable | None) -> bool:
    """Whether what is sent to a Service may go where these calls have limits of their own."""
    return any(calling.of(*one.split("/", 1)) is not None for one in _reached(key, table))


def _concerning(held: Among, key: str, table: RouteTable | None) -> Among:
    """Of what is sent to a Service: where it may go by other rules than those of others."""
    asked = _reached(key, table)
    return tuple(one for one in held if one[0] in asked)


def host_of(service: Service, domain: str) -> str:
    """The full name of a Service, or the host that is none."""
    return service.name if service.external is not None else f"{service.name}.{service.namespace}.svc.{domain}"


@same_as_before
def inside(services: Mapping[str, Service]) -> tuple[str, ...]:
    """The Services that are no hosts outside, by name."""
    return tuple(key for key in sorted(services) if services[key].external is None)


@same_as_before
def _outside(services: Mapping[str, Service]) -> tuple[str, ...]:
    return tuple(key for key in sorted(services) if services[key].external is not None)


def _seen(services: Mapping[str, Service], namespace: str) -> list[str]:
    """Hosts of ServiceEntries."""
    named = ((key, services[key]) for key in _outside(services))
    seen = [(s.namespace != namespace, key) for key, s in named if s.external and s.external.seen_from(namespace)]
    return [key for _, key in sorted(seen)]


def _hashes(
    services: Mapping[str, Service], policies: Mapping[str, TrafficPolicy], key: str, table: RouteTable | None
) -> Hashes:
    """Of the Service and of every backend that its table names."""
    asked = _answering(key, table)
    found: list[tuple[str, tuple[HashKey, ...]]] = []
    for name in sorted(asked & policies.keys() & services.keys()):
        found += service_hashes(services[name], policies[name])
    return tuple(found)


@lru_cache(maxsize=1024)
def service_hashes(service: Service, policy: TrafficPolicy) -> Hashes:
    """By cluster of the Service what of a request chooses the endpoint, where something does."""
    found: list[tuple[str, tuple[HashKey, ...]]] = []
    for port in () if service.affinity_seconds else service.ports:
        for subset in (None, *policy.subsets):
            keys = policy.of(port.port, subset).hash
            if keys:
                name = subset.name if subset else ""
                found.append((names.service_cluster(service.namespace, service.name, port.port, name), keys))
    return tuple(found)
