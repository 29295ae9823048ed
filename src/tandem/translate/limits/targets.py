"""RateLimits -> what each of their targets has to count, with Problems per target. Pure.

A target is a Service, a route or a Gateway of the same namespace, or a section of it. Of two that enforce something at
the same target the older one holds, and so of two that are staged (GEP-713, conflict resolution). What is attached to a
Gateway holds for all that comes in there, beside what its routes have: nothing is overridden.
"""

from __future__ import annotations

from typing import Final

from tandem.base.problems import Problem, Severity
from tandem.ir.limits import Counter, Limit
from tandem.ir.limits import Key as CountKey
from tandem.ir.limits import RateLimit as Counted
from tandem.model.attachment import PolicyTarget
from tandem.model.core import Service
from tandem.model.gateways import Gateway
from tandem.model.gatewayservices import is_ours
from tandem.model.ratelimit import RateLimit
from tandem.model.world import Key, World
from tandem.translate.attachment import find_rule
from tandem.translate.limits.counter import read_counter
from tandem.translate.limits.found import Limits, Section, Sections, counted_ports
from tandem.translate.limits.read import LimitReader
from tandem.translate.mesh.layers import age

STAGED: Final = "tandem.io/staged"
_PROVED: Final = frozenset({CountKey.NAMESPACE, CountKey.SERVICE_ACCOUNT})


def read_limits(world: World) -> Limits:
    """All RateLimits of a World."""
    found: dict[tuple[str, Key], list[tuple[Section, Counted]]] = {}
    problems: list[Problem] = []
    holders: dict[tuple[str, Key, Section, bool], RateLimit] = {}
    for policy in sorted(world.sorted(RateLimit), key=age):
        reader = LimitReader(policy)
        limits = reader.read()
        problems += reader.problems
        staged = policy.metadata.annotations.get(STAGED) == "true"
        counter, mistakes = _counter(world, policy)
        problems += mistakes
        for i, ref in enumerate(policy.spec.target_refs):
            target = _Target(world, policy, ref, f"spec.targetRefs[{i}]")
            section = target.section(limits)
            problems += target.problems
            if reader.problems or not target.found or _is_void(counter, mistakes):
                continue
            key = ref.kind, (policy.metadata.namespace, ref.name)
            holder = holders.setdefault((*key, section, staged), policy)
            if holder is not policy:
                text = f"{holder.origin()} is older and has the same target: this one does not hold there"
                problems.append(Problem(at=policy.origin(target.at), code="Conflicted", text=text))
                continue
            found.setdefault(key, []).append((section, _counted(policy, i, limits, counter=counter, staged=staged)))
    # Python sorts stably: within the whole, and within each section, the older one comes first.
    ordered = {key: tuple(sorted(one, key=lambda entry: entry[0] is not None)) for key, one in sorted(found.items())}
    services = {key: one for (kind, key), one in ordered.items() if kind == "Service"}
    return Limits(
        services=services,
        named={"/".join(key): _named(world, key, sections) for key, sections in services.items()},
        routes={(kind, key): one for (kind, key), one in ordered.items() if kind in {"HTTPRoute", "GRPCRoute"}},
        gateways={key: one for (kind, key), one in ordered.items() if kind == "Gateway"},
        problems=tuple(problems),
    )


def _named(world: World, key: Key, sections: Sections) -> frozenset[int]:
    service = world.get(Service, *key)
    names = {name for name, _ in sections if name is not None}
    return frozenset(port.port for port in service.spec.ports if port.name in names) if service else frozenset()


def _counter(world: World, policy: RateLimit) -> tuple[Counter | None, tuple[Problem, ...]]:
    asked = policy.spec.counter
    return read_counter(world, policy, asked) if asked is not None else (None, ())


def _is_void(counter: Counter | None, mistakes: tuple[Problem, ...]) -> bool:
    """Nothing holds of a policy whose counter cannot be asked and need not be."""
    return bool(mistakes) and (counter is None or counter.fail_open)


def _counted(
    policy: RateLimit, index: int, limits: tuple[Limit, ...], *, counter: Counter | None, staged: bool
) -> Counted:
    namespace, name = policy.key
    return Counted(
        name=f"{namespace}/{name}/{index}",
        limits=limits,
        staged=staged,
        retry_after=policy.spec.retry_after,
        tells=policy.spec.limit_headers,
        counter=counter,
        origin=policy.origin(f"spec.targetRefs[{index}]"),
    )


class _Target:
    """One target of a policy: whether it is there, and what is wrong with it."""

    def __init__(self, world: World, policy: RateLimit, ref: PolicyTarget, at: str) -> None:
        self._world, self._policy, self._ref, self.at = world, policy, ref, at
        self.found = True
        self.problems: list[Problem] = []

    def section(self, limits: tuple[Limit, ...]) -> Section:
        """Which part of the target is meant."""
        match self._ref.kind:
            case "Service":
                return self._port()
            case "HTTPRoute" | "GRPCRoute":
                self._refuse(
                    limits, frozenset({CountKey.CLAIM}), "not all who come by a route have their tokens looked at"
                )
                return self._rule()
            case _:
                self._refuse(limits, _PROVED, "clients of gateways prove no identity")
                return self._listener()

    def _port(self) -> Section:
        service = self._world.get(Service, *self._key)
        if service is None:
            self._missing()
            return None
        ports, name = service.spec.ports, self._ref.section_name
        if name and name not in {port.name for port in ports}:
            self._missing(f"has no port named {name!r}")
            return None
        counted = counted_ports(ports, name)
        others = [str(p.port) for p in ports if p.name == (name or p.name) and p.port not in counted]
        if others:
            text = f"port {', '.join(others)} of Service {'/'.join(self._key)} is not HTTP: nothing is counted there"
            self._wrong(self.at, "PortNotHTTP", text, Severity.WARNING if counted else Severity.ERROR)
        return name or None

    def _rule(self) -> Section:
        rule, missing = find_rule(self._world, self._ref.kind, self._key, self._ref.section_name)
        if missing:
            section = ".sectionName" if "has no rule" in missing else ".name"
            self._wrong(f"{self.at}{section}", "TargetNotFound", missing)
        return rule

    def _listener(self) -> Section:
        gateway = self._world.get(Gateway, *self._key)
        if gateway is None:
            self._missing()
            return None
        name = self._ref.section_name
        if not is_ours(self._world, gateway):
            text = f"its class {gateway.spec.gateway_class_name!r} is another controller's: nothing is counted there"
            self._wrong(f"{self.at}.name", "NotOurs", text, Severity.WARNING)
            self.found = False
        elif name and name not in {listener.name for listener in gateway.spec.listeners}:
            self._missing(f"has no listener named {name!r}")
        return name or None

    @property
    def _key(self) -> Key:
        return self._policy.metadata.namespace, self._ref.name

    def _refuse(self, limits: tuple[Limit, ...], keys: frozenset[CountKey], why: str) -> None:
        for limit in limits:
            for j, by in enumerate(limit.by):
                if by.key in keys:
                    text = f"not at {self._ref.kind} {'/'.join(self._key)}: {why}"
                    self._wrong(f"{limit.origin.path}.by[{j}].type", "UnsupportedValue", text)

    def _missing(self, what: str = "") -> None:
        where = f"{self._ref.kind} {'/'.join(self._key)}"
        path = f"{self.at}.sectionName" if what else f"{self.at}.name"
        self._wrong(path, "TargetNotFound", f"{where} {what}" if what else f"no {where}")

    def _wrong(self, path: str, code: str, text: str, severity: Severity = Severity.ERROR) -> None:
        self.found = self.found and severity is not Severity.ERROR
        self.problems.append(Problem(at=self._policy.origin(path), code=code, text=text, severity=severity))
