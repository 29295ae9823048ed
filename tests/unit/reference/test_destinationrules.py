"""Which rules count for one caller, read off the objects."""

from __future__ import annotations

from typing import Any

from builders import pod, service
from meshworlds import dr
from tandem.model.istio import DestinationRule
from tandem.model.world import World
from tandem.reference.destinationrules import caller_of, destination_rules
from tandem.reference.ingressgateway import IngressGateway
from tandem.reference.request import ANYBODY, Caller

PORTS = [{"name": "http", "port": 80, "targetPort": 8080}]
WEB = service("web")
SHOP = Caller(namespace="shop", labels=(("app", "till"),))


def rule(name: str, ns: str, **spec: Any) -> DestinationRule:
    return dr(name, ns=ns, **{"host": "web.default.svc.cluster.local", **spec})


def names(caller: Caller, *rules: DestinationRule) -> list[str]:
    found = destination_rules(World.of([WEB, *rules]), ("default", "web"), caller)
    return [one.metadata.name for one in found]


def test_three_places_are_looked_at_one_after_the_other() -> None:
    root, beside, own = rule("r", "istio-system"), rule("b", "default"), rule("o", "shop")
    assert names(SHOP, root) == ["r"]
    assert names(SHOP, root, beside) == ["b"]
    assert names(SHOP, root, beside, own) == ["o"]
    assert names(ANYBODY, root, beside, own) == ["b"]


def test_an_export_hides_a_rule_from_others() -> None:
    few, root = rule("few", "default", exportTo=["shop"]), rule("r", "istio-system")
    assert (names(SHOP, few, root), names(ANYBODY, few, root)) == (["few"], ["r"])
    assert names(Caller(namespace="default"), few, root) == ["r"]


def test_a_selector_asks_for_labels_of_callers_beside_it() -> None:
    few = rule("few", "shop", workloadSelector={"matchLabels": {"app": "till"}})
    plain = rule("plain", "shop")
    assert names(SHOP, plain, few) == ["few"]
    assert names(Caller(namespace="shop"), plain, few) == ["plain"]
    assert names(Caller(namespace="bank", labels=SHOP.labels), plain, few) == []


def test_a_gateway_in_the_root_namespace_finds_first_what_is_for_nobody_else() -> None:
    edge = caller_of(IngressGateway())
    own, every, beside = rule("own", "istio-system", exportTo=["."]), rule("r", "istio-system"), rule("b", "default")
    assert (names(edge, every, beside), names(edge, own, every, beside)) == (["b"], ["own"])
    few = rule("few", "istio-system", workloadSelector={"matchLabels": {"istio": "ingressgateway"}})
    assert names(edge, own, few) == ["few"]


def test_a_caller_is_a_pod_with_its_labels_or_nobody() -> None:
    assert caller_of(None) == ANYBODY
    assert caller_of(pod("a", namespace="shop", app="till")) == SHOP


def test_the_rules_beside_a_service_hide_those_of_the_root_namespace() -> None:
    full = "web.default.svc.cluster.local"
    root, elsewhere = dr("r", ns="istio-system", host=full), dr("e", ns="shop", host=full)
    newer = dr("a", created="2026-02-01T00:00:00Z", host="web")
    older = dr("b", created="2026-01-01T00:00:00Z", host="web")
    services = [service("web", ports=PORTS)]
    found = destination_rules(World.of([*services, root, elsewhere, newer, older]), ("default", "web"))
    assert [r.metadata.name for r in found] == ["b", "a"]
    assert destination_rules(World.of([*services, root, elsewhere]), ("default", "web")) == (root,)


def test_of_rules_for_patterns_the_most_specific_counts_and_its_own_namespace_before_the_root() -> None:
    web = service("web")
    rules = [
        dr("every", ns="istio-system", host="*"),
        dr("near", ns="istio-system", host="*.default.svc.cluster.local"),
        dr("own", host="*.default.svc.cluster.local"),
        dr("itself", host="web"),
        dr("other", ns="istio-system", host="*.other.svc.cluster.local"),
    ]
    for last, expected in ((1, "every"), (2, "near"), (3, "own"), (4, "itself"), (5, "itself")):
        found = destination_rules(World.of([web, *rules[:last]]), ("default", "web"))
        assert [rule.metadata.name for rule in found] == [expected]
