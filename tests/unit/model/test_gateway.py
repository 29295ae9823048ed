"""HTTPRoute with the defaults of the Gateway API."""

from __future__ import annotations

from meshworlds import httproute, parent


def test_a_parent_is_a_gateway_unless_it_says_service() -> None:
    refs = httproute(parentRefs=[{"name": "g"}, parent("web", port=80)]).spec.parent_refs
    assert [(r.group, r.kind, r.port) for r in refs] == [
        ("gateway.networking.k8s.io", "Gateway", None),
        ("", "Service", 80),
    ]


def test_a_route_without_rules_has_one_that_matches_every_path() -> None:
    (rule,) = httproute(parentRefs=[parent("web")]).spec.rules
    assert [(m.path.type, m.path.value) for m in rule.matches] == [("PathPrefix", "/")]


def test_a_backend_without_a_weight_weighs_one() -> None:
    rule = httproute(rules=[{"backendRefs": [{"name": "web", "port": 80}, {"name": "v2", "weight": 0}]}]).spec.rules[0]
    assert [(b.name, b.weight) for b in rule.backend_refs] == [("web", 1), ("v2", 0)]
