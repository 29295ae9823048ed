"""NodeView -> the xDS snapshot of the node's Envoy. Pure; each part is cached on the frozen values it is made of.

Envoy has nothing to do on a node without a meshed pod that serves no gateway, and then gets nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Final

import msgspec

from tandem.base.addresses import IPV4, family
from tandem.base.ids import SpiffeId
from tandem.base.memo import each_as_before, equal_to_before, pairs_as_before, same_as_before
from tandem.compile import names
from tandem.compile.addresses import own_addresses
from tandem.compile.envoy.callers import Among, among_of, policies_among, policy_among
from tandem.compile.envoy.cluster import (
    SHARED,
    Client,
    among_callers,
    app_clusters,
    calling_clusters,
    client_clusters,
    own_authorizer,
    service_clusters,
    standing_in,
)
from tandem.compile.envoy.endpoint import compile_endpoints, renamed, standing_alone
from tandem.compile.envoy.filters.external import compile_external
from tandem.compile.envoy.filters.tokens import compile_tokens
from tandem.compile.envoy.gateway import (
    clusters_used,
    compile_gateway,
    compile_gateway_guards,
    compile_gateway_routes,
    services_used,
)
from tandem.compile.envoy.hcm import Told
from tandem.compile.envoy.inbound import compile_inbound, compile_inbound_routes
from tandem.compile.envoy.locality import Outlook, located
from tandem.compile.envoy.outbound import Dials, Ports, dialled, dials_of, outbound_listener, told_of
from tandem.compile.envoy.rbac import check_of
from tandem.compile.envoy.route import compile_hosted, compile_route_config
from tandem.compile.envoy.scope import Hashes, called, inside, scopes_of, service_hashes, source_limits
from tandem.compile.gateways import with_gateways_behind
from tandem.compile.reach import local, near, serving
from tandem.ir.calling import Calling
from tandem.ir.fabric import Endpoint, Endpoints, MeshConfig, Node, Service
from tandem.ir.gateway import Gateway, destinations_of
from tandem.ir.locality import LocalityBalancing
from tandem.ir.mesh import RouteTable
from tandem.ir.node import AttachedPod, NodeView, meshed_pods, without_pods
from tandem.ir.outbound import Outbound
from tandem.ir.shown import is_seen
from tandem.ir.traffic import ClientTls, Place, Traffic, TrafficPolicy
from tandem.state.xds import CLUSTER, ENDPOINT, EXTENSION, LISTENER, ROUTE, Resource, Snapshot

_common: Final = pairs_as_before(dials_of)
_outbound: Final = pairs_as_before(outbound_listener)


def compile_envoy(view: NodeView) -> Snapshot:
    """Listeners per meshed pod and gateway, an application cluster per pod; clusters and endpoints shared by all."""
    view = with_gateways_behind(view)
    meshed = sorted(meshed_pods(view.pods), key=lambda a: a.pod.uid)
    if not meshed and not view.gateways:
        return Snapshot(resources={kind: {} for kind in (CLUSTER, ENDPOINT, EXTENSION, LISTENER, ROUTE)})
    here = _kept_callers(frozenset(_callers_here(view, meshed)))
    clusters, endpoints = _of_services(without_pods(view), _entitled(view, meshed), here)
    listeners, routes = _listeners(view, meshed)
    edge = view.node, view.config, view.services, view.gateways, view.policies
    edge_listeners, edge_guards, edge_routes = _gateways(view.keys, *edge)
    guards = [r for a in meshed for r in (compile_tokens(a.pod, view.keys), compile_external(a.pod))]
    copies = [*_mirrors(view, meshed), *_called_apart(view, meshed), *_gateway_clusters(_behind(view), *edge)]
    known = {resource.name: resource for resource in endpoints}
    apps = (cluster for attached in meshed for cluster in app_clusters(attached))
    own = (*apps, *_own_authorizers(meshed), *(cluster for cluster, _ in copies))
    return Snapshot(
        resources={
            CLUSTER: _by_name((*SHARED.values(), *own, *clusters)),
            ENDPOINT: _by_name(
                (*endpoints, *(renamed(known[of], cluster.name) for cluster, of in copies if of in known))
            ),
            EXTENSION: _by_name((*guards, *edge_guards)),
            LISTENER: _by_name((*listeners, *edge_listeners)),
            ROUTE: _by_name((*routes, *edge_routes)),
        }
    )


def _entitled(view: NodeView, meshed: list[AttachedPod]) -> dict[str, TrafficPolicy]:
    """The policies, where a key is shown to a host that no pod of the node sees, without it: nothing is sent."""
    namespaces = {attached.pod.namespace for attached in meshed}
    hidden = frozenset(
        key for key, p in view.policies.items() if p.certificates and not is_seen(view.services.get(key), namespaces)
    )
    return _hiding(view.policies, _kept(hidden)) if hidden else view.policies


@equal_to_before
def _kept(hidden: frozenset[str]) -> frozenset[str]:
    return hidden


@same_as_before
def _hiding(policies: dict[str, TrafficPolicy], hidden: frozenset[str]) -> dict[str, TrafficPolicy]:
    closed = Traffic(tls=ClientTls.REFUSE)
    return {
        key: TrafficPolicy(namespace=p.namespace, service=p.service, traffic=closed, callers=p.callers)
        if key in hidden
        else p
        for key, p in policies.items()
    }


def _callers_here(view: NodeView, meshed: list[AttachedPod]) -> Iterator[tuple[str, str]]:
    """Services, each with callers on this node for whom another rule holds, pods and gateways."""
    seen = {(attached.pod.namespace, attached.pod.labels) for attached in meshed}
    for namespace, labels in seen:
        for key, who in among_of(view.policies, namespace, labels):
            if is_seen(view.services.get(key), {namespace}):
                yield key, who
    for gateway in view.gateways.values():
        used = services_used(gateway)
        used |= {f"{place.namespace}/{place.service}" for _, place in _places(view.services, view.policies, used)}
        found = among_of(view.policies, gateway.namespace, gateway.labels)
        yield from (one for one in found if one[0] in used & view.services.keys())


@equal_to_before
def _kept_callers(found: frozenset[tuple[str, str]]) -> frozenset[tuple[str, str]]:
    return found


@same_as_before
def _of_services(
    view: NodeView, policies: dict[str, TrafficPolicy], callers: frozenset[tuple[str, str]]
) -> tuple[list[Resource], list[Resource]]:
    """The clusters and endpoints of every Service, and beside them those of callers with rules of their own.

    Of no other pod that comes or goes they change.
    """
    clusters: list[Resource] = []
    endpoints: list[Resource] = []
    known = _made(view.node, view.nodes, view.config)
    every = [*((key, "") for key in sorted(view.services)), *sorted(callers)]
    for gone in known.keys() - set(every):
        del known[gone]
    for key, who in every:
        parts = view.services[key], policy_among(policies.get(key), who), view.endpoints.get(key)
        before = known.get((key, who))
        if before is None or any(a is not b for a, b in zip(before[0], parts, strict=True)):
            before = known[key, who] = parts, _among(who, _of_service(view, *parts))
        clusters += before[1][0]
        endpoints += before[1][1]
    return clusters, endpoints


_Parts = tuple[Service, TrafficPolicy | None, Endpoints | None]
_Resources = tuple[tuple[Resource, ...], tuple[Resource, ...]]


@same_as_before
def _made(*_parts: object) -> dict[tuple[str, str], tuple[_Parts, _Resources]]:
    """Of what each Service's clusters and endpoints were made, beside these parts of a view that all have in common."""
    return {}


def _among(who: str, made: _Resources) -> _Resources:
    """Under the names by which callers have them; an empty `who`: as they are."""
    if not who:
        return made
    endpoints = (renamed(one, names.for_callers(who, one.name)) for one in made[1])
    return among_callers(who, made[0]), tuple(endpoints)


def _of_service(
    view: NodeView, service: Service, policy: TrafficPolicy | None, members: Endpoints | None
) -> _Resources:
    policy = _policy(view, service, policy)
    members = members or Endpoints(namespace=service.namespace, service=service.name, endpoints=())
    return (
        service_clusters(
            service,
            policy=policy,
            identities=identities(members),
            trust=view.config.domains,
            domain=view.config.cluster_domain,
        ),
        tuple(_assignments(view, service, policy, reachable(view, service, members))),
    )


def _policy(view: NodeView, service: Service, policy: TrafficPolicy | None) -> TrafficPolicy | None:
    """What a rule says, over what the whole mesh says of localities."""
    if view.config.locality == LocalityBalancing():
        return policy
    said = policy if policy is not None else TrafficPolicy(namespace=service.namespace, service=service.name)
    return said.settled(view.config.locality)


@lru_cache(maxsize=4096)
def identities(endpoints: Endpoints) -> tuple[SpiffeId, ...]:
    """The distinct identities behind a service, sorted."""
    members = (*endpoints.endpoints, *endpoints.named)
    return tuple(sorted({who for e in members if (who := e.identity or e.account) is not None}))


Behind = Mapping[str, tuple[SpiffeId, ...]]
"""The identities behind each Service."""
_every: Final = each_as_before(identities)


def _behind(view: NodeView) -> Behind:
    """The very same while no Service gets another identity, whatever endpoints come and go."""
    return _behind_as_before(_behind_of(view.endpoints))


@same_as_before
def _behind_of(endpoints: dict[str, Endpoints]) -> Behind:
    return dict(zip(endpoints, _every(endpoints.values()), strict=True))


@equal_to_before
def _behind_as_before(found: Behind) -> Behind:
    return found


def reachable(view: NodeView, service: Service, members: Endpoints) -> Endpoints:
    """Those that a client on this node uses, by internalTrafficPolicy and hints; as the kernel has it (`reach.py`)."""
    hinted = service.cluster_ips and any(e.for_zones or e.for_nodes for e in members.endpoints)
    if not service.internal_local and not hinted:
        return members
    ports: dict[Endpoint, list[tuple[str, int]]] = {}
    for name in sorted({port.name for port in service.ports}):
        for version in (4, 6):
            here = local(view.node, members, name, version)
            for endpoint, number in (
                here if service.internal_local else near(view.node, serving(members, name, version))
            ):
                ports.setdefault(endpoint, []).append((name, number))
    found = (
        msgspec.structs.replace(e, ports=tuple(ports[e])) for e in (*members.endpoints, *members.last) if e in ports
    )
    return Endpoints(namespace=members.namespace, service=members.service, endpoints=tuple(dict.fromkeys(found)))


def _assignments(
    view: NodeView, service: Service, policy: TrafficPolicy | None, members: Endpoints
) -> Iterable[Resource]:
    first = family(service.cluster_ips[0]) if service.cluster_ips else IPV4
    external = service.external
    for port in service.ports if external is None or not (external.passes or external.dynamic) else ():
        if port.protocol == "TCP":
            for subset in (None, *(policy.subsets if policy else ())):
                near = policy.of(port.port, subset).by_locality if policy else None
                if near is None:
                    made = compile_endpoints(members, port, subset, first=first)
                else:
                    outlook = Outlook(node=view.node.name, locality=view.node.locality, balancing=near)
                    there = located(members, view.nodes)
                    made = compile_endpoints(there, port, subset, first=first, outlook=outlook)
                yield made
                if policy is not None and policy.failover(subset):
                    yield standing_alone(made)


def _listeners(view: NodeView, meshed: list[AttachedPod]) -> tuple[list[Resource], list[Resource]]:
    """Pods of one namespace (and with the same labels, where a route asks for labels) dial the same ports."""
    known = _dialled(view.services, view.tables, view.endpoints, view.policies)
    asked, copied = _asking(view.tables)
    pairs: list[tuple[AttachedPod, Ports, Told]] = []
    used: dict[int, Ports] = {}
    for attached in meshed:
        pod = attached.pod
        labels = frozenset(pod.labels if asked else ())
        among = among_of(view.policies, pod.namespace, pod.labels)
        key = pod.namespace, labels, pod.uid * copied, pod.outbound, pod.calling, among
        if key not in known:
            known[key] = dialled(scopes_of(view, pod), view.endpoints, closed=pod.outbound.registry_only)
        pairs.append((attached, known[key], told_of(pod.logging.client, pod.paths)))
        used[id(known[key])] = known[key]
    trust = view.config.domains
    listeners = [compile_inbound(attached, trust) for attached in meshed]
    routes = [r for ports in used.values() for r in _routes(ports)]
    routes += [made for attached in meshed for made in compile_inbound_routes(attached.pod)]
    return [*listeners, *_outbound(_sharing(pairs))], routes


def _sharing(pods: list[tuple[AttachedPod, Ports, Told]]) -> Iterator[tuple[AttachedPod, Dials]]:
    """Each with what it has in common with others."""
    asked = {(id(ports), id(told)): (ports, told) for _, ports, told in pods}
    made = dict(zip(asked, _common(asked.values()), strict=True))
    return ((attached, made[id(ports), id(told)]) for attached, ports, told in pods)


def _own_authorizers(meshed: list[AttachedPod]) -> Iterator[Resource]:
    """Clusters for what pods ask inside themselves."""
    for attached in meshed:
        check = check_of(attached.pod.authorization)
        made = own_authorizer(attached, check) if check is not None else None
        if made is not None:
            yield made


def _mirrors(view: NodeView, meshed: list[AttachedPod]) -> list[tuple[Resource, str]]:
    """Clusters for copies of requests, and for what authorizers and counters are asked, for pods that need some.

    Each comes with the cluster that has its endpoints.
    """
    found: list[tuple[Resource, str]] = []
    known, behind = _called_by_home(view.services, view.tables), _behind(view)
    for attached in meshed:
        home = attached.pod.namespace
        if home not in known:
            known[home] = _called_from(view, home)
        targets = set(known[home])
        check = check_of(attached.pod.authorization)
        targets |= {f"{check.namespace}/{check.service}"} if check is not None else set()
        counters = (limit.counter for limit in attached.pod.limits if limit.counter is not None)
        targets |= {f"{counter.namespace}/{counter.service}" for counter in counters}
        client = Client(uid=attached.pod.uid, netns=attached.netns, identity=attached.pod.identity)
        among = among_of(view.policies, home, attached.pod.labels)
        found += ((made, _shared(name, among)) for made, name in _copies(view, behind, client, targets, among))
    return found


def _called_apart(view: NodeView, meshed: list[AttachedPod]) -> Iterator[tuple[Resource, str]]:
    """Clusters of Services whose pods' calls have limits of their own."""
    behind = _behind(view)
    groups: dict[tuple[str, str, Among], Calling] = {}
    for pod in (attached.pod for attached in meshed):
        if pod.calling is not None:
            among = among_of(view.policies, pod.namespace, pod.labels)
            groups[pod.calling.namespace, pod.calling.service, among] = pod.calling
    made: dict[str, tuple[Resource, str]] = {}
    for (_, _, among), calling in sorted(groups.items(), key=lambda item: item[0]):
        for key in inside(view.services):
            who = dict(among).get(key, "")
            found = calling_clusters(
                view.services[key],
                policy=_policy(view, view.services[key], policy_among(view.policies.get(key), who)),
                identities=behind.get(key, ()),
                trust=view.config.domains,
                domain=view.config.cluster_domain,
                calling=calling,
                who=who,
            )
            made.update((cluster.name, (cluster, shared)) for cluster, shared in found)
    yield from made.values()


def _called_from(view: NodeView, home: str) -> frozenset[str]:
    """What proxies of pods of a namespace send by clusters of their own."""
    tables = (view.tables.get(f"{key}@{home}") or view.tables.get(key) for key in view.services)
    return frozenset(f"{b.namespace}/{b.service}" for table in tables if table for b in called(table))


def _shared(cluster: str, among: Among) -> str:
    """The cluster that has the endpoints of one, as some caller sees it."""
    named = names.service_port(cluster)
    who = dict(among).get(f"{named[0]}/{named[1]}") if named is not None and among else None
    return cluster if who is None else names.for_callers(who, cluster)


def _copies(
    view: NodeView, behind: Behind, client: Client, targets: set[str], among: Among
) -> Iterator[tuple[Resource, str]]:
    """Each with the name of the shared cluster that it is like."""
    for key in sorted(targets & view.services.keys()):
        policy = policy_among(view.policies.get(key), dict(among).get(key, ""))
        yield from client_clusters(
            view.services[key],
            policy=_policy(view, view.services[key], policy),
            identities=behind.get(key, ()),
            trust=view.config.domains,
            domain=view.config.cluster_domain,
            client=client,
        )


@same_as_before
def _gateways(
    keys: dict[str, str],
    node: Node,
    config: MeshConfig,
    services: dict[str, Service],
    gateways: dict[str, Gateway],
    policies: dict[str, TrafficPolicy],
) -> tuple[list[Resource], list[Resource], list[Resource]]:
    """Listeners, what judges at them, and routes. A gateway without a family of the node's own is not served here.

    No pod that comes or goes changes them, and no endpoint.
    """
    view = NodeView(node=node, keys=keys, config=config, services=services, gateways=gateways, policies=policies)
    own = own_addresses(node.pod_cidrs)
    listeners: list[Resource] = []
    guards: list[Resource] = []
    routes: list[Resource] = []
    for gateway in view.gateways.values():
        versions = sorted(set(map(family, view.reached_at(gateway))) & own.keys())
        if versions:
            here = tuple(own[version] for version in versions)
            listeners += compile_gateway(gateway, here)
            guards += compile_gateway_guards(gateway, here, view.keys)
            routes += compile_gateway_routes(gateway, _gateway_hashes(view, gateway))
    return listeners, guards, routes


def _gateway_hashes(view: NodeView, gateway: Gateway) -> Hashes:
    keys = sorted({f"{b.namespace}/{b.service}" for b in destinations_of(gateway)} & view.services.keys())
    policies = policies_among(view.policies, among_of(view.policies, gateway.namespace, gateway.labels))
    known = [key for key in keys if key in policies]
    return tuple(hashes for key in known for hashes in service_hashes(view.services[key], policies[key]))


@same_as_before
def _gateway_clusters(
    behind: Behind,
    node: Node,
    config: MeshConfig,
    services: dict[str, Service],
    gateways: dict[str, Gateway],
    policies: dict[str, TrafficPolicy],
) -> list[tuple[Resource, str]]:
    """Everything that a gateway sends goes by clusters of its own, each with the one that has its endpoints."""
    view = NodeView(node=node, config=config, services=services, gateways=gateways, policies=policies)
    found: list[tuple[Resource, str]] = []
    for gateway in view.gateways.values():
        targets = services_used(gateway)
        standing = tuple(_places(services, policies, targets))
        places = {f"{place.namespace}/{place.service}" for _, place in standing}
        among = among_of(policies, gateway.namespace, gateway.labels)
        for client, shared in clusters_used(gateway).items():
            used = shared | {names.alone(name) for name in shared}
            used |= {standing_in(place, port) for port, place in standing}
            made = _copies(view, behind, client, targets | places, among)
            found += ((cluster, _shared(name, among)) for cluster, name in made if name in used)
    return found


def _places(
    services: Mapping[str, Service], policies: Mapping[str, TrafficPolicy], targets: set[str]
) -> Iterator[tuple[int, Place]]:
    """What stands in for these Services, each with the port of which it does."""
    for key in targets & services.keys() & policies.keys():
        for failover in policies[key].failovers:
            yield from ((port.port, place) for port in services[key].ports for place in failover.places)


_Dialling = tuple[str, frozenset[tuple[str, str]], str, Outbound, Calling | None, Among]
"""Of a pod what matters for what it can dial."""


@same_as_before
def _dialled(*_parts: object) -> dict[_Dialling, Ports]:
    """What has been worked out of these parts of a view: a new dictionary when one of them is new."""
    return {}


@same_as_before
def _called_by_home(*_parts: object) -> dict[str, frozenset[str]]:
    """The same, by namespace, for what its pods' proxies send by clusters of their own."""
    return {}


@same_as_before
def _asking(tables: dict[str, RouteTable]) -> tuple[bool, bool]:
    """Whether a route asks for labels of the source, and whether one sends by clusters of the client."""
    return any(map(source_limits, tables.values())), any(map(called, tables.values()))


def _routes(ports: Ports) -> list[Resource]:
    own = [compile_route_config(scope) for scope, f in ports.chains if scope.reads_requests and f.route is None]
    return [*own, *(compile_hosted(hosted) for hosted in ports.hosted)]


def _by_name(resources: Iterable[Resource]) -> dict[str, Resource]:
    return {resource.name: resource for resource in sorted(resources, key=lambda r: r.name)}
