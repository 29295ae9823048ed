"""Consul's ServiceIntentions with real requests and connections through a real Envoy, from the objects on."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

import pytest

from builders import service
from consulworlds import Raw, intentions, jwt, permission, provider, source
from jwts import Issuer
from netns.meshapps import greeter_app, http_app
from netns.meshlab import Lab
from netns.test_mesh_authorization import World
from tandem.model.consul import ServiceIntentions
from tandem.model.consultokens import JWTProvider
from tandem.model.world import World as Objects
from tandem.translate.mesh.consul.intentions import IntentionIndex

pytestmark = pytest.mark.root

WEB = service("web", ns="shop", selector={"app": "b"})
ROLE = "X-Role"
I, K = Issuer("i"), Issuer("https://k.example")  # noqa: E741 - their names
OTHER = 501
"""What the application itself says of methods that it does not know."""


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with Lab("ci") as lab:
        made = World(lab)
        with http_app(made.ns["b"], 8080), greeter_app(made.ns["b"], 3306):
            yield made


def put(world: World, *said: ServiceIntentions | JWTProvider) -> None:
    index = IntentionIndex(Objects.of([*said, WEB]), "istio-system")
    world.put(*index.policies("shop", [WEB]), tokens=index.tokens("shop", [WEB]))


def web(*sources: Raw, **spec: Any) -> ServiceIntentions:
    return intentions("web", *sources, ns="shop", **spec)


def issued(name: str, issuer: Issuer, **spec: Any) -> JWTProvider:
    keys = {"local": {"jwks": base64.b64encode(issuer.jwks.encode()).decode()}}
    return provider(name, ns="shop", issuer=issuer.name, jsonWebKeySet=keys, **spec)


def bearing(world: World, token: str, path: str = "/") -> int:
    return world.ask(path, authorization=f"Bearer {token}")


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
    asking = [{**permission("allow"), "jwt": jwt("p")}]
    put(world, web(source("a", permissions=asking)))
    assert (world.ask(), bearing(world, I.token()), world.heard()) == (403, 403, False)
    put(world, web(source("a"), jwt=jwt("p", "gone")), issued("p", I))
    assert (world.ask(), bearing(world, I.token()), world.heard()) == (403, 403, False)


def test_a_token_is_asked_for_of_all(world: World) -> None:
    red = jwt("p", team="red", o__t="x")
    put(world, web(source("a"), jwt=red), issued("p", I, audiences=["w"]))
    good: Any = {"aud": "w", "team": "red", "o": {"t": "x"}}
    assert bearing(world, I.token(**good)) == 200
    assert world.ask(f"/?access_token={I.token(**good)}") == 200
    for wrong in ({"aud": "v"}, {"team": "blue"}, {"team": ["red"]}, {"o": {"t": "y"}}, {"iss": "k"}, {"exp": 1}):
        assert bearing(world, I.token(**(good | wrong))) == 403, wrong
    assert bearing(world, Issuer("i").token(**good)) == 403, "signed by another key"
    assert (bearing(world, "no"), world.ask()) == (403, 403)
    # Of bytes nobody sees tokens.
    assert (world.heard(), world.ask(who="plain")) == (False, 403)


def test_permissions_ask_for_tokens_of_their_own(world: World) -> None:
    permissions = [
        {**permission("deny", pathExact="/never"), "jwt": jwt("p")},
        {**permission("allow", pathPrefix="/admin"), "jwt": jwt("q")},
        {**permission("allow", pathPrefix="/admin/open"), "jwt": jwt("p", "q")},
        permission("allow", pathPrefix="/open"),
    ]
    put(world, web(source("a", permissions=permissions)), issued("p", I), issued("q", K))
    assert [bearing(world, one.token(), "/admin") for one in (I, K)] == [403, 200]
    assert [bearing(world, one.token(), "/admin/open") for one in (I, K)] == [200, 200]
    assert [bearing(world, text, "/open") for text in (I.token(), "no")] == [200, 200]
    assert [bearing(world, I.token(), "/never"), world.ask("/never"), world.ask("/admin")] == [403, 403, 403]


def test_a_token_that_two_providers_find_counts_for_both_where_it_is_forwarded(world: World) -> None:
    both = [{**permission("allow", pathPrefix=path), "jwt": jwt(name)} for path, name in (("/p", "p"), ("/q", "q"))]
    header = {"name": "Authorization", "valuePrefix": "Bearer "}
    for forward, seen in ((False, [200, 403]), (True, [200, 200])):
        place = [{"header": {**header, "forward": forward}}]
        put(world, web(source("a", permissions=both)), *(issued(name, I, locations=place) for name in "pq"))
        assert [bearing(world, I.token(), path) for path in ("/p", "/q")] == seen
    elsewhere = [{"header": {"name": "X-Token"}}, {"cookie": {"name": "t"}}, {"queryParam": {"name": "q"}}]
    put(world, web(source("a"), jwt=jwt("p")), issued("p", I, locations=elsewhere, cacheConfig={"size": 9}))
    token = I.token()
    for _ in range(2):
        assert [world.ask(x_token=token), world.ask(cookie=f"t={token}"), world.ask(f"/?q={token}")] == [200] * 3
    assert bearing(world, token) == 403
