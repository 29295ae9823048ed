"""`tandem explain FROM TO`: may one workload talk to another, which rules decide, and on the way of which request.

In: the World and a Question. Out: an Explanation, JSON-ready: the verdict and every rule from egress policy to L7. It
is made by the reference evaluators from the objects themselves, before any packet is sent.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import Final

import msgspec

from tandem.base.addresses import IPV4, IPV6, family
from tandem.base.problems import Origin
from tandem.model import core
from tandem.model.istio import DestinationRule
from tandem.model.selectors import matches_map
from tandem.model.world import World
from tandem.reference import hosts, limits, locality, policy, routes
from tandem.reference.authentication import Authentication, authenticate
from tandem.reference.authorization import Asked, decide_authorization, speaks_grpc, speaks_http
from tandem.reference.mtls import MtlsDecision, Outcome, decide_direct, decide_mtls, in_mesh
from tandem.reference.request import Request, RouteDecision, Share
from tandem.reference.services import is_own, ranges_for
from tandem.reference.virtualservices import destination_rules
from tandem.views.parties import ExplainError, Party, destination_of, source_of

SOMEWHERE: Final = "0.0.0.0"  # noqa: S104 - bound to nothing: an address of outside that no policy names
"""Stands for the address of a name that nobody has asked for yet."""


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """FROM and TO as the user writes them; `path` and the like make it a question about a request."""

    source: str
    destination: str
    namespace: str = "default"
    protocol: str = "TCP"
    method: str = ""
    path: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    trust_domain: str = "cluster.local"
    dns_addresses: tuple[str, ...] = ("10.96.0.10",)
    """Where DNS is in this cluster."""
    names: Mapping[str, Mapping[str, tuple[str, ...]]] = {}
    """Node -> the addresses that domain names are known to have there."""


def question(
    asked: Mapping[str, str],
    dns_addresses: tuple[str, ...] = ("10.96.0.10",),
    names: Mapping[str, Mapping[str, tuple[str, ...]]] | None = None,
) -> Question:
    """A Question from its form as a query (`headers` is a JSON list of pairs); raises ExplainError."""
    try:
        headers = msgspec.json.decode(asked.get("headers") or "[]", type=tuple[tuple[str, str], ...])
    except msgspec.DecodeError as err:
        raise ExplainError(f"headers: {err}") from err
    return Question(
        source=asked.get("from", ""),
        destination=asked.get("to", ""),
        namespace=asked.get("namespace") or "default",
        method=asked.get("method", ""),
        path=asked.get("path", ""),
        headers=tuple((name.lower(), value) for name, value in headers),
        dns_addresses=dns_addresses,
        names=names or {},
    )


class Line(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One step: on which layer, what it did, why, and the rule that it is about."""

    layer: str
    effect: str
    text: str = ""
    rule: Origin | None = None


class Way(msgspec.Struct, frozen=True, kw_only=True):
    """What happens towards one endpoint."""

    destination: str
    address: str
    port: int
    allowed: bool
    transport: str
    """mtls, plain, or refused."""
    answered: bool = False
    """The denial is answered (reset, ICMP), because the policies that deny ask for that."""
    decided_by: tuple[Origin, ...]
    steps: tuple[Line, ...]


class Explanation(msgspec.Struct, frozen=True, kw_only=True):
    """The answer. `allowed` is True only if every endpoint that could be chosen may be reached."""

    allowed: bool
    summary: str
    source: str
    destination: str
    route: tuple[Line, ...]
    ways: tuple[Way, ...]
    decided_by: tuple[Origin, ...] = ()


def explain(world: World, question: Question) -> Explanation:
    """Answer a Question; raises ExplainError if FROM or TO names nothing."""
    source = source_of(world, question.source, question.namespace)
    target = destination_of(world, question.destination, question.namespace)
    route: tuple[Line, ...] = ()
    shares: tuple[Share, ...] = ()
    status = 0
    if target.service is not None:
        decision = _route(world, question, source, target)
        route = tuple(Line(layer="L7 route", effect="route", text=s.text, rule=s.origin) for s in decision.steps)
        if decision.rule is not None:
            asked = question.method or "GET", question.path or "/", dict(question.headers)
            route += tuple(map(_counted, limits.counted_at_route(world, decision.rule, *asked)))
        shares, status = decision.backends, decision.status
    ways = _ways(world, question, source, target, shares)
    allowed = bool(ways) and all(w.allowed for w in ways)
    return Explanation(
        allowed=allowed,
        summary=_summary(source, target, ways, status=status),
        source=source.label,
        destination=target.label,
        route=route,
        ways=ways,
        decided_by=tuple(dict.fromkeys(o for w in ways if not w.allowed for o in w.decided_by)),
    )


def _route(world: World, question: Question, source: Party, target: Party) -> RouteDecision:
    """Pods outside the mesh reach the Service itself: routes are the work of the proxy."""
    assert target.service is not None  # noqa: S101 - the caller looked
    namespace, name = target.service.key
    own = Share(namespace=namespace, service=name, port=target.port)
    if source.pod is None or not in_mesh(source.pod, world)[0] or not is_own(target.service, target.address):
        return RouteDecision(backends=(own,), steps=())
    return routes.decide(
        world,
        Request(
            source_namespace=source.pod.metadata.namespace,
            source_labels=dict(source.pod.metadata.labels),
            namespace=namespace,
            service=name,
            port=target.port,
            method=question.method or "GET",
            path=question.path or "/",
            headers={**_presumed(target), **dict(question.headers)},
        ),
    )


def _presumed(target: Party) -> dict[str, str]:
    """At a port of gRPC a request is one of gRPC, unless its headers say otherwise."""
    ports = target.service.spec.ports if target.service is not None else ()
    grpc = any(speaks_grpc(port) for port in ports if port.port == target.port)
    return {"content-type": "application/grpc"} if grpc else {}


def _ways(world: World, question: Question, source: Party, target: Party, shares: tuple[Share, ...]) -> tuple[Way, ...]:
    if target.domain:

        def ways(end: Party) -> list[Way]:
            return [_way(world, question, source, one, share=None) for one in _addresses(question, source, end)]

        return _outside(world, source, target, ways)
    if target.service is None:
        way = _way(world, question, source, target, share=_headless(world, target))
        return (way if target.pod is not None else _beyond(world, source, way),)
    found: dict[tuple[str, int], Way] = {}
    through = is_own(target.service, target.address)
    for share in shares:
        ends = _endpoints(world, share, _version(world, share, target))
        for end, line in _near(world, source, share, ends) if through else ((end, None) for end in ends):
            way = _way(world, question, source, end, share=share if through else None)
            if line is not None:
                way = msgspec.structs.replace(way, steps=(line, *way.steps))
            found.setdefault((end.address, end.port), _limited(source, target, way))
    return tuple(found.values())


def _near(world: World, source: Party, share: Share, ends: list[Party]) -> Iterator[tuple[Party, Line | None]]:
    """The endpoints that get requests of a client in the mesh, each with its turn or its part by locality."""
    pod, service = source.pod, world.get(core.Service, share.namespace, share.service)
    pods = [end.pod for end in ends if end.pod is not None]
    node = pod.spec.node_name if pod is not None and in_mesh(pod, world)[0] else ""
    chosen = bool(node) and service is not None and service.spec.cluster_ip != "None"
    known = locality.standings(world, node, share, pods) if chosen else None
    if known is None:
        yield from ((end, None) for end in ends)
        return
    for end in ends:
        stands = known.get(end.pod.key) if end.pod is not None else None
        if stands is None:
            continue
        effect = "comes first" if stands.turn == 0 else f"stands by, turn {stands.turn + 1}"
        if stands.part is not None:
            effect = f"gets {float(stands.part * 100):.0f} of 100"
        text = f"in {stands.where}; the client's node {node} is in {locality.node_text(world, node)}"
        yield end, Line(layer="locality", effect=effect, text=text, rule=stands.rule)


def _limited(source: Party, target: Party, way: Way) -> Way:
    """A load balancer's address is for some sources alone, pods and nodes no exception."""
    assert target.service is not None  # noqa: S101 - the caller looked
    ranges = ranges_for(target.service, target.address)
    if not ranges:
        return way
    origin = target.service.origin("spec.loadBalancerSourceRanges")
    here = next((prefix for prefix in ranges if _lies_in(source.address, prefix)), "")
    text = f"{source.address} is in {here}" if here else f"{source.address} is in none of {', '.join(ranges)}"
    line = Line(layer="Service", effect="allows" if here else "denies", text=text, rule=origin)
    steps = (line, *way.steps)
    return msgspec.structs.replace(
        way,
        allowed=way.allowed and bool(here),
        decided_by=way.decided_by if here else (origin, *way.decided_by),
        steps=steps,
    )


def _lies_in(address: str, prefix: str) -> bool:
    """What is no prefix holds nothing."""
    with suppress(ValueError):
        return ipaddress.ip_address(address) in ipaddress.ip_network(prefix.strip(), strict=False)
    return False


def _beyond(world: World, source: Party, way: Way) -> Way:
    """A bare address outside: refused where nothing but the registry may be reached, and no entry can be meant."""
    pod = source.pod
    if pod is None or not in_mesh(pod, world)[0]:
        return way
    by = hosts.refusal(world, pod, None, way.address)
    if by is None or hosts.known_at(world, way.address, way.port, pod.metadata.namespace):
        return way
    line = Line(layer="outbound", effect="denies", text="no ServiceEntry that the pod sees has the address", rule=by)
    return msgspec.structs.replace(way, allowed=False, decided_by=way.decided_by or (by,), steps=(line, *way.steps))


def _end(target: Party, address: str, port: int) -> Party:
    """An endpoint of a host: an address, or again a name."""
    label = f"{target.label} ({address}:{port})"
    if hosts.is_address(address):
        return Party(label=label, address=address, port=port)
    return Party(label=label, domain=address.lower(), port=port)


def _outside(world: World, source: Party, target: Party, ways: Callable[[Party], list[Way]]) -> tuple[Way, ...]:
    """A domain name, which a ServiceEntry may have: then what is behind it is dialled, where the pod may go there."""
    pod = source.pod
    if pod is None or not in_mesh(pod, world)[0]:
        return tuple(ways(target))
    host = hosts.host_of(world, target.domain, target.port, pod.metadata.namespace)
    by = hosts.refusal(world, pod, host, target.domain)
    ends = [target]
    text = "no ServiceEntry that the pod sees has the host"
    if host is not None and by is None:
        text = "the host is that of a ServiceEntry"
        ends = [_end(target, address, port) for address, port in host.ends]
    rule = by or (host.entry.origin() if host is not None else None)
    line = Line(layer="outbound", effect="denies" if by else "allows", text=text, rule=rule)
    found = [way for end in ends for way in ways(end)]
    return tuple(
        msgspec.structs.replace(
            way,
            allowed=way.allowed and by is None,
            decided_by=way.decided_by or ((by,) if by is not None else ()),
            steps=(line, *way.steps),
        )
        for way in found
    )


def _addresses(question: Question, source: Party, target: Party) -> list[Party]:
    """What a domain name is for a pod: each address that is known on its node."""
    if not target.domain:
        return [target]
    found = _names(question, source).get(target.domain, ())
    if not found:
        label = f"{target.domain}:{target.port} (no address is known yet; any outside)"
        return [Party(label=label, address=SOMEWHERE, port=target.port, domain=target.domain)]
    return [Party(label=target.label, address=address, port=target.port) for address in found]


def _names(question: Question, source: Party) -> Mapping[str, tuple[str, ...]]:
    return question.names.get(source.pod.spec.node_name, {}) if source.pod is not None else {}


def _way(world: World, question: Question, source: Party, end: Party, *, share: Share | None) -> Way:
    packet = policy.Packet(
        source=source.facing(end).address,
        destination=end.address,
        source_pod=source.pod.key if source.pod is not None else None,
        destination_pod=end.pod.key if end.pod is not None else None,
        protocol=question.protocol,
        port=end.port,
    )
    # A name of which no address is known is judged by itself: the policy would know its address by then.
    names = {**_names(question, source), **({end.domain: (end.address,)} if end.domain else {})}
    decision = policy.decide(world, packet, dns_addresses=question.dns_addresses, names=names)
    steps = [_line(s) for s in decision.steps]
    if decision.staged is not None:
        steps.append(_would(decision.staged))
    denied = decision.by
    tls = _transport(world, source, end, share)
    if tls is not None:
        steps += [Line(layer="mTLS", effect=tls.outcome.value, text=s.text, rule=s.origin) for s in tls.steps]
    refused = tls is not None and tls.outcome is Outcome.REFUSED
    by = denied or ((tls.rule,) if refused and tls is not None and tls.rule is not None else ())
    if tls is not None and not refused and end.pod is not None and in_mesh(end.pod, world)[0]:
        asked = _asked(world, question, source, end, share=share, tls=tls)
        token = authenticate(world, end.pod, asked.path, asked.headers) if asked.parsed else Authentication()
        steps += [Line(layer="authentication", effect=s.text, rule=s.origin) for s in token.steps]
        asked = msgspec.structs.replace(asked, claims=token.claims)
        authorized = decide_authorization(world, end.pod, asked)
        steps += [Line(layer="authorization", effect=s.text, rule=s.origin) for s in authorized.steps]
        refused = bool(token.by) or not authorized.allowed
        if not refused:
            counted = limits.counted_at_pod(world, end.pod, end.port, asked.method, asked.path, asked.headers)
            steps += map(_counted, counted)
        by = by or token.by or (() if authorized.allowed else authorized.by)
    return Way(
        destination=end.label,
        address=end.address,
        port=end.port,
        allowed=decision.allowed and not refused,
        transport=tls.outcome.value if tls is not None else Outcome.PLAIN.value,
        decided_by=by,
        steps=tuple(steps),
        answered=decision.rejects,
    )


def _counted(found: limits.Counting) -> Line:
    effect = "would be counted" if found.staged else "is counted"
    return Line(layer="rate limit", effect=effect, text=found.text, rule=found.rule)


def _asked(
    world: World, question: Question, source: Party, end: Party, *, share: Share | None, tls: MtlsDecision
) -> Asked:
    """What reaches the pod: a request, where the port of the Service that was dialled says that it is one."""
    principal = ""
    if tls.outcome is Outcome.MTLS and source.pod is not None:
        home, account = source.pod.metadata.namespace, source.pod.spec.service_account_name
        principal = f"{question.trust_domain}/ns/{home}/sa/{account}"
    return Asked(
        principal=principal,
        source=source.facing(end).address,
        destination=end.address,
        port=end.port,
        parsed=share is not None and _is_http(world, share),
        method=question.method or "GET",
        path=question.path or "/",
        host=dict(question.headers).get("host", share.service if share is not None else end.address),
        headers=dict(question.headers),
    )


def _is_http(world: World, share: Share) -> bool:
    service = world.get(core.Service, share.namespace, share.service)
    return service is not None and any(speaks_http(p) for p in service.spec.ports if p.port == share.port)


def _line(step: policy.Step) -> Line:
    """A step of policy; of a tier's rule with the tier, and of a staged one with that."""
    tier = f", {step.tier} tier" if step.tier in {"Admin", "Baseline"} else ""
    staged = ", staged" if step.staged else ""
    return Line(
        layer=f"{step.side} policy{tier}{staged}",
        effect=step.effect,
        text=step.reason,
        rule=step.origin if step.kind else None,
    )


def _would(decision: policy.Decision) -> Line:
    """What staged policies would make of it."""
    verdict = "would be allowed" if decision.allowed else "would be denied"
    by = f" by {'; '.join(map(str, decision.by))}" if decision.by else ""
    rule = decision.by[0] if decision.by else None
    return Line(layer="staged", effect=verdict, text=f"with the staged policies in force{by}", rule=rule)


def _transport(world: World, source: Party, end: Party, share: Share | None) -> MtlsDecision | None:
    """`share` is the Service that the client's proxy takes the address for; None: a pod's address and nothing more."""
    if end.pod is None:
        return None
    if share is None and source.pod is not None and in_mesh(source.pod, world)[0]:
        return decide_direct(world, end.pod, end.port)
    rule = _destination_rule(world, share) if share is not None else None
    return decide_mtls(world, source.pod, end.pod, end.port, rule=rule, dialled=share.port if share is not None else 0)


def _headless(world: World, end: Party) -> Share | None:
    """The headless Service that a pod's own address belongs to: its clients dial pods."""
    for service in world.sorted(core.Service):
        if service.spec.cluster_ip != "None":
            continue
        for port in service.spec.ports:
            share = Share(namespace=service.metadata.namespace, service=service.metadata.name, port=port.port)
            ends = _endpoints(world, share, family(end.address))
            if any((e.address, e.port) == (end.address, end.port) for e in ends):
                return share
    return None


def _destination_rule(world: World, share: Share) -> DestinationRule | None:
    """The rule that says how clients reach the Service: the oldest with a traffic policy, as Istio merges them."""
    found = destination_rules(world, share.namespace, share.service)
    return next((rule for rule in found if rule.spec.traffic_policy is not None), None)


def _version(world: World, share: Share, target: Party) -> int:
    """The family in which its endpoints are reached: that of the address that was dialled, if it is the share's."""
    if target.service is not None and target.service.key == (share.namespace, share.service):
        return family(target.address) if target.address not in {"", "None"} else _first(target.service)
    service = world.get(core.Service, share.namespace, share.service)
    return _first(service) if service is not None else 0


def _first(service: core.Service) -> int:
    """The family that a Service prefers."""
    return IPV6 if service.spec.ip_families[:1] == ("IPv6",) else IPV4


def _endpoints(world: World, share: Share, version: int) -> list[Party]:
    """The ready pods behind a share, with the address and port that are dialled there."""
    service = world.get(core.Service, share.namespace, share.service)
    if service is None:
        return []
    port = next((p for p in service.spec.ports if p.port == share.port), None)
    if port is None:
        return []
    labels = dict(share.labels)
    found = []
    for pod in world.sorted(core.Pod):
        meta = pod.metadata
        chosen = meta.namespace == share.namespace and matches_map(service.spec.selector, meta.labels)
        there = (pod.ready or service.spec.publish_not_ready_addresses) and not pod.finished and not pod.terminating
        if chosen and there and labels.items() <= meta.labels.items():
            number = _number(pod, port)
            if number:
                found.append(Party.of_pod(pod, port=number, version=version))
    return found


def _number(pod: core.Pod, port: core.ServicePort) -> int:
    wanted = port.target_port if port.target_port is not None else port.port
    if isinstance(wanted, int):
        return wanted
    return next((p.container_port for c in pod.spec.containers for p in c.ports if p.name == wanted), 0)


def _summary(source: Party, target: Party, ways: tuple[Way, ...], *, status: int) -> str:
    who = f"{source.label} to {target.label}"
    if not ways:
        return f"{who}: answered with {status} by the proxy" if status else f"{who}: nobody is there to answer"
    bad = [w for w in ways if not w.allowed]
    if not bad:
        kinds = sorted({w.transport for w in ways})
        return f"{who}: allowed, {' or '.join(kinds)}"
    by = "; ".join(str(o) for o in dict.fromkeys(o for w in bad for o in w.decided_by))
    some = "denied" if len(bad) == len(ways) else f"denied for {len(bad)} of {len(ways)} endpoints"
    return f"{who}: {some}" + (f" by {by}" if by else "")


__all__ = ["ExplainError", "Explanation", "Line", "Question", "Way", "explain", "question"]
