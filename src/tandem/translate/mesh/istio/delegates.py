"""VirtualServices that leave routes to others -> the routes as they are merged, each with its owner. Pure.

Istio's rules: a delegate has no hosts of its own; each of its routes takes what it does not say from the route that
leaves to it; its matches are joined with that route's, and what contradicts it is dropped, as is a route of which no
match is left. Delegates are of one level.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import msgspec

from tandem.base.problems import Problem
from tandem.ir.authz import AuthzPolicy
from tandem.model.istio import HttpMatch, HttpRoute, StringMatch, VirtualService
from tandem.model.world import World

MESH = "mesh"
_INHERITED = (
    "rewrite", "direct_response", "retries", "fault", "mirror", "mirror_percent", "mirror_percent_old",
    "mirror_percentage", "cors_policy",
)  # fmt: skip
"""Fields that a delegate's route takes where it has none; timeout, mirrors and headers beside them."""


class Owned(msgspec.Struct, frozen=True, kw_only=True):
    """A route with the object that it stands in, its index there, the name that it is known by, and what judges."""

    owner: VirtualService
    index: int
    route: HttpRoute
    name: str
    judges: tuple[AuthzPolicy, ...] = ()


def is_delegate(source: VirtualService) -> bool:
    """True for one that others leave routes to."""
    return not source.spec.hosts


def for_mesh(source: VirtualService) -> bool:
    """Whether it is about clients in the mesh, and not about gateways alone."""
    return not source.spec.gateways or MESH in source.spec.gateways


Keep = Callable[[HttpRoute], HttpRoute | None]
"""Leaves of a route what is about one place; None: nothing is."""


def in_mesh(route: HttpRoute) -> HttpRoute | None:
    """The route with the matches that are about the mesh; None if it has some, and none of them is."""
    matches = tuple(m for m in route.match if not m.gateways or MESH in m.gateways)
    if route.match and not matches:
        return None
    return msgspec.structs.replace(route, match=matches) if len(matches) < len(route.match) else route


def gateway_named(text: str, namespace: str) -> str:
    """`NAMESPACE/NAME` of the Gateway that an object in a namespace means; `mesh` is no Gateway."""
    home, slash, name = text.rpartition("/")
    return text if text == MESH else f"{namespace if not slash or home == '.' else home}/{name}"


def routes_of(source: VirtualService, world: World, problems: list[Problem], keep: Keep = in_mesh) -> Iterator[Owned]:
    """What is kept of the routes of one with hosts, those of its delegates in their places."""
    meta = source.metadata
    for i, route in enumerate(_resolved(route, meta.namespace) for route in source.spec.http):
        name = f"VirtualService/{meta.namespace}/{meta.name}/{i}"
        if route.delegate is None:
            found = keep(route)
            if found is not None:
                yield Owned(owner=source, index=i, route=found, name=name)
            continue
        target = _target(source, i, world, problems)
        for j, leaf in enumerate(target.spec.http if target is not None else ()):
            merged = merge(route, _resolved(leaf, target.metadata.namespace)) if target is not None else None
            found = keep(merged) if merged is not None else None
            if found is not None and target is not None:
                own = f"{name}/{target.metadata.namespace}/{target.metadata.name}/{j}"
                yield Owned(owner=target, index=j, route=found, name=own)


def _resolved(route: HttpRoute, namespace: str) -> HttpRoute:
    """With the full names of the Gateways that its matches name, as the object in this namespace means them."""
    if not any(match.gateways for match in route.match):
        return route
    matches = (
        msgspec.structs.replace(m, gateways=tuple(gateway_named(name, namespace) for name in m.gateways))
        for m in route.match
    )
    return msgspec.structs.replace(route, match=tuple(matches))


def _target(source: VirtualService, index: int, world: World, problems: list[Problem]) -> VirtualService | None:
    delegate, home = source.spec.http[index].delegate, source.metadata.namespace
    assert delegate is not None  # noqa: S101 - asked before
    key = str(delegate.get("namespace") or home), str(delegate.get("name", ""))
    target = world.get(VirtualService, *key)
    wrong = ""
    if target is None:
        wrong = f"no VirtualService {key[0]}/{key[1]}"
    elif not is_delegate(target):
        wrong = f"VirtualService {key[0]}/{key[1]} has hosts of its own"
    elif not seen(target, home):
        wrong = f"VirtualService {key[0]}/{key[1]} is not exported to {home}"
    if not wrong:
        return target
    at = source.origin(f"spec.http[{index}].delegate")
    problems.append(Problem(at=at, code="DelegateNotFound", text=f"{wrong}: the route is left out"))
    return None


def seen(target: VirtualService, namespace: str) -> bool:
    """Whether it is exported to a namespace."""
    exported = target.spec.export_to or ("*",)
    return bool({"*", namespace} & set(exported)) or ("." in exported and target.metadata.namespace == namespace)


def merge(root: HttpRoute, leaf: HttpRoute) -> HttpRoute | None:
    """A route of a delegate under the route that leaves to it; None where they contradict each other."""
    matches = leaf.match or root.match
    if root.match and leaf.match:
        matches = tuple(_joined(a, b) for a in root.match for b in leaf.match if not _contradict(a, b))
        if not matches:
            return None
    taken = {name: getattr(root, name) for name in _INHERITED if getattr(leaf, name) is None}
    for name in ("timeout", "mirrors"):
        if not getattr(leaf, name):
            taken[name] = getattr(root, name)
    if leaf.headers == type(leaf.headers)():
        taken["headers"] = root.headers
    return msgspec.structs.replace(leaf, match=matches, name="-".join(filter(None, (root.name, leaf.name))), **taken)


def _joined(root: HttpMatch, leaf: HttpMatch) -> HttpMatch:
    taken = {n: getattr(root, n) for n in ("uri", "scheme", "method", "authority") if getattr(leaf, n) is None}
    for name in ("port", "source_namespace", "gateways"):
        if not getattr(leaf, name):
            taken[name] = getattr(root, name)
    both = {
        name: {**getattr(root, name), **getattr(leaf, name)}
        for name in ("headers", "without_headers", "query_params", "source_labels")
    }
    return msgspec.structs.replace(leaf, name="-".join(filter(None, (root.name, leaf.name))), **taken, **both)


def _contradict(root: HttpMatch, leaf: HttpMatch) -> bool:
    texts = [(getattr(root, name), getattr(leaf, name)) for name in ("uri", "scheme", "method", "authority")]
    for name in ("headers", "without_headers", "query_params"):
        under = getattr(root, name)
        texts += [(under.get(key), value) for key, value in getattr(leaf, name).items()]
    return (
        any(_differ(a, b) for a, b in texts)
        or root.ignore_uri_case != leaf.ignore_uri_case
        or bool(root.port and leaf.port and root.port != leaf.port)
        or bool(root.source_namespace and leaf.source_namespace != root.source_namespace)
        or any(root.source_labels.get(key) != value for key, value in leaf.source_labels.items())
        or bool(root.gateways and set(leaf.gateways) - set(root.gateways))
    )


def _differ(root: StringMatch | None, leaf: StringMatch | None) -> bool:
    """What a leaf asks for must lie within what the root asks for; of regular expressions nobody can tell."""
    if root is None or leaf is None:
        return False
    if root.regex or leaf.regex:
        return bool((root.regex and (leaf.regex or leaf.prefix or leaf.exact)) or root.prefix or root.exact)
    if root.exact:
        return leaf.exact != root.exact
    if root.prefix:
        inner = leaf.prefix or leaf.exact
        return inner is not None and bool(inner) and not inner.startswith(root.prefix)
    return False
