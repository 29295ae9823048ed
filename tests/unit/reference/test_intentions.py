"""Consul's intentions, judged on the objects."""

from __future__ import annotations

from typing import Any

import pytest

from builders import pod, service
from consulworlds import intentions, jwt, permission, provider, source
from jwts import Issuer
from tandem.model.consul import ServiceIntentions
from tandem.model.world import World
from tandem.reference.authorization import Asked, AuthzDecision
from tandem.reference.intentions import decide_intentions

WEB = pod("web", labels={"app": "web"})


def judge(*said: ServiceIntentions, who: str = "default/a", **asked: Any) -> AuthzDecision:
    namespace, _, account = who.partition("/")
    principal = f"cluster.local/ns/{namespace}/sa/{account}" if who else ""
    world = World.of([*said, service("web", selector={"app": "web"})])
    return decide_intentions(world, WEB, Asked(principal=principal, port=80, **asked))


def allowed(*said: ServiceIntentions, **asked: Any) -> bool:
    return judge(*said, **asked).allowed


def test_without_intentions_they_say_nothing() -> None:
    assert judge() == AuthzDecision(allowed=True)
    assert allowed(intentions("db", source("b")))
    assert allowed(intentions("*", source("b"), ns="other"))


def test_a_name_is_of_the_namespace_of_the_object_and_the_rest_is_denied() -> None:
    said = intentions("web", source("a"), source("c", namespace="shop"))
    assert allowed(said)
    assert not allowed(said, who="shop/a")
    assert allowed(said, who="shop/c")
    found = judge(said, who="default/b")
    assert [str(o) for o in found.by] == ["ServiceIntentions default/web spec.sources"]
    assert not allowed(said, who="")


@pytest.mark.parametrize(
    ("who", "expected"),
    [("default/a", False), ("default/b", True), ("shop/a", False), ("", False)],
)
def test_the_most_specific_intention_decides(who: str, *, expected: bool) -> None:
    web = intentions("web", source("a", "deny"), source("*"))
    every = intentions("*", source("a"), source("b", "deny"), source("*", "deny", namespace="*"))
    assert allowed(web, every, who=who) is expected


def test_the_first_permission_that_matches_decides() -> None:
    said = intentions(
        "web",
        source(
            "a",
            permissions=[
                permission("deny", pathPrefix="/admin"),
                permission("allow", methods=["GET"], header=[{"name": "X-Role", "exact": "ops", "invert": True}]),
            ],
        ),
    )
    assert allowed(said, path="/x", headers={"x-role": "guest"})
    assert not allowed(said, path="/x", headers={"x-role": "ops"})
    assert not allowed(said, path="/x")  # what is not there is not another value
    found = judge(said, path="//admin/x", headers={"x-role": "guest"})
    assert [o.path for o in found.by] == ["spec.sources[0].permissions[0]"]
    assert [o.path for o in judge(said, path="/x", method="PUT").by] == ["spec.sources[0].permissions"]
    assert not allowed(said, path="/x", parsed=False, headers={"x-role": "guest"})


def test_patterns_that_deny_close_paths_whose_slashes_are_unclear() -> None:
    closing = intentions("web", source("a", permissions=[permission("deny", pathRegex="/a/.*"), permission()]))
    assert not allowed(closing, path="/a/b")
    assert not allowed(closing, path="/x%2Fa/b")
    assert allowed(closing, path="/x/b")
    opening = intentions("web", source("a", permissions=[permission("allow", pathRegex="/a/.*")]))
    assert allowed(opening, path="/a/b?q=1")
    assert not allowed(opening, path="/a/..%2fb")


@pytest.mark.parametrize(
    ("header", "value", "expected"),
    [
        ({"present": True}, "1", True),
        ({"prefix": "A"}, "abc", False),
        ({"prefix": "A", "ignoreCase": True}, "abc", True),
        ({"suffix": "c"}, "abc", True),
        ({"contains": "b"}, "abc", True),
        ({"regex": "[a-c]+"}, "abc", True),
        ({"regex": "[a-b]+"}, "abc", False),
    ],
)
def test_headers(header: Any, value: str, *, expected: bool) -> None:
    said = intentions("web", source("a", permissions=[permission("allow", header=[{"name": "x", **header}])]))
    assert allowed(said, headers={"x": value}) is expected
    assert not allowed(said)


def token(issuer: str = "i", **claims: Any) -> dict[str, str]:
    return {"authorization": f"Bearer {Issuer(issuer).token(**claims)}"}


def with_tokens(said: ServiceIntentions, **asked: Any) -> AuthzDecision:
    world = World.of([said, provider("p"), service("web", selector={"app": "web"})])
    principal = "cluster.local/ns/default/sa/a"
    return decide_intentions(world, WEB, Asked(principal=principal, port=80, **asked))


def test_a_token_is_asked_for_of_everybody_who_is_allowed() -> None:
    said = intentions("web", source("a"), jwt=jwt("p", team="red"))
    assert with_tokens(said, headers=token(team="red")).allowed
    refused = with_tokens(said, headers=token(team="blue"))
    assert [o.path for o in refused.by] == ["spec.jwt"]
    assert not with_tokens(said, parsed=False).allowed
    assert not allowed(said, headers=token(team="red"))  # there is no such provider


def test_a_permission_asks_for_a_token_and_one_that_denies_does_not() -> None:
    every = [{**permission("deny", pathExact="/x"), "jwt": jwt("p")}, {**permission(), "jwt": jwt("p")}]
    said = intentions("web", source("a", permissions=every))
    assert with_tokens(said, path="/a", headers=token()).allowed
    assert not with_tokens(said, path="/a", headers=token("k")).allowed
    assert not with_tokens(said, path="/x", headers=token()).allowed
    assert not with_tokens(said, path="/x").allowed
