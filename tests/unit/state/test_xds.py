"""Snapshots compare by what they hold, and the order of types is the one that Envoy needs."""

from __future__ import annotations

from tandem.base.problems import Origin
from tandem.state.xds import CLUSTER, ENDPOINT, LISTENER, ORDER, ROUTE, Resource, Snapshot


def test_what_is_referred_to_comes_before_what_refers_to_it() -> None:
    places = [ORDER.index(url) for url in (CLUSTER, ENDPOINT, LISTENER, ROUTE)]
    assert places == sorted(places)


def test_type_urls_are_those_of_envoys_api() -> None:
    assert LISTENER == "type.googleapis.com/envoy.config.listener.v3.Listener"


def test_snapshots_with_equal_resources_are_equal() -> None:
    one, two = (Snapshot(resources={CLUSTER: {"a": Resource(name="a", body={"name": "a"})}}) for _ in range(2))
    assert one == two


def test_a_resource_is_another_one_when_other_manifests_depend_on_it() -> None:
    origin = Origin(kind="VirtualService", name="web", namespace="shop")
    assert Resource(name="a", body={}) != Resource(name="a", body={}, origins=frozenset({origin}))
