"""Which pods a policy of Istio's security API is for: a selector, Services by reference, a namespace, or all. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Generic, TypeVar

from tandem.ir.authz import Action, AuthzPolicy, AuthzRule
from tandem.model.core import Pod, Service
from tandem.model.gateways import GROUP
from tandem.model.security import AuthorizationPolicy, RequestAuthentication, TargetRef
from tandem.model.selectors import matches_map
from tandem.model.telemetry import Telemetry
from tandem.model.world import World

T = TypeVar("T")
Policy = AuthorizationPolicy | RequestAuthentication
Selectors = tuple[Mapping[str, str], ...]
"""One of them must match; `{}` matches every pod."""
Wrong = Callable[[str, str, str], None]


class Scoped(Generic[T]):
    """What is said of pods, by namespace; what the root namespace says is for the pods of all."""

    def __init__(self, root: str, entries: Iterable[tuple[str, Selectors, T]]) -> None:
        self._root = root
        self._by_namespace: dict[str, tuple[tuple[Selectors, T], ...]] = {}
        for namespace, selectors, value in entries:
            self._by_namespace[namespace] = (*self._by_namespace.get(namespace, ()), (selectors, value))

    def of(self, pod: Pod) -> list[T]:
        """All that is said of a pod, first by the root namespace."""
        home, labels = pod.metadata.namespace, pod.metadata.labels
        namespaces = dict.fromkeys((self._root, home))
        found = [entry for n in namespaces for entry in self._by_namespace.get(n, ())]
        return [value for selectors, value in found if any(_matches(s, labels) for s in selectors)]

    def differing(self, other: Scoped[T]) -> set[str]:
        """The namespaces of which the two say something else."""
        mine, others = self._by_namespace, other._by_namespace
        return {n for n in mine.keys() | others.keys() if mine.get(n) != others.get(n)}


def _matches(selector: Mapping[str, str], labels: Mapping[str, str]) -> bool:
    return not selector or matches_map(dict(selector), labels)


def selectors_of(policy: Policy, world: World, wrong: Wrong) -> Selectors | None:
    """Whom a policy selects. None: it is attached to what nobody knows, whatever that means, and `wrong` is told.

    A policy of a Service is for the pods behind it. A Service that is not there has none, and `wrong` is told. One of a
    gateway is for no pod: `translate/gateway/guards.py` reads it there.
    """
    refs, selector, home = refs_of(policy), policy.spec.selector, policy.metadata.namespace
    if not refs:
        return (selector.match_labels if selector is not None else {},)
    found: list[Mapping[str, str]] = []
    for path, ref in refs:
        if is_of_gateways(ref):
            continue
        if not is_of_services(ref):
            text = "only Services and gateways can be attached to: everything is denied in the namespace"
            wrong(refs[0][0], "UnsupportedField", text)
            return None
        service = world.get(Service, home, ref.name)
        if ref.namespace not in {"", home}:
            wrong(f"{path}.namespace", "RefNotPermitted", f"it must be {home}, as the policy's own: it selects nobody")
        elif service is None:
            wrong(f"{path}.name", "TargetNotFound", f"no Service {home}/{ref.name}: it selects nobody")
        elif service.spec.selector:
            found.append(service.spec.selector)
    return tuple(found)


def is_of_gateways(ref: TargetRef) -> bool:
    """Attached to a Gateway, or to all of a class."""
    return ref.group == GROUP and ref.kind in {"Gateway", "GatewayClass"}


def is_of_services(ref: TargetRef) -> bool:
    """Attached to a Service."""
    return (ref.group, ref.kind) in {("", "Service"), ("core", "Service")}


def refs_of(policy: Policy | Telemetry) -> tuple[tuple[str, TargetRef], ...]:
    """What a policy is attached to, with the paths."""
    ref = policy.spec.target_ref
    first = (("spec.targetRef", ref),) if ref is not None else ()
    return (*first, *((f"spec.targetRefs[{i}]", r) for i, r in enumerate(policy.spec.target_refs)))


def everything_denied(policy: Policy, *, staged: bool = False) -> AuthzPolicy:
    """What stands for a policy that nobody here can judge."""
    origin = policy.origin()
    return AuthzPolicy(action=Action.DENY, rules=(AuthzRule(origin=origin),), origin=origin, staged=staged)
