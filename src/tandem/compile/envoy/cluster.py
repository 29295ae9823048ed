"""Services and pods -> clusters. One per service port and subset, shared by all pods of the node; one per meshed pod.

Connections to services are made in the namespace and with the certificate that the filter state of the downstream
connection names; both are hashable, so that Envoy keeps one connection pool per pod and identity.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from functools import lru_cache
from types import MappingProxyType
from typing import Any, Final

import msgspec

from tandem.base.ids import PodUid, SpiffeId
from tandem.base.problems import Origin
from tandem.compile import names
from tandem.compile.envoy import dynamic, tls
from tandem.compile.envoy.pool import alpn, keeping, limiting, speaking, spreading, wants_http1, watching
from tandem.compile.envoy.proto import ADS, BUFFER_BYTES, LIMITS, Json, extension, milliseconds
from tandem.compile.envoy.reencrypt import origins_of, spoken, traffic_over
from tandem.compile.envoy.scope import host_of
from tandem.ir.authz import ExternalCheck
from tandem.ir.calling import Calling
from tandem.ir.delivery import AS_MANY, Arrival
from tandem.ir.fabric import AppProtocol, LocalPod, Service, ServicePort
from tandem.ir.gateway import BackendTls
from tandem.ir.node import AttachedPod
from tandem.ir.traffic import ClientTls, Limits, LoadBalancer, Origination, Place, Subset, Traffic, TrafficPolicy
from tandem.ir.trust import Domains
from tandem.state.ownership import ENVOY_MARK
from tandem.state.xds import Resource

NETNS_KEY: Final = "envoy.network.upstream_bind_override.network_namespace"
"""Filter state that names the namespace in which the upstream connection is made."""

CONNECT_MS: Final = 10_000
"""Istio's default connect timeout."""

APP_CONNECT_MS: Final = 2_000
"""To the application in the same namespace; also how long a try with a port that is in use lasts (`nft/capture`)."""

# SOL_SOCKET 1, SO_MARK 36: the capture rules of the pod let marked packets pass.
_MARKED: Final = [
    {"level": 1, "name": 36, "int_value": ENVOY_MARK, "state": "STATE_PREBIND"},
    # TCP_USER_TIMEOUT: a connection that policy has silenced is given up after 10 s, not after a quarter of an hour.
    {"level": 6, "name": 18, "int_value": 10_000, "state": "STATE_PREBIND"},
]

FROM_POD: Final[Json] = {
    "source_address": {"address": "0.0.0.0", "port_value": 0},  # noqa: S104 - a source address, nothing listens
    "extra_source_addresses": [{"address": {"address": "::", "port_value": 0}}],
    "socket_options": _MARKED,
    "local_address_selector": extension(
        "filter-state", "extensions.local_address_selectors.filter_state_override.v3.Config"
    ),
}


def _base(name: str, group: str) -> dict[str, Any]:
    """What all clusters share; `group` is the common statistics name."""
    return {
        "name": name,
        "alt_stat_name": group,
        "connect_timeout": milliseconds(CONNECT_MS),
        "per_connection_buffer_limit_bytes": BUFFER_BYTES,
        "circuit_breakers": LIMITS,
    }


class _Secure(msgspec.Struct, frozen=True):
    """mTLS with whoever has one of these identities."""

    identities: tuple[SpiffeId, ...]
    alpn: str
    trust: Domains
    client: SpiffeId | None = None
    translated: bool = False
    """Of a gateway, which does not speak as its client does."""
    asked: str = ""
    """The name that is asked for: what was dialled, for rules about `connection.sni` at the other end."""

    def socket(self, traffic: Traffic | None = None, also: tuple[str, ...] = (), *, http1: bool) -> Json:
        """`traffic`: of a rule that insists, and may name others than the identities; `also`: is offered beside.

        `http1`: the application is to be told HTTP/1.1.
        """
        told = traffic.origination if traffic is not None else Origination()
        names = tuple(map(SpiffeId, told.alt_names)) or self.identities
        # Servers without a proxy of ours are asked for no name that only Istio's proxies know.
        asked = told.server_name or ("" if traffic is not None and self.meets(traffic) else self.asked)
        offered = (*((tls.ALPN_HTTP1,) if http1 else ()), self.alpn, *also)
        return tls.upstream(names, offered, self.trust, client=self.client, asked=asked)

    def meets(self, traffic: Traffic) -> bool:
        """Whether a rule names servers of another trust domain, which may have no proxy of ours."""
        named = traffic.origination.alt_names if traffic.tls is ClientTls.ISTIO_MUTUAL else ()
        return bool(tls.foreign_domain(named, self.trust))


def _sockets(traffic: Traffic, app: AppProtocol, secure: _Secure) -> Json:
    """AUTO follows each endpoint's metadata; ISTIO_MUTUAL insists, so a peer outside the mesh fails the handshake."""
    http1 = wants_http1(app, traffic.pool)
    mtls = {"name": tls.MATCH_MTLS, "match": {tls.MATCH_KEY: tls.MATCH_MTLS}}
    match traffic.tls:
        case ClientTls.DISABLE | ClientTls.REFUSE:
            return {}
        case ClientTls.SIMPLE | ClientTls.MUTUAL:
            offered = alpn(app, traffic.pool, translated=secure.translated)
            return {"transport_socket": tls.originating(traffic.origination, offered)}
        case ClientTls.ISTIO_MUTUAL:
            offered = alpn(app, traffic.pool, translated=True) if secure.meets(traffic) else ()
            return {"transport_socket": secure.socket(traffic, offered, http1=http1)}
        case ClientTls.AUTO:
            return {
                "transport_socket_matches": [
                    {**mtls, "transport_socket": secure.socket(http1=http1)},
                    {"name": "plain", "match": {}, "transport_socket": tls.RAW},
                ],
            }


def _alpn(port: ServicePort) -> str:
    return tls.ALPN_HTTP if port.app.is_http else tls.ALPN_TCP


class Client(msgspec.Struct, frozen=True, kw_only=True):
    """The pod that a cluster is for, where the downstream connection does not tell it; a gateway: without a netns."""

    uid: PodUid
    netns: str
    identity: SpiffeId
    gateway: bool = False
    questions: bool = False
    """What it sends there are questions over gRPC."""
    backend_tls: tuple[BackendTls, ...] = ()
    """What it opens in TLS, of gateways."""


@lru_cache(maxsize=4096)
def service_clusters(
    service: Service,
    *,
    policy: TrafficPolicy | None,
    identities: tuple[SpiffeId, ...],
    trust: Domains,
    domain: str,
) -> tuple[Resource, ...]:
    """The EDS clusters of every TCP port, the whole and each subset; for headless services also those dialled.

    `identities` are the distinct identities of the service's endpoints. They change when a service account does,
    not when an endpoint comes or goes, so that an endpoint change reaches endpoint resources only. `domain`: the
    cluster's, of Services' full names.
    """
    chosen, name = _chosen(service, policy), host_of(service, domain)
    whom = _Secure(identities, "", trust)
    made = [_resource(body, chosen, service.origin) for body in _bodies(service, chosen, whom, name)]
    for port in service.ports if service.keeps_address else ():
        if port.protocol == "TCP":
            secure = _towards(whom, port, name)
            made.append(_dialled(service, port, secure=secure, policy=chosen))
    return tuple(made)


def _chosen(service: Service, policy: TrafficPolicy | None) -> TrafficPolicy:
    return policy or TrafficPolicy(namespace=service.namespace, service=service.name)


def _resource(body: dict[str, Any], policy: TrafficPolicy, service: Origin | None = None) -> Resource:
    return Resource(
        name=body["name"], body=body, origins=frozenset(o for o in (policy.origin, service) if o is not None)
    )


def _towards(whom: _Secure, port: ServicePort, host: str, subset: Subset | None = None) -> _Secure:
    asked = names.asked_name(host, port.port, subset.name if subset is not None else "")
    return msgspec.structs.replace(whom, alpn=_alpn(port), asked=asked)


def _bodies(
    service: Service, policy: TrafficPolicy, whom: _Secure, host: str, client: Client | None = None
) -> Iterator[dict[str, Any]]:
    """One cluster for each TCP port and each subset of it; `client` None: the connection says who."""
    external = service.external
    others = external is not None and (external.passes or (external.dynamic and client is not None))
    for port in service.ports if not others else ():
        if port.protocol == "TCP":
            for subset in (None, *policy.subsets):
                secure = _towards(whom, port, host, subset)
                body = _service_cluster(service, port, subset, secure=secure, policy=policy)
                # Copies of a pod's requests, and questions of its proxy, have one place.
                places = policy.failover(subset) if client is None or client.gateway else ()
                if places and body["type"] == "EDS":
                    yield body | {"name": names.alone(body["name"])}
                    body = _one_after_the_other(body["name"], port.port, places, client)
                yield body


@lru_cache(maxsize=1024)
def client_clusters(
    service: Service,
    *,
    policy: TrafficPolicy | None,
    identities: tuple[SpiffeId, ...],
    trust: Domains,
    domain: str,
    client: Client,
) -> tuple[tuple[Resource, str], ...]:
    """The same for one client alone, with its namespace and certificate, each with the cluster that it is like.

    So copies of a pod's requests go, and everything that a gateway sends.

    Its endpoints have the cluster's own name: of a name that another cluster has asked for Envoy tells nobody again.
    """
    chosen = traffic_over(_chosen(service, policy), service, client.backend_tls)
    served = spoken(service, client.backend_tls, grpc=not client.gateway, questions=client.questions)
    whom = _Secure(identities, "", trust, client.identity, client.gateway)
    made: list[tuple[Resource, str]] = []
    for body in _bodies(served, chosen, whom, host_of(service, domain), client):
        inside = {"upstream_bind_config": _inside(client.netns)} if "cluster_type" not in body else {}
        name = names.client_cluster(client.uid, body["name"])
        resource = _resource({**body, **inside, "name": name}, chosen)
        told = resource.origins | origins_of(body["name"], client.backend_tls)
        made.append((replace(resource, origins=told), body["name"]))
    return tuple(made)


@lru_cache(maxsize=4096)
def calling_clusters(
    service: Service,
    *,
    policy: TrafficPolicy | None,
    identities: tuple[SpiffeId, ...],
    trust: Domains,
    domain: str,
    calling: Calling,
    who: str = "",
) -> tuple[tuple[Resource, str], ...]:
    """Those of `service_clusters` for the pods of one Service, with the limits of their calls; with the shared names.

    The connection says who asks, as in those: pods of the Service on a node have them together. `who`: as which callers
    they see the Service, which `policy` is for then.
    """
    limits = calling.of(service.namespace, service.name)
    if limits is None:
        return ()
    chosen = limits.over(_chosen(service, policy))
    shared = service_clusters(service, policy=chosen, identities=identities, trust=trust, domain=domain)
    shared = among_callers(who, shared) if who else shared
    renamed = (_renamed(one, names.apart(calling.namespace, calling.service, "")) for one in shared)
    return tuple(
        (replace(own, origins=own.origins | {calling.origin}), one.name)
        for own, one in zip(renamed, shared, strict=True)
    )


def among_callers(who: str, shared: Iterable[Resource]) -> tuple[Resource, ...]:
    """The clusters of a Service under the names by which these callers have them."""
    return tuple(_renamed(one, names.for_callers(who, "")) for one in shared)


def _renamed(shared: Resource, before: str) -> Resource:
    """With that before its name; a cluster of clusters asks its own endpoints first by the one that is named so too."""
    body = {**shared.body, "name": before + shared.name}
    if "cluster_type" in body:
        kind = body["cluster_type"]
        own, *others = kind["typed_config"]["clusters"]
        config = {**kind["typed_config"], "clusters": [before + own, *others]}
        body["cluster_type"] = {**kind, "typed_config": config}
    return replace(shared, name=body["name"], body=body)


def _inside(netns: str) -> Json:
    first, other = (
        {"address": address, "port_value": 0, **({"network_namespace_filepath": netns} if netns else {})}
        for address in ("0.0.0.0", "::")  # noqa: S104 - a source address, nothing listens
    )
    return {"source_address": first, "extra_source_addresses": [{"address": other}], "socket_options": _MARKED}


def _service_cluster(
    service: Service, port: ServicePort, subset: Subset | None, *, secure: _Secure, policy: TrafficPolicy
) -> dict[str, Any]:
    name = names.service_cluster(service.namespace, service.name, port.port, subset.name if subset else "")
    traffic = policy.of(port.port, subset)
    if service.affinity_seconds:
        # A hash of the client: only clients of an endpoint that goes, and a share of all, move.
        traffic = msgspec.structs.replace(traffic, lb=LoadBalancer.RING_HASH, table_size=0)
    if traffic.tls is ClientTls.REFUSE:
        return _base(name, "refused") | {"type": "STATIC"}
    if service.external is not None and service.external.dynamic:
        return {
            **_base(name, "service"),
            **_connecting(traffic),
            **tls.announcing(
                traffic.proxy_protocol,
                {} if traffic.tls is ClientTls.AUTO else _sockets(traffic, port.app, secure),
            ),
            **speaking(port.app, traffic),
            **dynamic.balancing(traffic),
        }
    return {
        **_base(name, "service"),
        "type": "EDS",
        "eds_cluster_config": {"eds_config": ADS},
        **spreading(traffic),
        **watching(traffic),
        **_connecting(traffic),
        **tls.announcing(traffic.proxy_protocol, _sockets(traffic, port.app, secure)),
        **speaking(port.app, traffic, translated=secure.translated or secure.meets(traffic)),
    }


def standing_in(place: Place, dialled: int) -> str:
    """The cluster of a place that stands in for another, at whose port `dialled` it is asked for."""
    name = names.service_cluster(place.namespace, place.service, place.port or dialled, place.subset)
    return names.alone(name) if place.alone else name


def _one_after_the_other(name: str, dialled: int, places: tuple[Place, ...], client: Client | None) -> dict[str, Any]:
    """Its own endpoints while one of them is healthy, then those of each place. Each is reached as it always is."""
    clusters = [names.alone(name), *(standing_in(place, dialled) for place in places)]
    if client is not None:
        clusters = [names.client_cluster(client.uid, one) for one in clusters]
    config = {"clusters": clusters}
    return {
        **_base(name, "service"),
        "lb_policy": "CLUSTER_PROVIDED",
        "cluster_type": extension("envoy.clusters.aggregate", "extensions.clusters.aggregate.v3.ClusterConfig", config),
        "common_lb_config": {"healthy_panic_threshold": {"value": 0}},
    }


def _connecting(traffic: Traffic) -> Json:
    return {
        "connect_timeout": milliseconds(traffic.connect_timeout_ms),
        "upstream_bind_config": FROM_POD,
        **limiting(traffic.limits),
        **keeping(traffic.pool),
    }


def _dialled(service: Service, port: ServicePort, *, secure: _Secure, policy: TrafficPolicy) -> Resource:
    """Keeps the address that was dialled.

    Of a headless Service only addresses of meshed endpoints are sent here (see `outbound`), of another host all.
    """
    traffic = policy.of(port.port)
    if service.external is None:
        name = names.dialled_cluster(service.namespace, service.name, port.port)
        automatic: Json = {"transport_socket": secure.socket(http1=wants_http1(port.app, traffic.pool))}
    else:
        name = names.service_cluster(service.namespace, service.name, port.port)
        automatic = {}
    if traffic.tls is ClientTls.REFUSE:
        return _resource(_base(name, "refused") | {"type": "STATIC"}, policy, service.origin)
    body = {
        **_base(name, "service"),
        "type": "ORIGINAL_DST",
        "lb_policy": "CLUSTER_PROVIDED",
        **_connecting(traffic),
        **tls.announcing(
            traffic.proxy_protocol,
            automatic if traffic.tls is ClientTls.AUTO else _sockets(traffic, port.app, secure),
        ),
        **speaking(port.app, traffic, translated=secure.translated or secure.meets(traffic)),
    }
    return _resource(body, policy, service.origin)


def app_clusters(attached: AttachedPod) -> tuple[Resource, ...]:
    """What delivers to the application inside the pod, and at ports that go another way."""
    ways = (0, *attached.pod.delivery.apart)
    plain = (port for port in ways if follows_client(attached.pod, port))
    return (
        *(app_cluster(attached, port) for port in ways),
        *(app_cluster(attached, port, http1=True) for port in plain),
    )


def follows_client(pod: LocalPod, port: int = 0) -> bool:
    """Whether the application is told what the client speaks, and so may be told HTTP/1.1 in its place."""
    return pod.delivery.room_at(port).pool.http2 is None


@lru_cache(maxsize=2048)
def app_cluster(attached: AttachedPod, port: int = 0, *, http1: bool = False) -> Resource:
    """Delivers to the application at the address and port that the client dialled, or where a Sidecar says it is.

    The listener's original_src filter replaces the source address by the client's and sets the mark; the
    addresses here are what remains if it does not (of loopback: the capture rules leave them alone).

    `http1`: whatever the client speaks.
    """
    taken, delivery = attached.pod.inbound, attached.pod.delivery
    name = (names.plain_app_cluster if http1 else names.app_cluster)(attached.pod.uid, port)
    room = delivery.room_at(port)
    # What a Sidecar says of limits takes the place of what others say of them.
    limits = room.limits if room != AS_MANY else Limits(connections=taken.connections or None)
    body = _base(name, "app") | {
        **_delivering(name, delivery.arrival_at(port)),
        "connect_timeout": milliseconds(room.connect_ms or taken.connect_ms or APP_CONNECT_MS),
        "upstream_bind_config": _within(attached.netns),
        **limiting(limits),
        **keeping(room.pool),
        **speaking(AppProtocol.HTTP, Traffic(pool=room.pool), translated=http1),
    }
    return Resource(name=name, body=body, origins=frozenset({*delivery.origins, *taken.origins}))


@lru_cache(maxsize=1024)
def own_authorizer(attached: AttachedPod, check: ExternalCheck) -> Resource | None:
    """Who is asked about requests to a pod, inside the pod; None: it is asked as any other Service is."""
    if check.own is None:
        return None
    name = names.client_cluster(attached.pod.uid, names.service_cluster(check.namespace, check.service, check.port))
    # The proxy's own sockets in the pod are no authorizer: there is nobody to ask then.
    there = {"type": "STATIC"} if check.own[1] in {names.INBOUND_PORT, names.OUTBOUND_PORT} else _at(name, *check.own)
    body = _base(name, "service") | {
        **there,
        "upstream_bind_config": _within(attached.netns),
        **speaking(AppProtocol.GRPC if check.grpc else AppProtocol.HTTP, Traffic(), translated=True),
    }
    return Resource(name=name, body=body)


def _within(netns: str) -> Json:
    source, other = (
        {"address": address, "port_value": 0, "network_namespace_filepath": netns} for address in ("127.0.0.6", "::1")
    )
    return {"source_address": source, "extra_source_addresses": [{"address": other}]}


def _at(name: str, address: str, port: int) -> Json:
    where = {"socket_address": {"address": address, "port_value": port}}
    endpoints = [{"lb_endpoints": [{"endpoint": {"address": where}}]}]
    return {"type": "STATIC", "load_assignment": {"cluster_name": name, "endpoints": endpoints}}


def _delivering(name: str, arrival: Arrival | None) -> Json:
    if arrival is not None and arrival.loopback:
        return _at(name, arrival.loopback, arrival.target)
    other = {"original_dst_lb_config": {"upstream_port_override": arrival.target}} if arrival is not None else {}
    return {"type": "ORIGINAL_DST", "lb_policy": "CLUSTER_PROVIDED", **other}


def _shared() -> Mapping[str, Resource]:
    passthrough = _base(names.PASSTHROUGH, "passthrough") | {
        "type": "ORIGINAL_DST",
        "lb_policy": "CLUSTER_PROVIDED",
        "upstream_bind_config": FROM_POD,
        **speaking(AppProtocol.HTTP, Traffic()),
    }
    refused = _base(names.REFUSED, "refused") | {"type": "STATIC"}
    both = (Resource(name=names.PASSTHROUGH, body=passthrough), Resource(name=names.REFUSED, body=refused))
    return MappingProxyType({resource.name: resource for resource in both})


SHARED: Final = _shared()
"""Clusters that every node with a meshed pod has."""
