"""Consul's discovery chain as its documents say -> where one request goes: router, splitter, resolver.

In: the World and a request. Out: a RouteDecision with every step. Shares no code with translation.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from fractions import Fraction
from math import gcd
from urllib.parse import parse_qsl, urlsplit

import msgspec

from tandem.base.problems import Origin
from tandem.model import core
from tandem.model.consuldefaults import ServiceDefaults
from tandem.model.consulroutes import (
    RouteHeader,
    RouteHttp,
    ServiceResolver,
    ServiceRouter,
    ServiceSplitter,
)
from tandem.model.meta import Object
from tandem.model.speakers import opaque_ports
from tandem.model.world import World
from tandem.reference.authorization import may_speak_http, says_bytes, speaks_http
from tandem.reference.consulsupport import in_force, subset_labels
from tandem.reference.opaque import is_opaque
from tandem.reference.request import Request, RouteDecision, Share, Step
from tandem.reference.support import seconds_ms

_NOBODY = Origin(kind="", name="")
Place = tuple[str, str, str]
"""Namespace, service and subset."""


def decide_chain(world: World, request: Request) -> RouteDecision | None:
    """None: no object of Consul's has the name of the Service."""
    key = request.namespace, request.service
    router = in_force(world.get(ServiceRouter, *key))
    splitter = _splitter(world, key)
    resolver = in_force(world.get(ServiceResolver, *key))
    requests = any(is_http(world, *key, port.port) for port in _ports(world, key))
    if router is None and splitter is None and (resolver is None or not requests):
        return None
    steps: list[Step] = []
    for i, route in enumerate(router.spec.routes if router is not None else ()):
        assert router is not None  # noqa: S101 - for the reader of types
        at = router.origin(f"spec.routes[{i}]")
        if route.match is not None and route.match.http is not None and not _holds(route.match.http, request):
            steps.append(Step(text="does not match", origin=at))
            continue
        steps.append(Step(text="matches", origin=at))
        asked = route.destination
        place = (*key, "")
        if asked is not None:
            place = (asked.namespace or key[0], asked.service or key[1], asked.service_subset)
        timeout = _timeout(asked.request_timeout if asked is not None else "")
        return _sent(world, request, place, (at, i, timeout, steps))
    first: Object | None = router or splitter or resolver
    assert first is not None  # noqa: S101 - looked at above
    timeout = _timeout(resolver.spec.request_timeout if resolver is not None and first is resolver else "")
    return _sent(world, request, (*key, ""), (first.origin(), -1, timeout, steps))


def _timeout(text: str) -> int:
    """Fifteen seconds are Envoy's own, where nothing is said; less than none is none."""
    return 0 if text.startswith("-") else seconds_ms(text.removeprefix("+")) or 15_000


def _sent(world: World, request: Request, place: Place, told: tuple[Origin, int, int, list[Step]]) -> RouteDecision:
    at, index, timeout, steps = told
    found: list[Share] = []
    for part, weight in _split(world, place):
        share, step = _resolved(world, request, part, at)
        steps.append(step)
        found.append(msgspec.structs.replace(share, weight=weight))
    common = gcd(*(share.weight for share in found)) or 1
    shares = tuple(msgspec.structs.replace(share, weight=share.weight // common) for share in found)
    if all(share.status for share in shares):
        return RouteDecision(rule=at, index=index, status=503, steps=tuple(steps))
    return RouteDecision(rule=at, index=index, backends=shares, timeout_ms=timeout, steps=tuple(steps))


def _split(world: World, place: Place) -> list[tuple[Place, int]]:
    """Shares in hundredths of a percent; a splitter within another divides its share."""
    splitter = _splitter(world, place[:2])
    if place[2] or splitter is None:
        return [(place, 10_000)]
    found: list[tuple[Place, int]] = []
    for split in (s for s in splitter.spec.splits if s.weight):
        part = (split.namespace or place[0], split.service or place[1], split.service_subset)
        weight = round(split.weight * 100)
        inner = [(part, 10_000)] if part[:2] == place[:2] or part[2] else _split(world, part)
        found += [(where, round(Fraction(weight * of, 10_000))) for where, of in inner]
    return found


def _resolved(world: World, request: Request, place: Place, at: Origin) -> tuple[Share, Step]:
    """Redirects and default subsets, one after the other."""
    seen: list[Place] = []
    while place not in seen:
        seen.append(place)
        resolver = in_force(world.get(ServiceResolver, *place[:2]))
        if resolver is None:
            break
        redirect, before = resolver.spec.redirect, place
        if redirect is not None:
            other = redirect.service or place[1]
            subset = redirect.service_subset or (place[2] if other == place[1] else "")
            place = redirect.namespace or place[0], other, subset
        if place == before and not place[2] and resolver.spec.default_subset:
            place = (*place[:2], resolver.spec.default_subset)
        if place == before:
            return _share(world, request, place, resolver)
    else:
        gone = Share(namespace=place[0], service=place[1], port=request.port, subset="?", status=503)
        return gone, Step(text="redirects lead in a circle: answered with 503", origin=at)
    return _share(world, request, place, None)


def stood_in(world: World, request: Request, decision: RouteDecision) -> RouteDecision:
    """The decision with what stands in for each share, whoever chose it."""
    backends = tuple(
        msgspec.structs.replace(share, instead=tuple(_instead(world, _at(request, share), share)))
        for share in decision.backends
    )
    told = tuple(
        Step(text=f"or else to Service {other.namespace}/{other.service}")
        for share in backends
        for other in share.instead
    )
    return msgspec.structs.replace(decision, backends=backends, steps=(*decision.steps, *told))


def is_http(world: World, namespace: str, name: str, port: int) -> bool:
    """Whether a port of a Service speaks HTTP by its own word, or where it says nothing by that of ServiceDefaults."""
    said = world.get(ServiceDefaults, namespace, name)
    return any(is_http_port(said, p) for p in _ports(world, (namespace, name)) if p.port == port)


def may_be_http(world: World, namespace: str, name: str, port: int) -> bool:
    """Whether nobody says what a port of a Service speaks, so that proxies find out."""
    said, service = world.get(ServiceDefaults, namespace, name), world.get(core.Service, namespace, name)
    if service is None or (said is not None and said.spec.protocol == "tcp") or port in opaque_ports(service)[0]:
        return False
    return any(may_speak_http(p) for p in service.spec.ports if p.port == port) and not is_opaque(world, service, port)


def is_http_port(said: ServiceDefaults | None, port: core.ServicePort) -> bool:
    """The same of the port itself."""
    of_http = said is not None and said.spec.protocol in {"http", "http2", "grpc"}
    return speaks_http(port) or (of_http and not says_bytes(port))


def _ports(world: World, key: tuple[str, str]) -> tuple[core.ServicePort, ...]:
    service = world.get(core.Service, *key)
    return service.spec.ports if service is not None else ()


def _at(request: Request, share: Share) -> Request:
    """The request as it asks for a share: its port is the one that is dialled where others stand in."""
    return msgspec.structs.replace(request, port=share.port)


def _instead(world: World, request: Request, share: Share) -> Iterator[Share]:
    """What stands in for a share: of the failover of its subset, or of that of all others."""
    resolver = in_force(world.get(ServiceResolver, share.namespace, share.service))
    failover = resolver.spec.failover if resolver is not None and not share.status else {}
    chosen = failover.get(share.subset) or failover.get("*")
    for asked in (chosen.targets or (chosen,)) if chosen is not None else ():
        service = asked.service or share.service
        subset = asked.service_subset or (share.subset if service == share.service else "")
        found, _ = _resolved(world, request, (asked.namespace or share.namespace, service, subset), _NOBODY)
        same = (found.namespace, found.service, found.subset) == (share.namespace, share.service, share.subset)
        if not same and not found.status:
            yield found


def _share(world: World, request: Request, place: Place, resolver: ServiceResolver | None) -> tuple[Share, Step]:
    namespace, name, subset = place
    service = world.get(core.Service, namespace, name)
    tcp = [p.port for p in service.spec.ports if p.protocol == "TCP"] if service is not None else []
    port = tcp[0] if len(tcp) == 1 else request.port
    labels: dict[str, str] = {}
    text = f"goes to Service {namespace}/{name}{f', subset {subset}' if subset else ''}"
    status = 0
    if service is None:
        text, status = f"no Service {namespace}/{name}: answered with 503", 503
    elif subset and (resolver is None or subset not in resolver.spec.subsets):
        text, status = f"no ServiceResolver defines subset {subset!r} of {namespace}/{name}: answered with 503", 503
    elif subset and resolver is not None:
        labels = dict(subset_labels(resolver.spec.subsets[subset].filter) or {})
    origin = resolver.origin() if resolver is not None else None
    share = Share(namespace=namespace, service=name, port=port, subset=subset, labels=labels, status=status)
    return share, Step(text=text, origin=origin)


def _splitter(world: World, key: tuple[str, str]) -> ServiceSplitter | None:
    """One that leads back to itself by way of others is none."""
    found = in_force(world.get(ServiceSplitter, *key))
    return None if found is None or key in _after(world, key, key, ()) else found


def _after(
    world: World, key: tuple[str, str], home: tuple[str, str], seen: tuple[tuple[str, str], ...]
) -> set[tuple[str, str]]:
    splitter = in_force(world.get(ServiceSplitter, *key))
    found: set[tuple[str, str]] = set()
    for split in splitter.spec.splits if splitter is not None else ():
        part = (split.namespace or key[0], split.service or key[1])
        if part != key and not split.service_subset and split.weight:
            found |= {part} if part in {home, *seen} else {part} | _after(world, part, home, (*seen, part))
    return found


def _holds(http: RouteHttp, request: Request) -> bool:
    url = urlsplit(request.path)
    path, exact, prefix = url.path, http.path_exact, http.path_prefix
    if http.case_insensitive:
        path, exact, prefix = path.lower(), exact.lower(), prefix.lower()
    if (http.path_exact and path != exact) or (http.path_prefix and not path.startswith(prefix)):
        return False
    if http.path_regex and re.fullmatch(http.path_regex, url.path) is None:
        return False
    if http.methods and request.method not in http.methods:
        return False
    query = dict(reversed(parse_qsl(url.query, keep_blank_values=True)))
    for wanted in http.query_param:
        if wanted.name not in query:
            return False
        value = query[wanted.name]
        if (wanted.exact and value != wanted.exact) or (wanted.regex and not re.fullmatch(wanted.regex, value)):
            return False
    return all(_header(header, request.headers) for header in http.header)


def _header(header: RouteHeader, headers: dict[str, str]) -> bool:
    value = headers.get(header.name.lower())
    found = value is not None and (
        value.startswith(header.prefix)
        and value.endswith(header.suffix)
        and (not header.exact or value == header.exact)
        and (not header.regex or re.fullmatch(header.regex, value) is not None)
    )
    return found is not header.invert
