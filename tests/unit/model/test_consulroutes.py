"""Consul's routing objects as they are read."""

from __future__ import annotations

from consulworlds import resolver, route, router, split, splitter


def test_fields_whose_names_are_not_like_others() -> None:
    policy = {"policy": "maglev", "hashPolicies": [{"sourceIP": True, "terminal": True}]}
    found = resolver("web", loadBalancer=policy, prioritizeByLocality={"mode": "none"}).spec
    assert found.load_balancer is not None
    assert found.load_balancer.hash_policies[0].source_ip
    assert found.prioritize_by_locality is not None


def test_a_route_is_a_match_and_a_destination() -> None:
    (found,) = router("web", route("a", "v1", match={"pathPrefix": "/x"}, retryOn=["5xx"])).spec.routes
    assert found.match is not None
    assert found.match.http is not None
    assert found.match.http.path_prefix == "/x"
    assert found.destination is not None
    assert (found.destination.service_subset, found.destination.retry_on) == ("v1", ("5xx",))


def test_weights_are_parts_of_a_hundred() -> None:
    assert [s.weight for s in splitter("web", split(33.3), split(66.7, "b")).spec.splits] == [33.3, 66.7]
