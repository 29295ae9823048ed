"""What a name is to a pod, with the search list that it has."""

from __future__ import annotations

import pytest

from builders import namespace, pod, service, sliced
from tandem.views.names import look_up

PEER = pod("peer-0", namespace="shop", ip="10.244.0.5", labels={"app": "peers"}, spec={"hostname": "peer-0"})


WORLD = sliced(
    namespace("shop"),
    namespace("ops"),
    service("web", ns="shop", ip="10.96.0.20"),
    service("peers", ns="shop", ip="None", publishNotReadyAddresses=True),
    service("out", ns="shop", type="ExternalName", externalName="API.Example.com."),
    service("in", ns="shop", type="ExternalName", externalName="web.shop.svc.cluster.local"),
    service("round", ns="shop", type="ExternalName", externalName="round.shop.svc.cluster.local"),
    PEER,
)


@pytest.mark.parametrize(
    ("text", "namespace", "name"),
    [
        ("web.shop.svc.cluster.local", "ops", "web.shop.svc.cluster.local"),
        ("WEB.shop.svc.cluster.local.", "ops", "web.shop.svc.cluster.local"),
        ("web.shop.svc", "ops", "web.shop.svc.cluster.local"),
        ("web.shop", "ops", "web.shop.svc.cluster.local"),
    ],
)
def test_a_services_name_may_be_written_short(text: str, namespace: str, name: str) -> None:
    found = look_up(WORLD, text, namespace)
    assert found.service is not None
    assert (found.service.key, found.name) == (("shop", "web"), name)


@pytest.mark.parametrize("text", ["10-244-0-5.peers.shop", "10-244-0-5.peers.shop.svc.cluster.local"])
def test_a_pod_behind_a_headless_service_has_a_name(text: str) -> None:
    assert look_up(WORLD, text, "shop").address == "10.244.0.5"
    assert look_up(WORLD, text.replace("-5", "-6"), "shop").missing == (
        "no ready endpoint of Service shop/peers is named 10-244-0-6"
    )


def test_an_alias_is_followed() -> None:
    out, inside = look_up(WORLD, "out.shop", "shop"), look_up(WORLD, "in.shop", "shop")
    assert (out.outside, out.alias and out.alias.metadata.name) == ("api.example.com", "out")
    assert (inside.service and inside.service.metadata.name, inside.alias and inside.alias.metadata.name) == (
        "web",
        "in",
    )
    assert "leads round in a circle" in look_up(WORLD, "round.shop.svc.cluster.local", "shop").missing


@pytest.mark.parametrize(
    ("text", "outside", "missing"),
    [
        ("wbe.shop.svc.cluster.local", "", "there is no Service shop/wbe (there is shop/in, shop/out, shop/peers)"),
        ("web.ops.svc.cluster.local.", "", "there is no Service ops/web (there is shop/web)"),
        ("wbe.shop", "wbe.shop", "there is no Service shop/wbe (there is shop/in, shop/out, shop/peers)"),
        ("api.example.com", "api.example.com", ""),
        ("web.shop.", "web.shop", ""),
    ],
)
def test_what_is_no_name_of_the_cluster_is_told_or_asked_for_outside(text: str, outside: str, missing: str) -> None:
    found = look_up(WORLD, text, "ops")
    assert (found.service, found.outside, found.missing) == (None, outside, missing)


def test_a_domain_of_the_cluster_that_is_no_service_is_told() -> None:
    found = look_up(WORLD, "nodes.cluster.local", "ops")
    assert found.outside == ""
    assert found.missing == "nodes.cluster.local is no name of a Service: those are SERVICE.NAMESPACE.svc.cluster.local"
    assert look_up(WORLD, "web.shop.svc.my.domain", "ops", "my.domain").service is not None
