"""`tandem explain` from a client to a gateway: listener, policies there, route, and each way on to a pod.

In: the World, a Question, the client and the Gateway. Out: an Explanation. Every node that may serve the gateway is
asked about: to a pod of its own node it comes from the last address of the network of Services, else from the node's.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from tandem.base.addresses import family
from tandem.compile.addresses import edge_source, own_addresses
from tandem.model import core
from tandem.model.gateways import Gateway
from tandem.model.world import World
from tandem.reference import limits
from tandem.reference.authentication import authenticate
from tandem.reference.authorization import Asked, decide_authorization
from tandem.reference.authorizers import trusted_proxies
from tandem.reference.edgeroutes import decide_connection, decide_request
from tandem.reference.listeners import REQUESTS, SECURE, Found, take
from tandem.reference.request import Request, RouteDecision, Share
from tandem.views.datagrams import explain_datagrams
from tandem.views.parties import ExplainError, Party
from tandem.views.ways import Explanation, Line, Question, Way, counted, endpoints, summary, troubled, way_to


class _Came(msgspec.Struct, frozen=True, kw_only=True):
    """What comes in: by which listener, and with which headers it goes on; `denied`: the rules that refuse it."""

    lines: tuple[Line, ...]
    headers: dict[str, str] = {}
    denied: tuple[Line, ...] = ()


def explain_gateway(world: World, question: Question, source: Party, target: Party) -> Explanation:
    """Answer a Question about a gateway; raises ExplainError if it is asked from a pod."""
    gateway = target.gateway
    assert gateway is not None  # noqa: S101 - the caller looked
    if source.pod is not None:
        raise ExplainError("FROM of a gateway is the address of a client; for a pod ask about the Service behind it")
    host = (question.host or dict(question.headers).get("host", "") or target.address).lower()
    bare = _without_port(host)
    sni = question.sni or bare
    taken = take(world, gateway, target.port, sni=sni, host=bare)
    lines = [Line(layer="listener", effect="listener", text=s.text, rule=s.origin) for s in taken.steps]
    found = taken.listener
    if found is not None and found.listener.protocol == "UDP":
        return explain_datagrams(world, question, (source, target), gateway, (found, lines))
    came = _Came(lines=())
    if found is not None or taken.status:
        came = _judged(world, question, source, (gateway, target), host=host, sni=sni, listener=found)
        lines += came.lines
    route = RouteDecision(status=taken.status)
    ways: tuple[Way, ...] = ()
    if not came.denied and found is not None:
        onward = msgspec.structs.replace(question, headers=tuple((came.headers | {"host": host}).items()))
        route = _routed(world, onward, found, target.port, host=bare, sni=sni)
        lines += [Line(layer="route", effect="route", text=s.text, rule=s.origin) for s in route.steps]
        requests = found.listener.protocol in REQUESTS
        if route.rule is not None:
            asked = question.method or "GET", question.path or "/", dict(onward.headers)
            own = found.listener.name if found.holder is gateway else ""
            lines += map(counted, limits.counted_at_gateway(world, gateway, own, *asked))
            lines += map(counted, limits.counted_at_route(world, route.rule, *asked))
            lines += troubled(world, route.rule)
        passed = found.listener.tls is not None and found.listener.tls.mode == "Passthrough"
        ways = tuple(_ways(world, onward, gateway, route.backends, requests=requests, handed_on=passed))
    denied = tuple(line.rule for line in came.denied if line.rule is not None)
    by = denied or tuple(dict.fromkeys(o for w in ways if not w.allowed for o in w.decided_by))
    told = summary(source, target, ways, status=route.status)
    if came.denied:
        told = f"{source.label} to {target.label}: denied at the gateway by {'; '.join(map(str, denied))}"
    return Explanation(
        allowed=not came.denied and bool(ways) and all(way.allowed for way in ways),
        summary=told,
        source=source.label,
        destination=target.label,
        route=tuple(lines),
        ways=ways,
        decided_by=by,
    )


def _without_port(host: str) -> str:
    """An address of IPv6 has colons of its own, and stands in brackets where a port follows."""
    name, _, port = host.rpartition(":")
    return name if port.isdigit() and (":" not in name or name.endswith("]")) else host


def _judged(
    world: World,
    question: Question,
    source: Party,
    at: tuple[Gateway, Party],
    *,
    host: str,
    sni: str,
    listener: Found | None,
) -> _Came:
    """By the policies of the gateway, which judge requests before there is a route, and connections."""
    gateway, target = at
    headers = {name: value for name, value in question.headers if name != "host"}
    if listener is None:
        protocols = {one.protocol for one in gateway.spec.listeners if one.port == target.port}
    else:
        protocols = {listener.listener.protocol}
    parsed, secure = bool(protocols & set(REQUESTS)), bool(protocols & set(SECURE))
    path, lines = question.path or "/", list[Line]()
    asked = Asked(
        source=source.address,
        client=_client(world, source.address, headers) if parsed else "",
        sni=sni if secure else "",
        destination=target.address,
        port=target.port,
        parsed=parsed,
        method=question.method or "GET",
        path=path,
        host=host,
        headers=headers | {"host": host},
    )
    if parsed:
        token = authenticate(world, gateway, path, headers)
        lines += [Line(layer="authentication at the gateway", effect=s.text, rule=s.origin) for s in token.steps]
        headers, asked = dict(token.headers), msgspec.structs.replace(asked, claims=token.claims)
        if token.by:
            denied = tuple(line for line in lines if line.rule in token.by)
            return _Came(lines=tuple(lines), denied=denied)
    decision = decide_authorization(world, gateway, asked)
    layer = "authorization at the gateway"
    lines += [Line(layer=layer, effect=s.text, rule=s.origin) for s in decision.steps]
    refused = tuple(Line(layer=layer, effect="denies", rule=origin) for origin in decision.by)
    return _Came(lines=tuple(lines), headers=headers, denied=() if decision.allowed else refused)


def _client(world: World, address: str, headers: dict[str, str]) -> str:
    """Who the last so many proxies say that the client is; what fewer have said counts for nothing."""
    hops = trusted_proxies(world)
    said = [part.strip() for part in headers.get("x-forwarded-for", "").split(",") if part.strip()]
    return said[-hops] if 0 < hops <= len(said) else address


def _routed(world: World, question: Question, found: Found, port: int, *, host: str, sni: str) -> RouteDecision:
    if found.listener.protocol not in REQUESTS:
        return decide_connection(world, found, sni)
    request = Request(
        source_namespace="",
        namespace="",
        service="",
        port=port,
        method=question.method or "GET",
        path=question.path or "/",
        headers=dict(question.headers),
        authority=host,
    )
    return decide_request(world, found, request)


def _ways(
    world: World,
    question: Question,
    gateway: Gateway,
    shares: tuple[Share, ...],
    *,
    requests: bool,
    handed_on: bool,
) -> Iterator[Way]:
    """One for each endpoint, and one more for each node from which something else comes of it."""
    seen: set[tuple[str, int]] = set()
    for share in shares:
        for end in endpoints(world, share, 0) if not share.status else ():
            if (end.address, end.port) in seen:
                continue
            seen.add((end.address, end.port))
            told: dict[tuple[object, ...], list[str]] = {}
            ways: dict[tuple[object, ...], Way] = {}
            for where, address in _senders(world, question, end):
                sender = Party(label=where, address=address, gateway=gateway)
                way = way_to(world, question, sender, end, share=share, requests=requests, handed_on=handed_on)
                verdict = (way.allowed, way.decided_by)
                told.setdefault(verdict, []).append(f"{where} as {address}")
                ways.setdefault(verdict, way)
            for key, way in ways.items():
                line = Line(layer="gateway", effect="sends", text=f"from {', '.join(told[key])}")
                yield msgspec.structs.replace(way, steps=(line, *way.steps))


def _senders(world: World, question: Question, end: Party) -> Iterator[tuple[str, str]]:
    """Each node that may serve gateways, with the addresses by which it speaks to the pod."""
    version = family(end.address)
    home = end.pod.spec.node_name if end.pod is not None else ""
    nodes = [node for node in world.sorted(core.Node) if core.NO_BALANCER not in node.metadata.labels]
    if not nodes:
        yield "the pod's node", edge_source(question.service_cidrs, version)
    for node in nodes:
        if node.metadata.name == home:
            yield f"node {home}", edge_source(question.service_cidrs, version)
            continue
        own = own_addresses(node.spec.pod_cidrs or ((node.spec.pod_cidr,) if node.spec.pod_cidr else ()))
        given = (a.address for a in node.status.addresses if a.type == "InternalIP")
        for address in dict.fromkeys((*own.values(), *given)):
            if family(address) == version:
                yield f"node {node.metadata.name}", address
