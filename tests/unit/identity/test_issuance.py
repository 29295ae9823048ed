"""A node is issued the identities of its own pods, and no others."""

from __future__ import annotations

from tandem.base.ids import NodeName, SpiffeId
from tandem.identity.issuance import Binding, allowed, refusal

A, B = SpiffeId("spiffe://cluster.local/ns/d/sa/a"), SpiffeId("spiffe://cluster.local/ns/d/sa/b")
N1, N2 = NodeName("n1"), NodeName("n2")


def test_a_node_may_have_what_its_pods_are() -> None:
    bindings = (Binding(node=N1, identity=A), Binding(node=N2, identity=B))
    assert allowed(bindings, N1) == {A}
    assert refusal(N1, A, allowed(bindings, N1)) is None


def test_another_nodes_identity_is_refused_by_name() -> None:
    assert refusal(N1, B, frozenset({A})) == f"no pod with identity {B} is bound to node n1"


def test_finished_pods_speak_for_nobody() -> None:
    assert allowed((Binding(node=N1, identity=A, finished=True),), N1) == frozenset()


def test_a_nameless_caller_is_refused() -> None:
    assert refusal(NodeName(""), A, frozenset({A}))
