"""Labels that are asked for beside those that a pod has."""

from __future__ import annotations

from typing import Any

from builders import namespace, pod, policy, world
from tandem.base.problems import Origin
from tandem.views.peers import unlike

CLIENT = pod("client", namespace="shop", labels={"app": "client"})


def told(*peers: dict[str, Any], at: str = "spec.ingress[0]") -> str:
    rules: dict[str, Any] = {"ingress": [{"from": list(peers)}], "egress": [{"to": list(peers)}]}
    made = policy("p", ns="shop", podSelector={}, **rules)
    origin = Origin(kind="NetworkPolicy", namespace="shop", name="p", path=at)
    return unlike(world(namespace("shop"), namespace("bank", tier="gold"), CLIENT, made), origin, CLIENT)


def test_selectors_of_pods_and_namespaces_are_told_and_those_that_nobody_has() -> None:
    labels = {"matchLabels": {"app": "client"}}
    odd = {"matchExpressions": [{"key": "app", "operator": "In", "values": ["a", "b"]}]}
    assert (
        told({"podSelector": labels})
        == "shop/client has app=client, and meant are pods with app=client of namespace shop"
    )
    assert told({"podSelector": odd}, at="spec.egress[0]").endswith(
        "pods with app In (a, b) of namespace shop (there is none)"
    )
    gold = {"namespaceSelector": {"matchLabels": {"tier": "gold"}}}
    assert told(gold).endswith("meant are pods of namespaces with tier=gold (there is none)")
    everywhere = {"namespaceSelector": {}, "podSelector": labels}
    assert told(everywhere).endswith("pods with app=client of namespaces with any labels")


def test_what_is_no_rule_of_a_networkpolicy_has_no_words() -> None:
    other = Origin(kind="ClusterNetworkPolicy", name="p", path="spec.ingress[0]")
    assert unlike(world(CLIENT), other, CLIENT) == ""
    assert told({"podSelector": {}}, at="spec.ingress") == ""
