"""Linkerd's ServiceProfiles as its documents say -> where one request goes, and how long it may take.

In: the World and a request. Out: a RouteDecision with every step. Shares no code with translation.
"""

from __future__ import annotations

import re
from fractions import Fraction

from tandem.base.problems import Origin
from tandem.model import core
from tandem.model.linkerdprofile import RequestMatch, ServiceProfile
from tandem.model.world import World
from tandem.reference.request import Request, RouteDecision, Share, Step
from tandem.reference.support import re2, seconds_ms

_TEN_SECONDS = 10_000
_SUFFIXES = {"m": Fraction(1, 1000), "k": Fraction(1000), "M": Fraction(10**6), "G": Fraction(10**9)}


def decide_profile(world: World, request: Request, cluster_domain: str) -> RouteDecision | None:
    """By the profile of the client's namespace, else by that of the Service's; None: there is none in force."""
    name = f"{request.service}.{request.namespace}.svc.{cluster_domain}"
    for namespace in dict.fromkeys((request.source_namespace, request.namespace)):
        profile = world.get(ServiceProfile, namespace, name)
        if profile is not None and _in_force(profile):
            return _by(world, profile, request, cluster_domain)
    return None


def _by(world: World, profile: ServiceProfile, request: Request, cluster_domain: str) -> RouteDecision:
    steps: list[Step] = []
    shares = _shares(world, profile, request, cluster_domain)
    for i, route in enumerate(profile.spec.routes):
        at = profile.origin(f"spec.routes[{i}]")
        if _holds(route.condition, request):
            steps.append(Step(text=f"route {route.name} matches", origin=at))
            return _sent(shares, (at, i, seconds_ms(route.timeout) or _TEN_SECONDS), steps)
        steps.append(Step(text=f"route {route.name} does not match", origin=at))
    return _sent(shares, (profile.origin(), -1, 0), steps)


def _sent(shares: tuple[Share, ...], told: tuple[Origin, int, int], steps: list[Step]) -> RouteDecision:
    at, index, timeout = told
    if all(share.status for share in shares):
        return RouteDecision(rule=at, index=index, status=503, steps=tuple(steps))
    return RouteDecision(rule=at, index=index, backends=shares, timeout_ms=timeout, steps=tuple(steps))


def _shares(world: World, profile: ServiceProfile, request: Request, cluster_domain: str) -> tuple[Share, ...]:
    if not profile.spec.dst_overrides:
        return (Share(namespace=request.namespace, service=request.service, port=request.port),)
    found: list[tuple[Share, Fraction]] = []
    for one in profile.spec.dst_overrides:
        host, _, port = one.authority.partition(":")
        name, _, rest = host.partition(".")
        namespace = rest.removesuffix(f".svc.{cluster_domain}") or profile.metadata.namespace
        service = world.get(core.Service, namespace, name)
        number = int(port) if port else request.port
        there = service is not None and (not port or number in {p.port for p in service.spec.ports})
        weight = _weight(one.weight)
        if weight:
            share = Share(namespace=namespace, service=name, port=number, status=0 if there else 503)
            found.append((share, weight))
    least = min((weight for _, weight in found), default=Fraction(1))
    scale = 1
    while any((weight / least * scale).denominator != 1 for _, weight in found):
        scale += 1
    return tuple(
        Share(
            namespace=share.namespace,
            service=share.service,
            port=share.port,
            status=share.status,
            subset="?" if share.status else "",
            weight=int(weight / least * scale),
        )
        for share, weight in found
    )


def _weight(weight: float | str) -> Fraction:
    text = str(weight)
    suffix = text[-1] if text[-1] in _SUFFIXES else ""
    return Fraction(text.removesuffix(suffix)) * _SUFFIXES.get(suffix, Fraction(1))


def _in_force(profile: ServiceProfile) -> bool:
    patterns = [p for route in profile.spec.routes for p in _patterns(route.condition)]
    times = [seconds_ms(route.timeout) for route in profile.spec.routes]
    return all(map(re2, patterns)) and all(time >= 0 for time in times)


def _patterns(match: RequestMatch) -> list[str]:
    inner = [*match.every, *match.some, *([match.negated] if match.negated is not None else [])]
    return [p for p in (match.path_regex, *(q for one in inner for q in _patterns(one))) if p]


def _holds(match: RequestMatch, request: Request) -> bool:
    """All that is given must hold; a path is the whole of it, without the query."""
    path = request.path.partition("?")[0]
    return (
        (not match.path_regex or re.fullmatch(match.path_regex, path) is not None)
        and match.method in {"", request.method}
        and all(_holds(one, request) for one in match.every)
        and (not match.some or any(_holds(one, request) for one in match.some))
        and (match.negated is None or not _holds(match.negated, request))
    )
