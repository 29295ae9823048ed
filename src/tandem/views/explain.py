"""`tandem explain FROM TO`: may one workload talk to another, which rules decide, and on the way of which request.

In: the World and a Question. Out: an Explanation, JSON-ready: the verdict and every rule from egress policy to L7. It
is made by the reference evaluators from the objects themselves, before any packet is sent.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import msgspec

from tandem.base.problems import Origin
from tandem.model import core
from tandem.model.world import World
from tandem.observe.flow import Flow
from tandem.reference import limits, locality, routes
from tandem.reference.authorization import speaks_grpc
from tandem.reference.destinationrules import caller_of
from tandem.reference.hosts import hidden
from tandem.reference.mtls import in_mesh
from tandem.reference.request import Request, RouteDecision, Share
from tandem.reference.services import is_own
from tandem.translate.options import Options
from tandem.views.absent import why_nobody
from tandem.views.beside import answered, beside
from tandem.views.edges import explain_gateway
from tandem.views.endpoints import endpoints, headless, version
from tandem.views.lately import with_lately
from tandem.views.outside import ask_dns, beyond, unregistered, ways_outside
from tandem.views.parties import Party, destination_of, source_of
from tandem.views.ports import ICMP, ExplainError
from tandem.views.translated import by_kernel
from tandem.views.ways import Explanation, Line, Question, Way, counted, summary, way_to

_USUAL: Final = Options()


def question(
    asked: Mapping[str, str],
    options: Options = _USUAL,
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
        protocol=asked.get("protocol", ""),
        method=asked.get("method", ""),
        path=asked.get("path", ""),
        host=asked.get("host", ""),
        sni=asked.get("sni", ""),
        headers=tuple((name.lower(), value) for name, value in headers),
        trust_domain=options.trust_domain,
        cluster_domain=options.cluster_domain,
        dns_addresses=options.dns_addresses,
        names=names or {},
        service_cidrs=options.service_cidrs,
    )


def explain(world: World, question: Question, *, flows: Sequence[Flow] = (), now: float = 0.0) -> Explanation:
    """Answer a Question; raises ExplainError if FROM or TO names nothing. `flows`: what was seen until now."""
    source, target = _ends(world, question)
    question = msgspec.structs.replace(question, protocol=target.protocol)
    return with_lately(_explained(world, question, source, target), (source, target), flows, now)


def _ends(world: World, question: Question) -> tuple[Party, Party]:
    source = source_of(world, question.source, question.namespace)
    target = destination_of(
        world,
        question.destination,
        question.namespace,
        protocol=question.protocol,
        home=source.pod.metadata.namespace if source.pod is not None else "",
        dns_addresses=question.dns_addresses,
        domain=question.cluster_domain,
    )
    return source, target


def _explained(world: World, question: Question, source: Party, target: Party) -> Explanation:
    told = ask_dns(world, question, source, target)
    if told.denied:
        return _whole(source, target, _Found(lines=told.lines, denied=told.denied))
    if target.gateway is not None and question.protocol != ICMP:
        return explain_gateway(world, question, source, target)
    if target.domain:
        found = _Found(ways=ways_outside(world, question, source, target))
    elif target.service is None:
        found = _Found(ways=(_to_end(world, question, source, target),))
    elif _is_routed(world, question, source, target):
        found = _by_proxy(world, question, source, target)
    else:
        found = _by_kernel(world, question, source, target)
    return _whole(source, target, msgspec.structs.replace(found, lines=(*told.lines, *found.lines)))


class _Found(msgspec.Struct, frozen=True, kw_only=True):
    """Before it is put together. `denied`: of `lines`, what keeps everybody away; `status`: what a proxy answers."""

    lines: tuple[Line, ...] = ()
    ways: tuple[Way, ...] = ()
    denied: tuple[Line, ...] = ()
    status: int = 0


def _whole(source: Party, target: Party, found: _Found) -> Explanation:
    bad = (o for w in found.ways if not w.allowed for o in w.decided_by)
    last = found.lines[-1] if found.lines and not found.ways and not found.denied else None
    denied = (line.rule for line in (*found.denied, last) if line is not None and line.rule is not None)
    return Explanation(
        allowed=not found.denied and bool(found.ways) and all(w.allowed for w in found.ways),
        summary=summary(
            source, target, found.ways, status=found.status, denied=found.denied, last=last, lines=found.lines
        ),
        source=source.label,
        destination=target.label,
        protocol=target.protocol,
        route=found.lines,
        ways=found.ways,
        decided_by=tuple(dict.fromkeys((*denied, *bad))),
    )


def _is_routed(world: World, question: Question, source: Party, target: Party) -> bool:
    """The client's proxy takes it: TCP of a pod in the mesh to an address of the Service's own."""
    assert target.service is not None  # noqa: S101 - the caller looked
    meshed = source.pod is not None and in_mesh(source.pod, world)[0]
    own = target.node is None and is_own(target.service, target.address)
    return meshed and own and target.protocol == "TCP" and _hides(world, question, source, target) is None


def _hides(world: World, question: Question, source: Party, target: Party) -> Origin | None:
    """The Sidecar that does not show the Service to the client's proxy: to that it is an address like any other."""
    pod, service = source.pod, target.service
    if pod is None or service is None or target.protocol != "TCP" or not in_mesh(pod, world)[0]:
        return None
    return hidden(world, pod, service.key, target.port, question.cluster_domain)


def _by_proxy(world: World, question: Question, source: Party, target: Party) -> _Found:
    decision = _route(world, question, source, target)
    lines = [Line(layer="L7 route", effect="route", text=s.text, rule=s.origin) for s in decision.steps]
    if decision.rule is not None:
        asked = question.method or "GET", question.path or "/", dict(question.headers)
        lines += map(counted, limits.counted_at_route(world, decision.rule, *asked))
    lines += beside(world, decision, source.pod)
    if instead := answered(lines):
        return _Found(lines=tuple(lines), denied=tuple(instead))
    ways, missing = _ways(world, question, source, target, decision.backends)
    if decision.rule is not None and not decision.backends and not decision.status:
        missing = [Line(layer="L7 route", effect="closes", text="it has no destination left", rule=decision.rule)]
    denied = missing if missing and not ways else []
    return _Found(lines=(*lines, *missing), ways=ways, denied=tuple(denied), status=decision.status)


def _by_kernel(world: World, question: Question, source: Party, target: Party) -> _Found:
    assert target.service is not None  # noqa: S101 - the caller looked
    hides = _hides(world, question, source, target)
    by = unregistered(world, question, source, target.address, target.port)
    if by is not None:
        text = "no ServiceEntry that the pod sees has the address"
        if hides is not None:
            text = f"Service {'/'.join(target.service.key)} is not among the hosts of {hides}"
        line = Line(layer="outbound", effect="denies", text=text, rule=by)
        return _Found(lines=(line,), denied=(line,))
    found = by_kernel(world, question, source, target)
    lines = found.lines
    if hides is not None:
        text = "the Service is not among its hosts: the client's proxy lets bytes pass, without routes and mTLS"
        lines = (Line(layer="outbound", effect="passes by", text=text, rule=hides, warns=True), *lines)
    return _Found(lines=lines, ways=found.ways, denied=found.denied)


def _to_end(world: World, question: Question, source: Party, target: Party) -> Way:
    """To a pod, or to an address that is none of the cluster's."""
    share = headless(world, target) if question.protocol == "TCP" else None
    way = way_to(world, question, source, target, share=share)
    return way if target.pod is not None else beyond(world, question, source, way)


def _route(world: World, question: Question, source: Party, target: Party) -> RouteDecision:
    assert target.service is not None  # noqa: S101 - the caller looked
    assert source.pod is not None  # noqa: S101 - so did it
    namespace, name = target.service.key
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
            address=target.address if target.address != "None" else "",
            server_name=question.sni.lower(),
        ),
    )


def _presumed(target: Party) -> dict[str, str]:
    """At a port of gRPC a request is one of gRPC, unless its headers say otherwise."""
    ports = target.service.spec.ports if target.service is not None else ()
    grpc = any(speaks_grpc(port) for port in ports if port.port == target.port)
    return {"content-type": "application/grpc"} if grpc else {}


def _ways(
    world: World, question: Question, source: Party, target: Party, shares: tuple[Share, ...]
) -> tuple[tuple[Way, ...], list[Line]]:
    """The ways to every backend, and why one has none."""
    found: dict[tuple[str, int], Way] = {}
    missing: list[Line] = []
    for meant in shares:
        share = next((s for s in (meant, *meant.instead) if endpoints(world, s, version(world, s, target))), meant)
        ends = endpoints(world, share, version(world, share, target))
        if not ends and not share.status:
            missing += why_nobody(world, share, version=version(world, share, target), caller=caller_of(source.pod))
        for end, line in _near(world, source, share, ends):
            way = way_to(world, question, source, end, share=share)
            if line is not None:
                way = msgspec.structs.replace(way, steps=(line, *way.steps))
            found.setdefault((end.address, end.port), way)
    return tuple(found.values()), missing


def _near(world: World, source: Party, share: Share, ends: list[Party]) -> Iterator[tuple[Party, Line | None]]:
    """The endpoints that get requests of a client in the mesh, each with its turn or its part by locality."""
    pod, service = source.pod, world.get(core.Service, share.namespace, share.service)
    pods = [end.pod for end in ends if end.pod is not None]
    node = pod.spec.node_name if pod is not None and in_mesh(pod, world)[0] else ""
    chosen = bool(node) and service is not None and service.spec.cluster_ip != "None"
    known = locality.standings(world, node, share, pods, caller_of(pod)) if chosen else None
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


__all__ = ["ExplainError", "Explanation", "Line", "Question", "Way", "explain", "question"]
