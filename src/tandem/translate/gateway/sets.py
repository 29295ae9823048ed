"""ListenerSets -> which are merged into which Gateway, in their order, with Problems of the others. Pure.

A Gateway says from which namespaces it takes sets (spec.allowedListeners, none by default). The oldest set comes first,
of one second that whose "{namespace}/{name}" does (ListenerSet API docs, spec.listeners).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from types import MappingProxyType

import msgspec

from tandem.base.problems import Problem, Severity
from tandem.model.gateways import GROUP, Gateway
from tandem.model.listenersets import ListenerSet
from tandem.model.world import Key, World
from tandem.translate.gateway.listeners import meets
from tandem.translate.mesh.layers import age


class Sets(msgspec.Struct, frozen=True, kw_only=True):
    """`merged`: by Gateway; `refused`: sets of a Gateway that is ours which it does not take, and that Gateway."""

    merged: Mapping[Key, tuple[ListenerSet, ...]] = MappingProxyType({})
    refused: Mapping[Key, Key] = MappingProxyType({})
    problems: tuple[Problem, ...] = ()


def sets_of(world: World, gateways: Mapping[Key, Gateway], refused: Collection[Key]) -> Sets:
    """The sets of these Gateways, which are all that are ours; of those `refused` nothing is served."""
    merged: dict[Key, list[ListenerSet]] = {}
    left: dict[Key, Key] = {}
    problems: list[Problem] = []
    for one in sorted(world.all(ListenerSet).values(), key=age):
        if one.metadata.deletion_timestamp:
            continue
        parent = one.spec.parent_ref
        key = parent.namespace or one.metadata.namespace, parent.name
        at = one.origin("spec.parentRef")
        if (parent.group, parent.kind) != (GROUP, "Gateway") or key not in gateways:
            kind = f"{parent.group}/{parent.kind}" if parent.group else parent.kind
            text = f"{kind} {key[0]}/{key[1]} is no Gateway of this controller"
            problems.append(Problem(at=at, code="NotOurs", text=text, severity=Severity.WARNING))
            continue
        mistake = _mistake(world, gateways[key], one, refused)
        if mistake is None:
            merged.setdefault(key, []).append(one)
        else:
            left[one.key] = key
            problems.append(Problem(at=at, code=mistake[0], text=mistake[1]))
    return Sets(merged={key: tuple(found) for key, found in merged.items()}, refused=left, problems=tuple(problems))


def _mistake(world: World, gateway: Gateway, one: ListenerSet, refused: Collection[Key]) -> tuple[str, str] | None:
    where = f"Gateway {gateway.key[0]}/{gateway.key[1]}"
    home = one.metadata.namespace
    if not meets(gateway.spec.allowed_listeners.namespaces, home, world, gateway.metadata.namespace):
        return "NotAllowed", f"{where} takes no ListenerSet of namespace {home} (spec.allowedListeners)"
    if gateway.key in refused:
        return "ParentNotAccepted", f"{where} is not accepted"
    return None
