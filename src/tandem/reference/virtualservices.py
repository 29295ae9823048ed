"""Istio's routing of one request: VirtualServices by host and age, matches in order, subsets by DestinationRule."""

from __future__ import annotations

import base64
import re
from urllib.parse import parse_qsl, urlsplit

import msgspec

from tandem.base.problems import Origin
from tandem.model import core
from tandem.model.istio import (
    HttpMatch,
    L4Destination,
    L4Route,
    RouteDestination,
    StringMatch,
    VirtualService,
)
from tandem.model.world import World
from tandem.reference.delegates import Effective, Pair, effective, gateways_of
from tandem.reference.destinationrules import destination_rules
from tandem.reference.request import ANYBODY, Caller, Request, RouteDecision, Share, Step
from tandem.reference.support import age, host, refused, seconds_ms


def decide_virtualservices(world: World, request: Request, cluster_domain: str) -> RouteDecision | None:
    """The decision of the VirtualServices of the Service's host; None if none of them is about this request."""
    steps: list[Step] = []
    about: VirtualService | None = None
    for source in sorted(world.all(VirtualService).values(), key=age):
        if not names_host(source, request, cluster_domain) or not exported(source, request.source_namespace):
            continue
        why = refused(world, source)
        if why:
            steps.append(Step(text=f"not applied: {why}", origin=source.origin()))
            continue
        if source.spec.gateways and "mesh" not in source.spec.gateways:
            steps.append(Step(text="is about gateways alone", origin=source.origin()))
            continue
        for one in effective(world, source):
            if one.owner is not source and refused(world, one.owner):
                continue
            origin = one.owner.origin(f"spec.http[{one.index}]")
            pairs = [_of_gateways(pair) for pair in one.pairs or ()]
            if one.pairs is not None and not any(all(concerns(m, request) for m in pair) for pair in pairs):
                steps.append(Step(text="is about other ports or sources", origin=origin))
                continue
            about = about or source
            if one.pairs is not None and not any(all(holds(m, request) for m in pair) for pair in pairs):
                steps.append(Step(text="does not match", origin=origin))
                continue
            steps.append(Step(text="matches", origin=origin))
            return act(world, request, one, (cluster_domain, steps))
    if about is None:
        return None
    steps.append(Step(text="no route matches: answered with 404", origin=about.origin()))
    return RouteDecision(rule=about.origin(), status=404, steps=tuple(steps))


def _of_gateways(pair: Pair) -> Pair:
    """One that names gateways, of which `mesh` is one, says nothing else about sources."""
    if not gateways_of(pair):
        return pair
    return tuple(msgspec.structs.replace(match, source_namespace="", source_labels={}) for match in pair)


def act(world: World, request: Request, rule: Effective, notes: tuple[str, list[Step]]) -> RouteDecision:
    """What the route does with the request; `notes`: the cluster's domain, and the steps so far."""
    source, index, route = rule.owner, rule.index, rule.route
    cluster_domain, steps = notes
    origin = source.origin(f"spec.http[{index}]")
    if route.direct_response is not None:
        status, given = route.direct_response.status, route.direct_response.body
        body = given.string or base64.b64decode(given.bytes).decode(errors="replace")
        return RouteDecision(rule=origin, index=index, status=status, body=body, steps=tuple(steps))
    if route.redirect is not None:
        return RouteDecision(rule=origin, index=index, status=route.redirect.redirect_code, steps=tuple(steps))
    shares = []
    for j, destination in enumerate(route.route):
        share, said = _share(world, request, source, (destination, cluster_domain))
        if len(route.route) > 1 and destination.weight == 0:
            continue
        weight = 1 if len(route.route) == 1 else destination.weight
        shares.append(_weighted(share, weight))
        if said:
            steps.append(Step(text=said, origin=source.origin(f"spec.http[{index}].route[{j}].destination")))
    timeout = seconds_ms(route.timeout)
    if shares and all(s.status for s in shares):
        return RouteDecision(rule=origin, index=index, status=503, steps=tuple(steps))
    return RouteDecision(rule=origin, index=index, backends=tuple(shares), timeout_ms=timeout, steps=tuple(steps))


def carried(
    world: World,
    source: VirtualService,
    route: L4Route,
    at: tuple[int, Origin],
    domain: str = "cluster.local",
    *,
    caller: Caller = ANYBODY,
) -> RouteDecision:
    """Connections of a route to its destinations by weight; what goes to one that is not there is closed.

    `at`: the port that is dialled, and the route.
    """
    port, origin = at
    asked = Request(source_namespace="", namespace="", service="", port=port, gateway=caller)
    steps = [Step(text="has the connection", origin=origin)]
    shares = []
    for one in route.route:
        weight = 1 if len(route.route) == 1 else one.weight
        share, said = _share(world, asked, source, (one, domain))
        steps += [Step(text=said.replace("answered with 503", "closed"), origin=origin)] if said else []
        if weight and not said:
            shares.append(_weighted(share, weight))
    return RouteDecision(rule=origin, backends=tuple(shares), steps=tuple(steps))


def _weighted(share: Share, weight: int) -> Share:
    return Share(
        namespace=share.namespace,
        service=share.service,
        port=share.port,
        subset=share.subset,
        labels=share.labels,
        status=share.status,
        weight=weight,
    )


def _share(
    world: World, request: Request, source: VirtualService, target: tuple[RouteDestination | L4Destination, str]
) -> tuple[Share, str]:
    """The backend of a destination, and what is wrong with it."""
    destination, domain = target[0].destination, target[1]
    namespace, name = host(destination.host, source.metadata.namespace, domain)
    service = world.get(core.Service, namespace, name)
    wanted = destination.port.number if destination.port else 0
    if service is not None and service.spec.type == "ExternalName":
        own = [p.port for p in service.spec.ports]
        wanted = wanted or (own[0] if len(own) == 1 else request.port)
        namespace, name = host(service.spec.external_name.lower().removesuffix("."), "", domain)
        service = world.get(core.Service, namespace, name)
    if service is None or service.spec.type == "ExternalName":
        gone = Share(namespace=namespace, service=name, port=wanted, subset=destination.subset, status=503)
        return gone, f"no Service {namespace}/{name}: answered with 503"
    tcp = [p.port for p in service.spec.ports if p.protocol == "TCP"]
    port = wanted or (tcp[0] if len(tcp) == 1 else request.port)
    labels: dict[str, str] = {}
    said = ""
    if wanted and wanted not in tcp:
        said = f"Service {namespace}/{name} has no port {wanted}: answered with 503"
    if destination.subset:
        found = subset(world, (namespace, name), (destination.subset, domain), request.caller)
        if found is None:
            said = f"no DestinationRule defines subset {destination.subset!r} of {namespace}/{name}: answered with 503"
        labels = found or {}
    share = Share(
        namespace=namespace,
        service=name,
        port=port,
        subset=destination.subset,
        labels=labels,
        status=503 if said else 0,
    )
    return share, said


def subset(
    world: World, service: tuple[str, str], wanted: tuple[str, str], caller: Caller = ANYBODY
) -> dict[str, str] | None:
    """The labels of a subset (name, cluster domain), from the oldest rule that defines it; None: nobody does."""
    name, domain = wanted
    for rule in destination_rules(world, service, caller, cluster_domain=domain):
        for candidate in rule.spec.subsets:
            if candidate.name == name:
                return dict(candidate.labels)
    return None


def names_host(source: VirtualService, request: Request, domain: str) -> bool:
    """Whether it is about the Service of the request."""
    wanted = (request.namespace, request.service)
    return any(host(h, source.metadata.namespace, domain) == wanted for h in source.spec.hosts)


def exported(source: VirtualService, to: str) -> bool:
    """Whether clients of a namespace see it."""
    allowed = source.spec.export_to or ("*",)
    return any(e in {"*", to} or (e == "." and source.metadata.namespace == to) for e in allowed)


def concerns(match: HttpMatch, request: Request) -> bool:
    """The part of a match that does not depend on the request's content: port and source."""
    if match.port and match.port != request.port:
        return False
    if match.source_namespace and match.source_namespace != request.source_namespace:
        return False
    return all(request.source_labels.get(k) == v for k, v in match.source_labels.items())


def holds(match: HttpMatch, request: Request) -> bool:
    """Every part of the match."""
    url = urlsplit(request.path)
    if not concerns(match, request):
        return False
    if match.uri is not None and not _string(match.uri, url.path, ignore_case=match.ignore_uri_case):
        return False
    for wanted, value in (
        (match.method, request.method),
        (match.scheme, request.scheme),
        (match.authority, request.authority),
    ):
        if wanted is not None and not _string(wanted, value):
            return False
    headers = {
        **request.headers,
        ":method": request.method,
        ":path": request.path,
        ":authority": request.authority,
        ":scheme": request.scheme,
    }
    for name, wanted in match.headers.items():
        if name.lower() not in headers or not _string(wanted, headers[name.lower()]):
            return False
    for name, wanted in match.without_headers.items():
        anything = StringMatch() if wanted.regex == "*" else wanted
        if name.lower() in headers and _string(anything, headers[name.lower()]):
            return False
    query = dict(reversed(parse_qsl(url.query, keep_blank_values=True)))
    return all(name in query and _string(wanted, query[name]) for name, wanted in match.query_params.items())


def _string(match: StringMatch, value: str, *, ignore_case: bool = False) -> bool:
    if match.regex is not None:
        return re.fullmatch(match.regex, value) is not None
    if ignore_case:
        value = value.lower()
        match = StringMatch(
            exact=match.exact.lower() if match.exact is not None else None,
            prefix=match.prefix.lower() if match.prefix is not None else None,
        )
    if match.exact is not None:
        return value == match.exact
    return match.prefix is None or value.startswith(match.prefix)
