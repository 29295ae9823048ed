"""The routes of a VirtualService as Istio sees them: those of delegates in the place of the routes that leave to them.

A route of a delegate is asked by pairs: some match of the route that leaves to it, and some match of its own, of which
the second asks for no more than a part of what the first does; both must hold.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import msgspec

from tandem.model.istio import HttpMatch, HttpRoute, StringMatch, VirtualService
from tandem.model.world import World

Pair = tuple[HttpMatch, ...]
"""All of them must hold."""


class Effective(msgspec.Struct, frozen=True, kw_only=True):
    """A route where it stands, and when it is taken: for one of `pairs` (None: always)."""

    owner: VirtualService
    index: int
    route: HttpRoute
    pairs: tuple[Pair, ...] | None


def effective(
    world: World, source: VirtualService, counts: Callable[[Pair], bool] | None = None
) -> Iterator[Effective]:
    """In order, without those of which no pair `counts`: by default, those for gateways alone."""
    counts = counts or _meshed
    for i, route in enumerate(_full(route, source.metadata.namespace) for route in source.spec.http):
        if route.delegate is None:
            pairs = tuple(filter(counts, [(m,) for m in route.match])) if route.match else None
            if pairs is None or pairs:
                yield Effective(owner=source, index=i, route=route, pairs=pairs)
            continue
        home = source.metadata.namespace
        named = str(route.delegate.get("namespace") or home), str(route.delegate.get("name", ""))
        target = world.get(VirtualService, *named)
        if target is None or target.spec.hosts or not _exported(target, home):
            continue
        for j, leaf in enumerate(_full(leaf, target.metadata.namespace) for leaf in target.spec.http):
            found = _pairs(route.match, leaf.match, counts)
            if found is None or found:
                patient = leaf if leaf.timeout else msgspec.structs.replace(leaf, timeout=route.timeout)
                yield Effective(owner=target, index=j, route=patient, pairs=found)


def _exported(target: VirtualService, to: str) -> bool:
    allowed = target.spec.export_to or ("*",)
    return any(e in {"*", to} or (e == "." and target.metadata.namespace == to) for e in allowed)


def _pairs(
    root: tuple[HttpMatch, ...], leaf: tuple[HttpMatch, ...], counts: Callable[[Pair], bool]
) -> tuple[Pair, ...] | None:
    if not root and not leaf:
        return None
    if not root or not leaf:
        return tuple(filter(counts, [(m,) for m in root or leaf]))
    return tuple(filter(counts, [(a, b) for a in root for b in leaf if _within(a, b)]))


def gateways_of(pair: Pair) -> tuple[str, ...]:
    """Those of the last match that names some."""
    return next((match.gateways for match in reversed(pair) if match.gateways), ())


def _meshed(pair: Pair) -> bool:
    return "mesh" in (gateways_of(pair) or ("mesh",))


def _full(route: HttpRoute, home: str) -> HttpRoute:
    """With every Gateway by namespace and name: one without a namespace is of the object's own."""
    named = [
        msgspec.structs.replace(
            match,
            gateways=tuple(g if g == "mesh" or "/" in g else f"{home}/{g}" for g in match.gateways),
        )
        for match in route.match
    ]
    return msgspec.structs.replace(route, match=tuple(named))


def _within(root: HttpMatch, leaf: HttpMatch) -> bool:
    """Whether a match of a delegate asks for a part of what the other asks for, as far as that can be told."""
    texts = [(getattr(root, name), getattr(leaf, name)) for name in ("uri", "scheme", "method", "authority")]
    for name in ("headers", "without_headers", "query_params"):
        texts += [(getattr(root, name).get(key), value) for key, value in getattr(leaf, name).items()]
    return all(
        (
            root.ignore_uri_case == leaf.ignore_uri_case,
            not (root.port and leaf.port) or root.port == leaf.port,
            not root.source_namespace or root.source_namespace == leaf.source_namespace,
            leaf.source_labels.items() <= root.source_labels.items(),
            not root.gateways or set(leaf.gateways) <= set(root.gateways),
            *(_part(wide, narrow) for wide, narrow in texts),
        )
    )


def _part(root: StringMatch | None, leaf: StringMatch | None) -> bool:
    wide = [getattr(root, kind, None) or "" for kind in ("regex", "exact", "prefix")]
    narrow = [getattr(leaf, kind, None) or "" for kind in ("regex", "exact", "prefix")]
    if root is None or leaf is None or not any(wide):
        return True
    if wide[0]:
        return not any(narrow)
    if narrow[0]:
        return False
    if wide[1]:
        return narrow[1] == wide[1]
    return not any(narrow) or (narrow[2] or narrow[1]).startswith(wide[2])
