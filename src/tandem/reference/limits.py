"""Which RateLimits count a request, judged on the objects themselves: at the route that was chosen, and at a pod.

In: the World, and a rule of a route or a pod and its port. Out: each limit of which one bucket is taken from, and where
its buckets are. Whether there is room in one, only the proxies know. Shares no code with translation.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Final

import msgspec

from tandem.base.problems import Origin
from tandem.model import core
from tandem.model.attachment import PolicyTarget
from tandem.model.gateway import HeaderMatch, HTTPRoute, PathMatch
from tandem.model.gateways import Gateway
from tandem.model.grpcroute import GRPCRoute
from tandem.model.ratelimit import LimitMatch, LimitRule, RateLimit
from tandem.model.world import World
from tandem.reference.authorization import speaks_http

_GATEWAY: Final = "gateway.networking.k8s.io"
_BYTES: Final = {"https", "tls", "tcp", "mongo", "mysql", "redis"}


class Counting(msgspec.Struct, frozen=True, kw_only=True):
    """A limit that counts the request."""

    rule: Origin
    text: str
    staged: bool = False


def counted_at_route(
    world: World, rule: Origin, method: str, path: str, headers: Mapping[str, str]
) -> tuple[Counting, ...]:
    """By limits of the route of which this is a rule (`spec.rules[i]`)."""
    route = _route(world, rule.kind, rule.namespace, rule.name)
    index = re.fullmatch(r"spec\.rules\[(\d+)\]", rule.path)
    if route is None or index is None:
        return ()
    names = [r.name for r in route.spec.rules]
    own = int(index[1])

    def is_meant(policy: RateLimit, ref: PolicyTarget) -> bool:
        if (ref.group, ref.kind, ref.name) != (_GATEWAY, rule.kind, rule.name) or _uses(policy, {"Claim"}):
            return False
        return not ref.section_name or (ref.section_name in names and names.index(ref.section_name) == own)

    found: list[Counting] = []
    for policy, ref in _holding(world, rule.namespace):
        if is_meant(policy, ref):
            found += _counting(policy, ref, (method, path, headers), "on each node with clients")
    return tuple(found)


def counted_at_gateway(
    world: World, gateway: Gateway, listener: str, method: str, path: str, headers: Mapping[str, str]
) -> tuple[Counting, ...]:
    """By limits of the Gateway and of this listener of its own (empty: one of others), of requests with a route."""
    found: list[Counting] = []
    for policy, ref in _holding(world, gateway.metadata.namespace):
        meant = (ref.group, ref.kind, ref.name) == (_GATEWAY, "Gateway", gateway.metadata.name)
        if meant and ref.section_name in {"", listener}:
            found += _counting(policy, ref, (method, path, headers), "on each node that serves it")
    return tuple(found)


def counted_at_pod(
    world: World, pod: core.Pod, port: int, method: str, path: str, headers: Mapping[str, str]
) -> tuple[Counting, ...]:
    """By limits of Services that select the pod, at this port of the pod."""
    found: list[Counting] = []
    for policy, ref in _holding(world, pod.metadata.namespace):
        service = world.get(core.Service, pod.metadata.namespace, ref.name)
        if (ref.group, ref.kind) != ("", "Service") or service is None or not selects(service, pod):
            continue
        if any(number_at(p, pod) == port for p in service.spec.ports if _counts(service, p, ref.section_name)):
            found += _counting(policy, ref, (method, path, headers), "at each pod of it")
    return tuple(found)


def _route(world: World, kind: str, namespace: str, name: str) -> HTTPRoute | GRPCRoute | None:
    if kind == "HTTPRoute":
        return world.get(HTTPRoute, namespace, name)
    return world.get(GRPCRoute, namespace, name) if kind == "GRPCRoute" else None


def _holding(world: World, namespace: str) -> Iterator[tuple[RateLimit, PolicyTarget]]:
    """Each policy of a namespace with each target where no older one has its place."""
    taken: set[tuple[PolicyTarget, bool]] = set()
    own = [p for p in world.sorted(RateLimit) if p.metadata.namespace == namespace]
    for policy in sorted(own, key=lambda p: (p.metadata.creation_timestamp or "", p.metadata.name)):
        for ref in policy.spec.target_refs:
            place = ref, _staged(policy)
            if place not in taken and _usable(world, policy, ref):
                taken.add(place)
                yield policy, ref


def _usable(world: World, policy: RateLimit, ref: PolicyTarget) -> bool:
    """What is refused at a target takes nobody's place there."""
    namespace = policy.metadata.namespace
    if ref.kind in {"HTTPRoute", "GRPCRoute"}:
        route = _route(world, ref.kind, namespace, ref.name)
        named = route is not None and (not ref.section_name or ref.section_name in {r.name for r in route.spec.rules})
        return named and not _uses(policy, {"Claim"})
    if ref.kind == "Gateway":
        gateway = world.get(Gateway, namespace, ref.name)
        names = {listener.name for listener in gateway.spec.listeners} if gateway is not None else set()
        there = gateway is not None and (not ref.section_name or ref.section_name in names)
        return there and not _uses(policy, {"Namespace", "ServiceAccount"})
    if ref.kind == "Service":
        service = world.get(core.Service, namespace, ref.name)
        return service is not None and any(_counts(service, p, ref.section_name) for p in service.spec.ports)
    return False


def _uses(policy: RateLimit, keys: set[str]) -> bool:
    return any(key.type in keys for limit in policy.spec.limits for key in limit.by)


def _staged(policy: RateLimit) -> bool:
    return policy.metadata.annotations.get("tandem.io/staged") == "true"


def _counts(service: core.Service, port: core.ServicePort, section: str) -> bool:
    """Requests are seen at ports of HTTP; one that says nothing is that if it is named, or the Service's only one."""
    if port.protocol != "TCP" or (section and port.name != section):
        return False
    alone = len([p for p in service.spec.ports if p.protocol == "TCP"]) == 1
    silent = not port.app_protocol and port.name.lower().partition("-")[0] not in _BYTES
    return speaks_http(port) or (silent and (bool(section) or alone))


def selects(service: core.Service, pod: core.Pod) -> bool:
    """Whether the Service's selector is met by the pod's labels; they are of one namespace."""
    return bool(service.spec.selector) and service.spec.selector.items() <= pod.metadata.labels.items()


def number_at(port: core.ServicePort, pod: core.Pod) -> int:
    """The port of the pod that a Service's port of TCP leads to; 0: the pod names none so."""
    wanted = port.target_port or port.port
    if isinstance(wanted, int):
        return wanted
    offered = (p for c in pod.spec.containers for p in c.ports if p.name == wanted and p.protocol == "TCP")
    return next((p.container_port for p in offered), 0)


def _counting(
    policy: RateLimit, ref: PolicyTarget, asked: tuple[str, str, Mapping[str, str]], where: str
) -> Iterator[Counting]:
    section = f" {ref.section_name}" if ref.section_name else ""
    for i, limit in enumerate(policy.spec.limits):
        if not limit.matches or any(_holds(match, *asked) for match in limit.matches):
            text = f"{_room(limit)}, for {ref.kind} {ref.name}{section}, {_counter(policy) or where}"
            yield Counting(rule=policy.origin(f"spec.limits[{i}]"), text=text, staged=_staged(policy))


def _counter(policy: RateLimit) -> str:
    asked = policy.spec.counter
    if asked is None:
        return ""
    ref = asked.backend_ref
    return f"by Service {ref.namespace or policy.metadata.namespace}/{ref.name} for all proxies together"


def _room(limit: LimitRule) -> str:
    burst = f", {limit.burst} at once" if limit.burst not in {None, limit.requests} else ""
    keys = " and ".join(f"{key.type} {key.name}".strip() for key in limit.by)
    apart = f", for each {keys}" if keys else ""
    return f"{limit.requests} in each {limit.unit.lower()}{burst}{apart}"


def _holds(match: LimitMatch, method: str, path: str, headers: Mapping[str, str]) -> bool:
    if match.method not in {"", method}:
        return False
    if match.path is not None and not _is_path(match.path, path.partition("?")[0]):
        return False
    return all(_is_header(h, headers.get(h.name.lower())) for h in match.headers)


def _is_path(match: PathMatch, path: str) -> bool:
    if match.type == "PathPrefix":
        stem = match.value.rstrip("/")
        return path == stem or path.startswith(f"{stem}/")
    return re.fullmatch(match.value, path) is not None if match.type == "RegularExpression" else path == match.value


def _is_header(match: HeaderMatch, value: str | None) -> bool:
    if value is None:
        return False
    return re.fullmatch(match.value, value) is not None if match.type == "RegularExpression" else value == match.value
