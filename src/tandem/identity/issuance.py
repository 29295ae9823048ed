"""Who may be issued what: a node gets certificates for exactly the identities of the pods bound to it. Pure.

In: the bindings (pod -> node, namespace, service account, in the mesh or not) as control knows them. Out: allowed ids,
and for a request the reason why it is refused.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from tandem.base.ids import NodeName, SpiffeId


@dataclass(frozen=True, slots=True, kw_only=True)
class Binding:
    """A pod that is bound to a node; `finished` ones (Succeeded, Failed) no longer speak for anybody."""

    node: NodeName
    identity: SpiffeId
    finished: bool = False


def allowed(bindings: Iterable[Binding], node: NodeName) -> frozenset[SpiffeId]:
    """The identities that this node may hold."""
    return frozenset(b.identity for b in bindings if b.node == node and not b.finished)


def refusal(node: NodeName, asked: str, may: frozenset[SpiffeId]) -> str | None:
    """Why `node` is not issued `asked`; None if it may have it."""
    if not node:
        return "the caller does not say which node it is"
    if asked not in may:
        return f"no pod with identity {asked} is bound to node {node}"
    return None
