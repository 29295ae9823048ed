"""A pod and the ports it can dial -> its outbound listener, a socket inside the pod's namespace.

One filter chain per port of a Service or of another host, chosen by the address and port that were dialled
(`matching.py`). No bytes are awaited before a chain is chosen, so protocols in which the server speaks first work;
where nobody says what a port speaks, the first ones are awaited for a moment, and there is one chain for requests and
one for all else. Hosts of ServiceEntries that have no address of their own are told by what the client asks for: by the
name in TLS, which is awaited on their ports alone and for a moment, or by the authority of requests, for which such a
port is parsed wherever it is dialled. Everything else passes through as it is.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any, Final

import msgspec

from tandem.base.addresses import HOST_BITS, family
from tandem.base.digest import digest
from tandem.base.ids import PodUid
from tandem.base.problems import Origin
from tandem.compile import names
from tandem.compile.envoy import hcm
from tandem.compile.envoy.action import cluster_of
from tandem.compile.envoy.cluster import NETNS_KEY
from tandem.compile.envoy.detection import BOUND, SAYS_REQUESTS, detecting_at
from tandem.compile.envoy.dynamic import port_state, session_filter
from tandem.compile.envoy.hcm import Told
from tandem.compile.envoy.matching import Way, matcher_of
from tandem.compile.envoy.proto import BUFFER_BYTES, STAYS, Json, at_ports, extension, listening_at, versions_of
from tandem.compile.envoy.rbac import network_rbac
from tandem.compile.envoy.route import Hosted
from tandem.compile.envoy.scope import PortScope
from tandem.compile.envoy.tls import IDENTITY_KEY
from tandem.ir.fabric import AppProtocol, Endpoints
from tandem.ir.logged import Logged
from tandem.ir.mesh import BytesMatch, BytesRoute
from tandem.ir.node import AttachedPod
from tandem.ir.paths import Paths
from tandem.ir.traffic import ByAddress
from tandem.state.assembled import Assembled, place
from tandem.state.xds import Resource

_HOSTS: Final = {4: "127.0.0.1", 6: "::1"}
_INSPECTOR: Final = "extensions.filters.listener.tls_inspector.v3.TlsInspector"
PATIENCE: Final = "1s"
"""So long the name in TLS is awaited; then a connection is judged without."""


class Front(msgspec.Struct, frozen=True):
    """What clients dial: one of these addresses or prefixes (none: any) and a port, asking for one of these names."""

    addresses: tuple[str, ...]
    port: int
    server_names: tuple[str, ...] = ()
    route: BytesRoute | None = None
    """Where it leads; None: to the port's own cluster."""

    @property
    def keys(self) -> tuple[tuple[str, int, str], ...]:
        """Each of these has one chain."""
        named = self.server_names or ("",)
        return tuple((_bare(a), self.port, n) for a in self.addresses or ("",) for n in named)


class Ports(msgspec.Struct, frozen=True):
    """All that some pods can dial."""

    chains: tuple[tuple[PortScope, Front], ...]
    hosted: tuple[Hosted, ...] = ()
    """What is told by the authority of requests, by port."""
    plain: tuple[Front, ...] = ()
    """Endpoints of headless Services outside the mesh, where nothing else is passed through."""
    closed: bool = False
    """All else is refused."""


def fronts_of(scope: PortScope, endpoints: Endpoints | None) -> tuple[Front, ...]:
    """What clients dial to reach a port, and which routes lead elsewhere from there."""
    found = _fronts(scope, endpoints)
    table = scope.table
    routes = table.bytes if table is not None else ()
    if scope.port.app.is_http:
        routes = tuple(route for route in routes if route.requests)
    return tuple(routed for front in found for routed in (*_routed(scope, front, routes), front))


def _routed(scope: PortScope, front: Front, routes: tuple[BytesRoute, ...]) -> Iterator[Front]:
    """What of a front routes direct, in their order: what comes after a route for everything is never used."""
    for route in routes:
        for match in route.matches or (BytesMatch(),):
            named = match.server_names or route.requests  # routes of TCP of the Gateway API have sessions of TLS, too
            if not scope.applies(match) or (scope.port.app is AppProtocol.TLS and not named):
                continue
            addresses = within(front.addresses, match.subnets)
            if match.subnets and not addresses:
                continue
            asked = match.server_names
            if front.server_names:
                asked = tuple(name for name in asked if _covers(front.server_names, name))
            for name in asked:
                yield Front(addresses, front.port, (name,), route)
            if not match.server_names:
                yield Front(addresses, front.port, front.server_names, route)
                if not match.subnets:
                    return


def _covers(patterns: tuple[str, ...], name: str) -> bool:
    return any(name == p or (p.startswith("*") and name.endswith(p[1:])) for p in patterns)


def within(addresses: tuple[str, ...], subnets: tuple[str, ...]) -> tuple[str, ...]:
    """What of addresses and prefixes (none: all there are) lies in some of the subnets (none: everywhere)."""
    if not addresses or not subnets:
        return addresses or subnets
    found: dict[str, None] = {}
    for text in addresses:
        own = ipaddress.ip_network(text)
        for subnet in map(ipaddress.ip_network, subnets):
            if own.version == subnet.version and own.overlaps(subnet):
                found[str(max(own, subnet, key=lambda network: network.prefixlen))] = None
    return tuple(found)


def _fronts(scope: PortScope, endpoints: Endpoints | None) -> tuple[Front, ...]:
    """What clients dial to reach a port.

    A headless service has no address of its own: its clients dial the pods, and those of them that are in the mesh
    get a chain here, grouped by port number. Pod addresses behind a ClusterIP service are not listed: dialled
    directly they are passed through in plain text.
    """
    if scope.service.external is not None:
        return _external(scope)
    if scope.service.cluster_ips:
        return (Front(tuple(sorted(scope.service.cluster_ips)), scope.port.port),)
    by_number: dict[int, set[str]] = {}
    for endpoint in endpoints.endpoints if endpoints else ():
        for port_name, number in endpoint.ports:
            if port_name == scope.port.name and endpoint.identity is not None:
                by_number.setdefault(number, set()).add(endpoint.address)
    return tuple(Front(tuple(sorted(addresses)), number) for number, addresses in sorted(by_number.items()))


def _external(scope: PortScope) -> tuple[Front, ...]:
    """Without those of requests, where the authority tells the host (`_hosted`)."""
    external, port = scope.service.external, scope.port
    assert external is not None  # noqa: S101 - asked before
    own = [Front(tuple(sorted(scope.service.cluster_ips)), port.port)] if scope.service.cluster_ips else []
    if port.app.is_http:
        return tuple(own)
    if port.app is AppProtocol.TLS:
        named = Front(external.prefixes, port.port, (external.host,))
        return (*own, named, *([Front(external.prefixes, port.port)] if external.prefixes else []))
    return tuple(own) if own else (Front(external.prefixes, port.port),)


class _Claims:
    """What is taken: there is one chain for the same, and the first keeps it."""

    def __init__(self) -> None:
        self._taken: set[tuple[str, int, str]] = set()

    def take(self, front: Front) -> Front | None:
        """What is left of a front, which is then taken; None: nothing."""
        if front.addresses:
            left = tuple(a for a in front.addresses if self._free(Front((a,), front.port, front.server_names)))
            front = msgspec.structs.replace(front, addresses=left)
            if not left:
                return None
        if not self._free(front):
            return None
        self._taken.update(front.keys)
        return front

    def _free(self, front: Front) -> bool:
        return self._taken.isdisjoint(front.keys)


def dialled(scopes: tuple[PortScope, ...], endpoints: Mapping[str, Endpoints], *, closed: bool = False) -> Ports:
    """Each port with its fronts: Services first, then other hosts. `closed`: all else is to be refused."""
    claims = _Claims()

    def chains(*, external: bool) -> Iterator[tuple[PortScope, Front]]:
        for scope in scopes:
            if (scope.service.external is not None) is external:
                members = endpoints.get(f"{scope.service.namespace}/{scope.service.name}")
                for front in map(claims.take, fronts_of(scope, members)):
                    if front is not None:
                        yield scope, front

    inside = tuple(chains(external=False))
    hosted: list[Hosted] = []
    for one in _hosted(scopes):
        left = claims.take(Front(one.addresses, one.port))
        if left is not None:
            hosted.append(msgspec.structs.replace(one, addresses=left.addresses, closed=closed))
    outside = tuple(chains(external=True))
    plain = tuple(f for f in map(claims.take, _plain(scopes, endpoints)) if f is not None) if closed else ()
    return Ports((*inside, *outside), tuple(hosted), plain, closed)


def _plain(scopes: tuple[PortScope, ...], endpoints: Mapping[str, Endpoints]) -> Iterator[Front]:
    """By port the addresses of endpoints that clients of headless Services dial without a proxy at the other end."""
    found: dict[int, set[str]] = {}
    for scope in scopes:
        members = endpoints.get(f"{scope.service.namespace}/{scope.service.name}")
        if scope.service.external is None and scope.service.keeps_address and members is not None:
            for endpoint in members.endpoints:
                for name, number in endpoint.ports:
                    if name == scope.port.name and endpoint.identity is None:
                        found.setdefault(number, set()).add(endpoint.address)
    for number, addresses in sorted(found.items()):
        yield Front(tuple(sorted(addresses)), number)


def _hosted(scopes: tuple[PortScope, ...]) -> Iterator[Hosted]:
    """The HTTP ports of hosts without an address of their own, and of those that share some; of one name the first."""
    groups: dict[tuple[int, tuple[str, ...]], dict[str, PortScope]] = {}
    for scope in scopes:
        external = scope.service.external
        if external is not None and scope.port.app.is_http:
            groups.setdefault((scope.port.port, external.prefixes), {}).setdefault(external.host, scope)
    for (port, addresses), found in sorted(groups.items(), key=lambda group: group[0]):
        yield Hosted(port=port, addresses=addresses, scopes=tuple(found.values()))


class Dials(msgspec.Struct, frozen=True):
    """All that some pods can dial, compiled for each of them: who it is has places in the chains."""

    listening: Json
    chains: tuple[Json, ...]
    matcher: Json
    origins: frozenset[Origin]


@lru_cache(maxsize=1024)
def told_of(logged: Logged, paths: Paths) -> Told:
    """The very same for equal ones."""
    return Told(logged, paths)


def dials_of(ports: Ports, told: Told) -> Dials:
    """What pods of which this is told have in common."""
    origins: set[Origin] = set(told.logged.origins)
    for route in (front.route for _, front in ports.chains if front.route is not None):
        origins |= {route.origin, *(policy.origin for policy in route.authorization)}
    last = _last_chain(told, closed=ports.closed)
    chains, ways = {last["name"]: last}, list[Way]()
    for way, chain in _all_ways(ports, told):
        chains.setdefault(chain["name"], chain)
        ways.append(way)
    return Dials(_listening(ports), tuple(chains.values()), matcher_of(ways, last["name"]), frozenset(origins))


def outbound_listener(attached: AttachedPod, dials: Dials) -> Resource:
    """The listener at the loopback addresses of the pod's namespace, to which the pod's capture rules redirect."""
    uid = attached.pod.uid
    identity = hcm.hashable_state({NETNS_KEY: attached.netns, IDENTITY_KEY: attached.pod.identity})
    name = names.outbound_listener(uid)
    head: dict[str, Any] = {
        "name": name,
        "stat_prefix": hcm.OUT,
        **listening_at((_HOSTS[v] for v in versions_of(attached.addresses)), names.OUTBOUND_PORT, attached.netns),
        "traffic_direction": "OUTBOUND",
        "per_connection_buffer_limit_bytes": BUFFER_BYTES,
        "drain_type": STAYS,
        **dials.listening,
        "listener_filters": [identity, *dials.listening["listener_filters"]],
        "filter_chains": [],
    }
    body = Assembled(head, "filter_chains", dials.chains, ((_UID, uid),), {"filter_chain_matcher": dials.matcher})
    return Resource(name=name, body=body, origins=dials.origins)


_UID: Final = PodUid(place("u"))
_CANONICAL: Final = msgspec.json.Encoder(order="deterministic")


def _listening(ports: Ports) -> Json:
    """The listener filters: names in TLS are read on ports where a chain asks for one, and requests sought alike."""
    filters: list[Json] = [extension("original-dst", "extensions.filters.listener.original_dst.v3.OriginalDst")]
    asked = sorted({front.port for _, front in ports.chains if front.server_names})
    if asked:
        filters.append({**extension("tls", _INSPECTOR), "filter_disabled": {"not_match": at_ports(asked)}})
    detected = sorted({front.port for scope, front in ports.chains if scope.detects and front.route is None})
    if detected:
        filters.append(detecting_at(detected))
    if len(filters) == 1:
        return {"listener_filters": filters}
    return {
        "listener_filters": filters,
        "listener_filters_timeout": PATIENCE if asked else BOUND,
        "continue_on_listener_filters_timeout": True,
    }


class _Link(msgspec.Struct, frozen=True):
    """What a chain is made of: the same for equal ones, however the scope came about that asks for it."""

    port: int
    cluster: str
    config: str
    """Of its routes, where it reads requests; empty: it carries bytes."""
    route: BytesRoute | None = None
    shares: tuple[tuple[str, int], ...] = ()
    sticky: bool = False
    session: bool = False
    """Its cluster is told what is asked for."""
    detects: bool = False
    unrouted: bool = False
    """No table directs what is found out."""


def _all_ways(ports: Ports, told: Told) -> Iterator[tuple[Way, Json]]:
    """Each chain with whom it is for; one may be for several."""
    for scope, front in ports.chains:
        requests, every = _chains(_link(scope, front), told)
        if requests is not None:
            yield _way(requests, front, requests=True), requests
        yield _way(every, front), every
    for hosted in ports.hosted:
        chain = _hosted_chain(hosted.route_config, hosted.port, told, dynamic=hosted.dynamic)
        yield _way(chain, Front(hosted.addresses, hosted.port)), chain
    for front in ports.plain:
        chain = _plain_chain(told)
        yield _way(chain, front), chain


def _way(chain: Json, front: Front, *, requests: bool = False) -> Way:
    return Way(chain["name"], front.port, front.addresses, front.server_names, requests)


def _link(scope: PortScope, front: Front) -> _Link:
    external, bytes_of = scope.service.external, front.route
    return _Link(
        port=front.port,
        cluster=scope.own_cluster,
        config=scope.route_config if bytes_of is None and scope.reads_requests else "",
        route=bytes_of,
        shares=tuple((cluster_of(b, scope), b.weight) for b in bytes_of.backends) if bytes_of is not None else (),
        sticky=scope.service.affinity_seconds > 0 or ByAddress() in dict(scope.hashes).get(scope.cluster, ()),
        session=external is not None and external.dynamic,
        detects=scope.detects and bytes_of is None,
        unrouted=scope.detects and scope.table is None,
    )


@lru_cache(maxsize=8192)
def _chains(link: _Link, told: Told) -> tuple[Json | None, Json]:
    """Where requests are sought the chain of those, and that of all connections, or all others."""
    judges, when, requests = list[Json](), told.logged.when, None
    if link.config:
        requests = hcm.outbound_http(_UID, link.config, told=told, unrouted=link.unrouted)
    if requests is not None and not link.detects:
        last = requests
    else:
        to: str | list[Json] = link.cluster
        if link.route is not None:
            # One that does not exist has no cluster: its share is closed.
            to = [{"name": cluster, "weight": weight} for cluster, weight in link.shares] or names.REFUSED
            judges = network_rbac(link.route.authorization, hcm.OUT)
        divided_by = hcm.divided(link.route)
        last = hcm.tcp(hcm.OUT, to, names.source_log(_UID), sticky=link.sticky, when=when, divided=divided_by)
    names_it = [session_filter(link.port)] if link.session else []
    filters = [*judges, *names_it, last]
    name = f"{link.cluster}:{link.port}"
    if link.route is not None:
        # Routes at several gateways that one route leads to may have one name.
        name = f"{name}:{link.route.name}~{digest(_CANONICAL.encode(filters), 6)}"
    every = _chain(name, *filters)
    if not link.detects or requests is None:
        return None, every
    return _chain(f"{name}:requests", SAYS_REQUESTS, requests), every


def _chain(name: str, *filters: Json) -> Json:
    """Its filters have places for different texts, and are encoded apart."""
    return Assembled({"name": name, "filters": []}, "filters", filters)


@lru_cache(maxsize=1024)
def _hosted_chain(config: str, port: int, told: Told, *, dynamic: bool) -> Json:
    requests = hcm.outbound_http(_UID, config, told=told, dynamic=dynamic)
    return _chain(config, *([port_state(port)] if dynamic else []), requests)


@lru_cache(maxsize=64)
def _plain_chain(told: Told) -> Json:
    passed = hcm.tcp(hcm.OUT, names.PASSTHROUGH, names.source_log(_UID), when=told.logged.when)
    return _chain("plain", passed)


@lru_cache(maxsize=64)
def _last_chain(told: Told, *, closed: bool) -> Json:
    """That of all connections for which there is no other."""
    when = told.logged.when
    if closed:
        return _chain("outside", hcm.tcp(hcm.OUT, names.REFUSED, names.outside_log(_UID), when=when))
    return _chain("passthrough", hcm.tcp(hcm.OUT, names.PASSTHROUGH, names.source_log(_UID), when=when))


def _bare(text: str) -> str:
    """The same for an address and its prefix of one."""
    return text.removesuffix(f"/{HOST_BITS[family(text)]}")
