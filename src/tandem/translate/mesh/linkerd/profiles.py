"""ServiceProfiles -> Layers of routes, and budgets of retries, with Problems. Pure.

The first route whose condition holds is that of a request; what none is about goes to the Service as ever. A profile
beside its Service is for everyone, one in another namespace for the pods there. Other routes of a Service go first.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from fractions import Fraction
from functools import partial
from math import gcd, lcm
from typing import Final

import msgspec

from tandem.base.problems import Problem, Severity
from tandem.ir.mesh import Backend, Forward, Respond, Retry, Route, RouteAction, RouteMatch
from tandem.ir.traffic import Limits, Traffic, TrafficPolicy
from tandem.model.core import Service
from tandem.model.linkerdprofile import ProfileBudget, ProfileRoute, ServiceProfile
from tandem.model.speakers import ports_among
from tandem.model.world import Key, World
from tandem.translate.mesh.context import Context, Layer, Layers, not_http, resolve_host
from tandem.translate.mesh.linkerd.conditions import failures_of, matches_of, patterns_of
from tandem.translate.mesh.values import duration, milliseconds, regex_mistake
from tandem.translate.options import Options
from tandem.translate.protocols import app_protocol

UNSENT: Final = Retry(attempts=2, retry_on=("connect-failure", "refused-stream"))
"""What has not reached the application may be sent again, whatever it is."""
TRIES: Final = 10
"""At most so often is one request tried again, where the budget leaves room."""
TIMEOUT_MS: Final = 10_000
"""Of a route that says nothing (Linkerd)."""
MISSING: Final = 503
_WEIGHT: Final = re.compile(r"\+?(\d+(?:\.\d*)?|\.\d+)(m|k|M|G)?")
_SCALES: Final = {
    "m": Fraction(1, 1000),
    "": Fraction(1),
    "k": Fraction(1000),
    "M": Fraction(10**6),
    "G": Fraction(10**9),
}


def translate_profiles(context: Context) -> Layers:
    """The layer of each profile that is in force."""
    layers: list[Layer] = []
    problems: list[Problem] = []
    for profile in context.world.sorted(ServiceProfile):
        reader = _Reader(profile, context)
        layer = reader.layer()
        problems += reader.problems
        if layer is not None and not any(p.severity is Severity.ERROR and p.code in _REFUSING for p in reader.problems):
            layers.append(layer)
    return Layers(layers=tuple(layers), problems=tuple(problems))


_REFUSING: Final = frozenset({"HostNotFound", "InvalidValue", "UnsupportedValue", "PortNotHTTP"})
"""Codes of mistakes after which nothing of the profile is applied."""


def with_budgets(policies: Mapping[Key, TrafficPolicy], world: World, options: Options) -> dict[Key, TrafficPolicy]:
    """The policies of Services, where nothing else bounds retries with the budgets of profiles beside them."""
    found = dict(policies)
    for profile in world.sorted(ServiceProfile):
        key = resolve_host(profile.metadata.name, profile.metadata.namespace, options.cluster_domain)
        spec = profile.spec
        asked = spec.retry_budget or (ProfileBudget() if any(r.is_retryable for r in spec.routes) else None)
        if key is None or asked is None or key[0] != profile.metadata.namespace:
            continue
        bound = Limits(
            budget_percent=asked.retry_ratio * 100,
            budget_least=asked.min_retries_per_second,
            budget_interval_ms=milliseconds(asked.ttl) or 0,
        )
        known = found.get(key)
        if known is None:
            namespace, service = key
            traffic = Traffic(limits=bound)
            found[key] = TrafficPolicy(namespace=namespace, service=service, traffic=traffic, origin=profile.origin())
        else:
            found[key] = known.each(partial(_bounded, bound))
    return found


def _bounded(bound: Limits, known: TrafficPolicy) -> TrafficPolicy:
    limits = known.traffic.limits
    if limits.budget_percent is not None or limits.retries is not None:
        return known
    limits = msgspec.structs.replace(
        limits,
        budget_percent=bound.budget_percent,
        budget_least=bound.budget_least,
        budget_interval_ms=bound.budget_interval_ms,
    )
    return msgspec.structs.replace(known, traffic=msgspec.structs.replace(known.traffic, limits=limits))


class _Reader:
    """Reads one profile."""

    def __init__(self, profile: ServiceProfile, context: Context) -> None:
        self._profile = profile
        self._context = context
        self.problems: list[Problem] = []

    def layer(self) -> Layer | None:
        """What becomes of requests to its Service; None: there is none."""
        meta, spec = self._profile.metadata, self._profile.spec
        key = resolve_host(meta.name, meta.namespace, self._context.options.cluster_domain)
        service = self._context.service(key) if key is not None and "." in meta.name else None
        if key is None or service is None:
            domain = self._context.options.cluster_domain
            self._wrong(
                "metadata.name", "HostNotFound", f"no Service is called {meta.name} (NAME.NAMESPACE.svc.{domain})"
            )
            return None
        self.problems += not_http(service, (), self._profile.origin())
        consumer = "" if key[0] == meta.namespace else meta.namespace
        self._without_effect(consumer, service)
        action = self._action(key)
        routes = [route for i, asked in enumerate(spec.routes) for route in self._route(asked, i, action)]
        rest = Route(
            name=f"ServiceProfile/{meta.namespace}/{meta.name}/rest",
            matches=(),
            action=action,
            retry=UNSENT if isinstance(action, Forward) else None,
            origin=self._profile.origin(),
        )
        origin = self._profile.origin()
        return Layer(service=key, consumer=consumer, routes=(*routes, rest), scopes=(RouteMatch(),), origin=origin)

    def _route(self, asked: ProfileRoute, index: int, action: RouteAction) -> Iterator[Route]:
        at = f"spec.routes[{index}]"
        for mistake in filter(None, map(regex_mistake, patterns_of(asked.condition))):
            self._wrong(f"{at}.condition", "InvalidValue", mistake)
        matches = matches_of(asked.condition)
        if not matches:
            self._wrong(f"{at}.condition", "UnsupportedValue", "it has too many alternatives: write several routes")
        timeout = duration(asked.timeout, f"{at}.timeout", self._wrong, such_as="300ms or 5s") or TIMEOUT_MS
        failures = failures_of(asked.response_classes)
        if asked.response_classes and not asked.is_retryable:
            text = "what is a failure is asked where a request may be tried again alone: isRetryable is not true"
            self._told(f"{at}.responseClasses", "NoEffect", text)
        on = (*UNSENT.retry_on, "reset", "retriable-status-codes")
        again = Retry(attempts=TRIES, retry_on=on, retriable_codes=failures)
        meta = self._profile.metadata
        retry = again if asked.is_retryable else UNSENT
        yield Route(
            name=f"ServiceProfile/{meta.namespace}/{meta.name}/{index}",
            matches=matches,
            action=action,
            timeout_ms=timeout,
            retry=retry if isinstance(action, Forward) else None,
            origin=self._profile.origin(at),
        )

    def _without_effect(self, consumer: str, service: Service) -> None:
        """What `opaque.py` makes nothing of, and a budget that is not this one's."""
        spec = self._profile.spec
        ports = {port.port: port for port in service.spec.ports if port.protocol == "TCP"}
        opaque, wrong = ports_among(spec.opaque_ports, ports)
        for text in wrong:
            self._told("spec.opaquePorts", "InvalidValue", f"{text!r} is neither a port nor a range of ports")
        if spec.opaque_ports and consumer:
            text = "what a port is, is said for all who call it: it counts in the profile beside the Service"
            self._told("spec.opaquePorts", "NoEffect", text)
        for number in sorted(n for n in opaque if app_protocol(ports[n]).is_http):
            text = f"port {number} of the Service says itself what it speaks, by its name or appProtocol"
            self._told("spec.opaquePorts", "NoEffect", text)
        if spec.retry_budget is not None and consumer:
            text = "a budget is that of a Service: it counts in the profile beside it"
            self._told("spec.retryBudget", "NoEffect", text)

    def _action(self, key: Key) -> RouteAction:
        """To the Service, or by weight to what stands for it."""
        overrides = self._profile.spec.dst_overrides
        weights = [self._weight(one.weight, f"spec.dstOverrides[{i}].weight") for i, one in enumerate(overrides)]
        whole = lcm(*(weight.denominator for weight in weights))
        numbers = [int(weight * whole) for weight in weights]
        common = gcd(*numbers) or 1
        backends: list[Backend] = []
        missing = 0
        for i, (one, number) in enumerate(zip(overrides, numbers, strict=True)):
            backend, exists = self._backend(one.authority, f"spec.dstOverrides[{i}].authority")
            if number:
                backends.append(msgspec.structs.replace(backend, weight=number // common))
                missing += not exists
        if not overrides:
            return Forward(backends=(Backend(namespace=key[0], service=key[1]),), missing_status=MISSING)
        if missing == len(backends):
            return Respond(status=MISSING, body="no destination of this profile exists")
        return Forward(backends=tuple(backends), missing_status=MISSING)

    def _backend(self, authority: str, at: str) -> tuple[Backend, bool]:
        host, _, port = authority.partition(":")
        home, domain = self._profile.metadata.namespace, self._context.options.cluster_domain
        key = resolve_host(host.removesuffix("."), home, domain)
        service = self._context.service(key) if key is not None else None
        number = int(port) if port.isdigit() else 0
        there = service is not None and (not number or number in {p.port for p in service.spec.ports})
        if not there:
            self._wrong(at, "BackendNotFound", f"no Service {authority}: its share is answered with {MISSING}")
        namespace, name = key or (home, host)
        return Backend(namespace=namespace, service=name, port=number, subset="" if there else "?"), there

    def _weight(self, weight: float | str, at: str) -> Fraction:
        found = _WEIGHT.fullmatch(str(weight))
        if found is None:
            self._wrong(at, "InvalidValue", f"{weight!r} is no weight such as 1 or 500m")
            return Fraction(0)
        return Fraction(found[1].rstrip(".") if found[1] != "." else "0") * _SCALES[found[2] or ""]

    def _wrong(self, path: str, code: str, text: str) -> None:
        self.problems.append(Problem(at=self._profile.origin(path), code=code, text=text))

    def _told(self, path: str, code: str, text: str) -> None:
        self.problems.append(Problem(at=self._profile.origin(path), code=code, text=text, severity=Severity.WARNING))


def last_of(layers: Iterable[Layer], profiles: Layers) -> tuple[tuple[Layer, ...], tuple[Problem, ...]]:
    """Layers of others, and those of profiles where none of the former is for the same Service and consumer."""
    above = tuple(layers)
    taken = {(layer.service, layer.consumer): layer.origin for layer in above}
    kept, told = [], []
    for layer in profiles.layers:
        winner = taken.get((layer.service, layer.consumer)) or taken.get((layer.service, ""))
        if winner is None:
            kept.append(layer)
            continue
        text = f"not used for Service {'/'.join(layer.service)}: {winner} has precedence"
        told.append(Problem(at=layer.origin, code="Shadowed", text=text, severity=Severity.WARNING))
    return (*above, *kept), tuple(told)
