"""What Canaries make of a decision: each share of a Service that one of them is about is divided in two.

As docs/design/0032 says it: by the status of the object, for the requests that it means, the oldest Canary first.
"""

from __future__ import annotations

import re
from math import gcd

import msgspec

from tandem.model import core
from tandem.model.canary import Canary, CanaryMatch, ValueMatch, VersionRef
from tandem.model.tcproute import TCPRoute
from tandem.model.world import World
from tandem.reference.attached import attached
from tandem.reference.authorization import says_bytes, speaks_http
from tandem.reference.request import Request, RouteDecision, Share, Step
from tandem.reference.virtualservices import subset


def divide(world: World, decision: RouteDecision, request: Request, cluster_domain: str) -> RouteDecision:
    """The decision with every Canary that can be applied."""
    for canary in _applied(world):
        percent = _percent(world, canary, request, cluster_domain)
        about = [s for s in decision.backends if _is_about(canary, s)]
        if percent is None or not about or _as_bytes(world, canary) is not _is_of_bytes(world, canary, decision):
            continue
        text = f"{percent}% of what goes to Service {canary.metadata.namespace}/{canary.spec.service} is the canary's"
        shares = [
            share
            for whole in decision.backends
            for share in (
                _halves(world, canary, whole, (percent, cluster_domain))
                if _is_about(canary, whole)
                else [msgspec.structs.replace(whole, weight=whole.weight * 100)]
            )
        ]
        common = gcd(*(s.weight for s in shares)) or 1
        decision = msgspec.structs.replace(
            decision,
            backends=tuple(msgspec.structs.replace(s, weight=s.weight // common) for s in shares),
            steps=(*decision.steps, Step(text=text, origin=canary.origin())),
        )
    return decision


def _applied(world: World) -> list[Canary]:
    """Those of which no older one touches the same Services."""
    found: list[Canary] = []
    for canary in sorted(world.all(Canary).values(), key=lambda c: (c.metadata.creation_timestamp or "", *c.key)):
        taken = {name for c in found if c.metadata.namespace == canary.metadata.namespace for name in _touches(c)}
        if not taken & _touches(canary):
            found.append(canary)
    return found


def _touches(canary: Canary) -> set[str]:
    spec = canary.spec
    return {spec.service, spec.stable.service or spec.service, spec.canary.service or spec.service}


def _is_about(canary: Canary, share: Share) -> bool:
    whole = canary.metadata.namespace, canary.spec.service, "", 0
    return (share.namespace, share.service, share.subset, share.status) == whole


def _percent(world: World, canary: Canary, request: Request, domain: str) -> int | None:
    """The canary's part of this request's chances; None: the object is not applied at all."""
    spec, home = canary.spec, canary.metadata.namespace
    service = world.get(core.Service, home, spec.service)
    if service is None or not all(_sound(m) for m in spec.match):
        return None
    ports = {p.port for p in service.spec.ports if speaks_http(p)} or {p.port for p in service.spec.ports}
    if _as_bytes(world, canary):
        ports = {p.port for p in service.spec.ports if p.protocol == "TCP"}
        if spec.match or spec.analysis.latency is not None:  # nothing that can be asked of a connection
            return None
    elif not any(speaks_http(p) for p in _parsed(service)):
        return None
    if not _exists(world, canary, spec.stable, (ports, domain)):
        return None
    if not _exists(world, canary, spec.canary, (ports, domain)):
        return 0
    meant = not spec.match or any(_holds(m, request) for m in spec.match)
    return canary.status.weight if meant and canary.status.revision == canary.revision else 0


def _as_bytes(world: World, canary: Canary) -> bool:
    """No port of its Service is read as requests: none says so, or TCPRoutes have all those that do."""
    home, name = canary.metadata.namespace, canary.spec.service
    service = world.get(core.Service, home, name)
    ports = [p for p in service.spec.ports if p.protocol == "TCP"] if service is not None else []
    if service is None or not ports:
        return False
    asked = [Request(namespace=home, service=name, source_namespace=home, port=p.port) for p in ports]
    routed = all(attached(world, one, TCPRoute, [], consumer=False) for one in asked)
    return routed or not any(speaks_http(p) for p in _parsed(service))


def _is_of_bytes(world: World, canary: Canary, decision: RouteDecision) -> bool:
    """Whether it is about a connection; where no rule has decided, it is what the Canary is about."""
    rule = decision.rule
    if rule is None:
        return _as_bytes(world, canary)
    return rule.kind in {"TCPRoute", "TLSRoute"} or rule.path.startswith(("spec.tcp", "spec.tls"))


def _parsed(service: core.Service) -> list[core.ServicePort]:
    """Its ports; a single one that says nothing of its protocol is HTTP for the Canary's sake."""
    ports = [p for p in service.spec.ports if p.protocol == "TCP"]
    if len(ports) == 1 and not ports[0].app_protocol and not says_bytes(ports[0]):
        return [msgspec.structs.replace(ports[0], app_protocol="http")]
    return ports


def _exists(world: World, canary: Canary, ref: VersionRef, wanted: tuple[set[int], str]) -> bool:
    ports, domain = wanted
    home, name = canary.metadata.namespace, ref.service or canary.spec.service
    service = world.get(core.Service, home, name)
    there = service is not None and ports <= {p.port for p in service.spec.ports}
    return there and (not ref.subset or subset(world, (home, name), (ref.subset, domain)) is not None)


def _halves(world: World, canary: Canary, whole: Share, how: tuple[int, str]) -> list[Share]:
    percent, domain = how
    parts = ((canary.spec.stable, 100 - percent), (canary.spec.canary, percent))
    return [_part(world, ref, whole, (part, domain)) for ref, part in parts if part]


def _part(world: World, ref: VersionRef, whole: Share, how: tuple[int, str]) -> Share:
    part, domain = how
    name = ref.service or whole.service
    labels = subset(world, (whole.namespace, name), (ref.subset, domain)) if ref.subset else None
    return msgspec.structs.replace(
        whole, service=name, subset=ref.subset, labels=labels or {}, weight=whole.weight * part
    )


def _sound(match: CanaryMatch) -> bool:
    for value in match.headers:
        if value.type == "RegularExpression":
            try:
                re.compile(value.value)
            except re.error:
                return False
    return True


def _holds(match: CanaryMatch, request: Request) -> bool:
    cookies: dict[str, list[str]] = {}
    for pair in request.headers.get("cookie", "").split(";"):
        name, equals, value = pair.strip().partition("=")
        if equals:
            cookies.setdefault(name, []).append(value)
    headers = {name: [value] for name, value in request.headers.items()}
    return all(_value(v, headers.get(v.name.lower(), [])) for v in match.headers) and all(
        _value(v, cookies.get(v.name, [])) for v in match.cookies
    )


def _value(wanted: ValueMatch, values: list[str]) -> bool:
    match wanted.type:
        case "Present":
            return bool(values)
        case "RegularExpression":
            return any(re.fullmatch(wanted.value, value) for value in values)
        case _:
            return wanted.value in values
