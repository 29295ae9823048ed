"""What belongs together at gateways."""

from __future__ import annotations

from typing import Any

import pytest

from tandem.apps.cli.attaching import gateways_of, parents_of, policies_at, routes_at, sets_of

Raw = dict[str, Any]
GROUP = "gateway.networking.k8s.io"
EDGE = {"group": GROUP, "kind": "Gateway", "name": "edge"}


def made(kind: str, name: str, spec: Raw, ns: str = "shop", status: Raw | None = None) -> Raw:
    api = "security.istio.io/v1" if kind.startswith(("Auth", "Request")) else f"{GROUP}/v1"
    raw = {"apiVersion": api, "kind": kind, "metadata": {"name": name, "namespace": ns}, "spec": spec}
    return {**raw, **({"status": status} if status else {})}


GATEWAY = made("Gateway", "edge", {"gatewayClassName": "tandem", "listeners": []})
OTHER = made("Gateway", "other", {"gatewayClassName": "tandem", "listeners": []})


def route(name: str, *parents: Raw, ns: str = "shop", kind: str = "HTTPRoute", said: bool = False) -> Raw:
    conditions = [{"type": "Accepted", "status": "True"}, {"type": "ResolvedRefs", "status": "False"}]
    status = {"parents": [{"parentRef": p, "conditions": conditions} for p in parents]} if said else None
    return made(kind, name, {"parentRefs": list(parents)}, ns, status)


def test_routes_of_whatever_kind_and_namespace_that_name_it_are_listed_with_what_is_said() -> None:
    routes = [
        route("a", {"name": "edge"}, said=True),
        route("b", {"name": "edge", "sectionName": "http", "port": 80}),
        route("c", {"name": "edge", "namespace": "shop"}, ns="far", kind="TCPRoute"),
        route("d", {"name": "other"}, {"name": "edge", "kind": "Service", "group": ""}),
        route("e", {"name": "edge"}, ns="far"),
    ]
    assert routes_at(GATEWAY, routes) == [
        "HTTPRoute shop/a: Accepted=True, ResolvedRefs=False",
        "HTTPRoute shop/b listener http port 80: nothing was said of it yet",
        "TCPRoute far/c: nothing was said of it yet",
    ]


def test_sets_of_a_gateway_and_routes_of_a_set_are_listed() -> None:
    said = {"conditions": [{"type": "Accepted", "status": "False"}]}
    sets = [
        made("ListenerSet", "a", {"parentRef": {"name": "edge"}}, status=said),
        made("ListenerSet", "b", {"parentRef": {"name": "edge", "namespace": "shop"}}, "far"),
        made("ListenerSet", "c", {"parentRef": {"name": "other"}}),
    ]
    assert sets_of(GATEWAY, sets) == ["shop/a: Accepted=False", "far/b: nothing was said of it yet"]
    routes = [route("r", {"name": "a", "kind": "ListenerSet"}, kind="UDPRoute"), route("s", {"name": "a"})]
    assert routes_at(sets[0], routes) == ["UDPRoute shop/r: nothing was said of it yet"]


def test_parents_of_a_route_are_told_apart() -> None:
    named = {"name": "edge", "sectionName": "http"}
    made_ = route("a", named, {"name": "web", "kind": "Service", "group": ""}, said=True)
    made_["status"]["parents"].pop()
    assert parents_of(made_) == [
        "Gateway shop/edge listener http: Accepted=True, ResolvedRefs=False",
        "Service shop/web: nothing was said of it yet",
    ]


@pytest.mark.parametrize(
    ("policy", "at"),
    [
        (made("AuthorizationPolicy", "p", {"targetRefs": [EDGE]}), ["shop/edge"]),
        (made("AuthorizationPolicy", "p", {"action": "DENY"}), ["shop/edge", "shop/other"]),
        (made("AuthorizationPolicy", "p", {"targetRefs": [{"kind": "Service", "name": "web"}]}), []),
        (made("AuthorizationPolicy", "p", {}, ns="far"), []),
        (made("RequestAuthentication", "p", {}, ns="istio-system"), ["shop/edge", "shop/other"]),
    ],
)
def test_a_policy_and_the_gateways_where_it_judges(policy: Raw, at: list[str]) -> None:
    assert gateways_of(policy, [GATEWAY, OTHER]) == at
    action = " (DENY)" if "action" in policy["spec"] else " (ALLOW)" if policy["kind"].startswith("Auth") else ""
    label = f"{policy['kind']} {policy['metadata']['namespace']}/p{action}"
    assert policies_at(GATEWAY, [policy]) == ([label] if "shop/edge" in at else [])
