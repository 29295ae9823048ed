"""Which pods a policy of Istio's security API is for: a selector, Services by reference, a namespace, or all. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Final, Generic, TypeVar

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
        self._by_namespace: dict[str, list[tuple[Selectors, T]]] = {}
        self._by_label: dict[tuple[str, str, str], list[int]] = {}
        """Entries of a namespace, by the one label of each selector by which they are found."""
        for namespace, selectors, value in entries:
            known = self._by_namespace.setdefault(namespace, [])
            for label in {_label(selector) for selector in selectors}:
                self._by_label.setdefault((namespace, *label), []).append(len(known))
            known.append((selectors, value))

    def of(self, pod: Pod) -> list[T]:
        """All that is said of a pod, first by the root namespace."""
        labels = pod.metadata.labels
        found: list[T] = []
        for namespace in dict.fromkeys((self._root, pod.metadata.namespace)):
            known = self._by_namespace.get(namespace, [])
            near = {i for label in (_ALL, *labels.items()) for i in self._by_label.get((namespace, *label), ())}
            found += (known[i][1] for i in sorted(near) if any(matches_all(s, labels) for s in known[i][0]))
        return found

    def differing(self, other: Scoped[T]) -> Iterator[tuple[str, Mapping[str, str]]]:
        """Namespaces, and by selector the pods there, of which the two say something else."""
        mine, others = self._by_namespace, other._by_namespace
        for namespace in sorted(mine.keys() | others.keys()):
            one, two = mine.get(namespace, []), others.get(namespace, [])
            if one == two:
                continue
            same = {(id(s), id(v)) for s, v in one} & {(id(s), id(v)) for s, v in two}
            for selectors, value in (*one, *two):
                if (id(selectors), id(value)) not in same:
                    yield from ((namespace, selector) for selector in selectors)


_ALL: Final = ("", "")


def _label(selector: Mapping[str, str]) -> tuple[str, str]:
    """One that all pods have which the selector matches; no label at all if it matches every pod."""
    return min(selector.items()) if selector else _ALL


def matches_all(selector: Mapping[str, str], labels: Mapping[str, str]) -> bool:
    """Whether a pod has all labels of a selector; without any it is everybody's."""
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
