"""What rateLimits of Consul's ServiceDefaults count of a request, judged on the objects themselves.

In: the World, a pod and what is asked there. Out: each limit of which one bucket is taken from. Whether there is room
in one, only the proxies know. Shares no code with translation.
"""

from __future__ import annotations

import re

from tandem.model import core
from tandem.model.consuldefaults import InstanceRoute, ServiceDefaults
from tandem.model.world import World
from tandem.reference.authorization import Asked
from tandem.reference.consulchains import is_http_port
from tandem.reference.limits import Counting, number_at, selects


def counted_by_defaults(world: World, pod: core.Pod, asked: Asked) -> tuple[Counting, ...]:
    """Of each Service of the pod: by the first route that the request is of, else by what is said of the whole."""
    found = (_counted(world, pod, source, asked) for source in world.sorted(ServiceDefaults))
    return tuple(one for one in found if one is not None)


def _counted(world: World, pod: core.Pod, source: ServiceDefaults, asked: Asked) -> Counting | None:
    service = world.get(core.Service, *source.key)
    if service is None or not _leads_to(service, source, pod, asked.port):
        return None
    said, at = source.spec.rate_limits.instance_level, "spec.rateLimits.instanceLevel"
    path = asked.path.partition("?")[0]
    for i, route in enumerate(said.routes):
        if _is_of(route, path):
            return _told(source, f"{at}.routes[{i}]", route.requests_per_second, route.requests_max_burst)
    return _told(source, at, said.requests_per_second, said.requests_max_burst) if said.requests_per_second else None


def _leads_to(service: core.Service, source: ServiceDefaults, pod: core.Pod, number: int) -> bool:
    """Whether a port of HTTP of the Service is this one of the pod."""
    if service.metadata.namespace != pod.metadata.namespace or not selects(service, pod):
        return False
    http = [p for p in service.spec.ports if p.protocol == "TCP" and is_http_port(source, p)]
    return number in {number_at(port, pod) for port in http}


def _is_of(route: InstanceRoute, path: str) -> bool:
    if route.path_regex:
        return re.fullmatch(route.path_regex, path) is not None
    return path == route.path_exact if route.path_exact else path.startswith(route.path_prefix)


def _told(source: ServiceDefaults, path: str, requests: int, burst: int) -> Counting:
    at_once = f", {burst} at once" if burst > requests else ""
    return Counting(rule=source.origin(path), text=f"{requests} in each second{at_once}, at each pod of it")
