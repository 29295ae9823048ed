"""A node is issued the identities of its own pods, and no others."""

from __future__ import annotations

from tandem.base.ids import NodeName, SpiffeId
from tandem.identity.issuance import Binding, allowed

A, B = SpiffeId("spiffe://cluster.local/ns/d/sa/a"), SpiffeId("spiffe://cluster.local/ns/d/sa/b")
N1, N2 = NodeName("n1"), NodeName("n2")
BINDINGS = (Binding(node=N1, identity=A), Binding(node=N2, identity=B))


def test_a_node_may_have_what_its_pods_are_and_nothing_else() -> None:
    assert allowed(BINDINGS, N1) == {A}
    assert allowed(BINDINGS, N2) == {B}


def test_a_node_without_pods_and_a_caller_without_a_name_may_have_nothing() -> None:
    assert allowed(BINDINGS, NodeName("n3")) == frozenset()
    assert allowed(BINDINGS, NodeName("")) == frozenset()
