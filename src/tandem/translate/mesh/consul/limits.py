"""rateLimits of ServiceDefaults -> what is counted at each pod of the service, with Problems. Pure.

Of the routes the first that a request is of has its limit, in place of that of the whole (Consul, "Limit request rates
to services in the mesh"). Each proxy counts for itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from tandem.ir.limits import Limit, RateLimit
from tandem.ir.match import Exact, Prefix, RouteMatch
from tandem.model.consuldefaults import InstanceLimits, InstanceRoute, ServiceDefaults
from tandem.translate.mesh.values import Wrong, read_regex

AT: Final = "spec.rateLimits.instanceLevel"


def read_rate_limits(source: ServiceDefaults, wrong: Wrong) -> RateLimit | None:
    """What is counted at a pod; None: nothing, as also where a part of it has no meaning, which `wrong` is told."""
    faults: list[str] = []

    def told(path: str, code: str, text: str) -> None:
        faults.append(path)
        wrong(path, code, f"{text}: nothing is counted")

    limits = tuple(_limits(source, told))
    if faults or not limits:
        return None
    name = f"{source.kind}/{'/'.join(source.key)}"
    return RateLimit(name=name, limits=limits, retry_after=False, origin=source.origin("spec.rateLimits"))


def _limits(source: ServiceDefaults, wrong: Wrong) -> Iterator[Limit]:
    asked = source.spec.rate_limits.instance_level
    before: list[RouteMatch] = []
    for i, route in enumerate(asked.routes):
        match = _match(route, f"{AT}.routes[{i}]", wrong)
        yield _limit(source, f"{AT}.routes[{i}]", route, matches=(match,), unless=tuple(before))
        before.append(match)
    if asked.requests_per_second:
        yield _limit(source, AT, asked, unless=tuple(before))


def _limit(
    source: ServiceDefaults,
    path: str,
    asked: InstanceRoute | InstanceLimits,
    *,
    matches: tuple[RouteMatch, ...] = (),
    unless: tuple[RouteMatch, ...],
) -> Limit:
    requests = asked.requests_per_second
    burst = asked.requests_max_burst or requests
    return Limit(requests=requests, seconds=1, burst=burst, matches=matches, unless=unless, origin=source.origin(path))


def _match(route: InstanceRoute, at: str, wrong: Wrong) -> RouteMatch:
    if route.path_exact:
        return RouteMatch(path=Exact(route.path_exact))
    if route.path_prefix:
        return RouteMatch(path=Prefix(route.path_prefix))
    return RouteMatch(path=read_regex(route.path_regex, f"{at}.pathRegex", wrong))
