"""Who may be issued what: a node gets certificates for exactly the identities of the pods bound to it. Pure.

In: the bindings (pod -> node, namespace, service account, in the mesh or not) as control knows them. Out: allowed ids.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from tandem.base.ids import NodeName, SpiffeId


@dataclass(frozen=True, slots=True, kw_only=True)
class Binding:
    """A pod that is bound to a node and has not finished: finished ones no longer speak for anybody."""

    node: NodeName
    identity: SpiffeId


def allowed(bindings: Iterable[Binding], node: NodeName) -> frozenset[SpiffeId]:
    """The identities that this node may hold."""
    return frozenset(b.identity for b in bindings if b.node == node)
