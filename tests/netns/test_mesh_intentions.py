"""Consul's ServiceIntentions with real requests and connections through a real Envoy, from the objects on."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from builders import service
from consulworlds import Raw, intentions, permission, source
from netns.meshapps import greeter_app, http_app
from netns.meshlab import Lab
from netns.test_mesh_authorization import World
from tandem.model.consul import ServiceIntentions
from tandem.model.world import World as Objects
from tandem.translate.mesh.consul.intentions import IntentionIndex

pytestmark = pytest.mark.root

WEB = service("web", ns="shop", selector={"app": "b"})
ROLE = "X-Role"
OTHER = 501
"""What the application itself says of methods that it does not know."""


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with Lab("ci") as lab:
        made = World(lab)
        with http_app(made.ns["b"], 8080), greeter_app(made.ns["b"], 3306):
            yield made


def put(world: World, *said: ServiceIntentions) -> None:
    world.put(*IntentionIndex(Objects.of([*said, WEB]), "istio-system").policies("shop", [WEB]))


def web(*sources: Raw) -> ServiceIntentions:
    return intentions("web", *sources, ns="shop")


def asked(world: World, path: str = "/", method: str = "GET", **headers: str) -> int:
    return world.ask(path, method, **headers)


def test_who_is_named_may_and_nobody_else(world: World) -> None:
    put(world, web(source("a")))
    assert (world.ask(), world.ask(who="plain"), world.heard()) == (200, 403, True)
    put(world, web(source("a", namespace="other"), source("c")))
    assert (world.ask(), world.heard()) == (403, False)


def test_the_most_specific_intention_decides(world: World) -> None:
    put(world, web(source("a", "deny"), source("*")))
    assert (world.ask(), world.heard()) == (403, False)
    every = intentions("*", source("a", "deny"), source("*", namespace="*"), ns="shop")
    put(world, every)
    assert world.ask() == 403
    put(world, every, web(source("*")))
    assert (world.ask(), world.ask(who="plain"), world.heard()) == (200, 403, True)


def test_the_first_permission_that_matches_decides(world: World) -> None:
    permissions = [
        permission("allow", pathExact="/admin/health"),
        permission("deny", pathPrefix="/admin"),
        permission("deny", pathRegex="/v[0-9]+/secret"),
        permission("allow", methods=["PUT"], header=[{"name": ROLE, "contains": "OPS", "ignoreCase": True}]),
        permission("allow", methods=["GET"], header=[{"name": ROLE, "regex": "g.*t", "invert": True}]),
    ]
    put(world, web(source("a", permissions=permissions)))
    assert asked(world, "/admin/health") == 200
    for path in ("/admin", "/admin/x", "//admin", "/%61dmin", "/x/../admin", "/v1/secret", "/v1//x"):
        assert asked(world, path, X_Role="ops") == 403, path
    assert asked(world, "/x", X_Role="ops") == 200
    assert asked(world, "/x", X_Role="guest") == 403
    assert asked(world, "/x") == 403
    assert asked(world, "/x", "PUT", X_Role="devops-1") == OTHER
    assert asked(world, "/x", "PUT", X_Role="dev") == 403
    assert asked(world, "/x", "DELETE", X_Role="ops") == 403
    # Of bytes nobody sees requests: permissions deny (Consul, and closed).
    assert not world.heard()


def test_what_nobody_can_judge_denies(world: World) -> None:
    asking = [{**permission("allow"), "jwt": {"providers": [{"name": "p"}]}}]
    put(world, web(source("a", permissions=asking)))
    assert (world.ask(), world.heard()) == (403, False)
