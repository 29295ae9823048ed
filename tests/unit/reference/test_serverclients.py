"""Whom authorizations of Linkerd's mean, by the reference."""

from __future__ import annotations

import pytest

from linkerdworlds import END, allowing, at_route, by, mesh_tls, networks, older, route, server
from tandem.model.world import World
from tandem.reference.authorization import Asked
from tandem.reference.serverclients import admits, clients_of_route, clients_of_server

A = Asked(principal="cluster.local/ns/shop/sa/a", source="10.0.0.2")


@pytest.mark.parametrize(
    ("name", "is_a"),
    [
        ("*", True),
        (f"a.shop.{END}", True),
        ("a.shop.serviceaccount.identity.mesh.cluster.local", True),
        (f"*.shop.{END}", True),
        ("*.cluster.local", True),
        (f"b.shop.{END}", False),
        (f"*.b.{END}", False),
        ("*.example.org", False),
    ],
)
def test_identities_by_name(name: str, *, is_a: bool) -> None:
    world = World.of([server(), mesh_tls(identities=[name]), allowing("web", by("MeshTLSAuthentication", "ids"))])
    assert [holds for _, holds in clients_of_server(world, server(), A, "cluster.local")] == [is_a]


def test_of_a_server_those_of_its_namespace_and_of_the_older_kind_count() -> None:
    whole = allowing({"kind": "Namespace", "name": "default"}, by("ServiceAccount", "a", "shop"), name="ns")
    world = World.of([whole, allowing("other"), older(client={"unauthenticated": True})])
    found = list(clients_of_server(world, server(), A, "cluster.local"))
    assert [(origin.name, holds) for origin, holds in found] == [("ns", True), ("old", True)]


def test_of_a_route_those_that_name_its_kind_and_group_count() -> None:
    gateway = at_route("r", group="gateway.networking.k8s.io")
    world = World.of([allowing(at_route("r"), name="mine"), allowing(gateway, name="other")])
    assert [o.name for o, _ in clients_of_route(world, route("r"), A, "cluster.local")] == ["mine"]


def test_networks_have_exceptions() -> None:
    some = networks({"cidr": "10.0.0.0/8", "except": ["10.0.0.2"]})
    world = World.of([some, allowing("web", by("NetworkAuthentication", "nets"))])
    asked = (A, Asked(source="10.0.0.3"))
    assert [next(clients_of_server(world, server(), a, "cluster.local"))[1] for a in asked] == [False, True]


@pytest.mark.parametrize(
    ("policy", "lets"),
    [
        ("deny", (False, False, False)),
        ("audit", (False, False, False)),
        ("all-unauthenticated", (True, True, True)),
        ("all-authenticated", (True, False, False)),
        ("cluster-unauthenticated", (True, True, False)),
        ("cluster-authenticated", (True, False, False)),
    ],
)
def test_default_policies(policy: str, lets: tuple[bool, ...]) -> None:
    every = (A, Asked(source="10.0.0.3"), Asked(source="203.0.113.1"))
    assert tuple(admits(policy, asked) for asked in every) == lets
