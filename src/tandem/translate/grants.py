"""ReferenceGrants: may an object of one namespace refer to one of another (GEP-709). Pure.

Both sides must hold in one grant, which lies in the namespace that is referred to: it names the referrer's group, kind
and namespace, and the target's group and kind, with its name or without any.
"""

from __future__ import annotations

import msgspec

from tandem.model.gateways import ReferenceGrant
from tandem.model.world import World


class Referrer(msgspec.Struct, frozen=True, kw_only=True):
    """Who refers."""

    group: str
    kind: str
    namespace: str


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """What is referred to; the group of Services and Secrets is empty."""

    group: str = ""
    kind: str
    namespace: str
    name: str


def permitted(world: World, who: Referrer, what: Target) -> bool:
    """True within one namespace, and where a grant in the target's namespace allows it."""
    if who.namespace == what.namespace:
        return True
    return any(
        grant.metadata.namespace == what.namespace and _allows(grant, who, what)
        for grant in world.all(ReferenceGrant).values()
    )


def _allows(grant: ReferenceGrant, who: Referrer, what: Target) -> bool:
    from_there = any((f.group, f.kind, f.namespace) == (who.group, who.kind, who.namespace) for f in grant.spec.from_)
    return from_there and any(
        (t.group, t.kind) == (what.group, what.kind) and t.name in {"", what.name} for t in grant.spec.to
    )
