"""Which tokens a pod takes for valid."""

from __future__ import annotations

import base64
import json
from typing import Any

import msgspec
import pytest

from builders import pod
from meshworlds import reqauth
from tandem.ir.authn import FetchedKeys, GivenKeys, JwtRule
from tandem.ir.authz import Action
from tandem.model import core
from tandem.model.meta import Meta, Object
from tandem.model.security import RequestAuthentication
from tandem.model.world import World
from tandem.translate.mesh.istio.authentication import KEYS_FROM, AuthenticationIndex

ROOT = "istio-system"
KEYS = json.dumps({"keys": [{"kty": "EC"}]}, separators=(",", ":"))


def index(*objects: Object) -> AuthenticationIndex:
    return AuthenticationIndex(World.of(objects), ROOT)


def one(*others: Object, notes: dict[str, str] | None = None, **rule: Any) -> tuple[JwtRule, list[tuple[str, str]]]:
    found = index(reqauth(notes=notes, jwtRules=[{"issuer": "i", **rule}]), *others)
    (made,) = found.rules(pod("p"))
    return made, [(p.at.path, p.code) for p in found.problems]


def test_all_objects_that_select_a_pod_count_together() -> None:
    rules: dict[str, Any] = {"jwtRules": [{"issuer": "b", "jwks": KEYS}]}
    found = index(
        reqauth("own", jwtRules=[{"issuer": "c", "jwks": KEYS}]),
        reqauth("web", selector={"matchLabels": {"app": "web"}}, **rules),
        reqauth("root", ns=ROOT, jwtRules=[{"issuer": "a", "jwks": KEYS}]),
        reqauth("other", ns="other", **rules),
    )
    assert [r.issuer for r in found.rules(pod("p", labels={"app": "web"}))] == ["a", "b", "c"]
    assert [r.issuer for r in found.rules(pod("p"))] == ["a", "c"]
    assert found.problems == ()


def test_every_field_is_carried() -> None:
    made, told = one(
        audiences=["x"],
        jwksUri="https://keys.example/jwks",
        fromHeaders=[{"name": "x-t", "prefix": "JWT "}],
        fromParams=["t"],
        fromCookies=["c"],
        outputPayloadToHeader="x-p",
        outputClaimToHeaders=[{"header": "x-u", "claim": "o.u"}],
        forwardOriginalToken=True,
        timeout="2s",
        spaceDelimitedClaims=["roles"],
    )
    assert told == []
    assert made == JwtRule(
        issuer="i",
        keys=FetchedKeys(url="https://keys.example/jwks", timeout_ms=2000),
        audiences=("x",),
        headers=(("x-t", "JWT "),),
        params=("t",),
        cookies=("c",),
        payload_header="x-p",
        claim_headers=(("x-u", "o.u"),),
        forward=True,
        lists=("permission", "roles", "scope"),
        origin=reqauth().origin("spec.jwtRules[0]"),
    )


def test_without_an_issuer_the_keys_alone_decide() -> None:
    made, told = one(issuer="", jwksUri="https://keys.example/jwks")
    assert (made.issuer, made.keys, told) == ("", FetchedKeys(url="https://keys.example/jwks", timeout_ms=5000), [])
    made, told = one(issuer="", jwks=KEYS)
    assert (made.keys, told) == (GivenKeys(""), [("spec.jwtRules[0].issuer", "InvalidValue")])


def test_keys_without_a_place_are_told_by_the_issuer() -> None:
    assert one(issuer="https://a")[0].keys == FetchedKeys(url="https://a", discover=True)


def test_an_issuer_without_keys_has_no_valid_token() -> None:
    assert one() == (
        msgspec.structs.replace(one(jwks=KEYS)[0], keys=GivenKeys("")),
        [("spec.jwtRules[0]", "KeysMissing")],
    )
    made, told = one(jwks='{"keys": []}')
    assert (made.keys, told) == (GivenKeys(""), [("spec.jwtRules[0].jwks", "InvalidValue")])


def config_map(**data: str) -> core.ConfigMap:
    return core.ConfigMap(
        api_version="v1", kind="ConfigMap", metadata=Meta(name="keys", namespace="default"), data=data
    )


def secret(**data: str) -> core.Secret:
    encoded = {name: base64.b64encode(text.encode()).decode() for name, text in data.items()}
    return core.Secret(api_version="v1", kind="Secret", metadata=Meta(name="keys", namespace="default"), data=encoded)


@pytest.mark.parametrize(("kind", "holder"), [("configmap", config_map(k=KEYS)), ("secret", secret(k=KEYS))])
def test_keys_may_be_in_a_file(kind: str, holder: Object) -> None:
    made, told = one(holder, notes={KEYS_FROM: f"i={kind}/keys/k"})
    assert (made.keys, told) == (GivenKeys(KEYS), [])


@pytest.mark.parametrize("place", ["configmap/keys/other", "configmap/no/k", "secret/keys/k", "file/keys/k", "k"])
def test_a_file_that_is_not_there_has_no_keys(place: str) -> None:
    made, told = one(config_map(k=KEYS), notes={KEYS_FROM: f"i={place}"})
    assert (made.keys, told) == (GivenKeys(""), [(f"metadata.annotations[{KEYS_FROM}]", "KeysMissing")])


def test_a_file_for_an_issuer_that_no_rule_is_about_is_told() -> None:
    _, told = one(jwks=KEYS, notes={KEYS_FROM: "other=configmap/keys/k"})
    assert told == [(f"metadata.annotations[{KEYS_FROM}]", "InvalidValue")]


def test_a_time_that_is_none_is_told_and_five_seconds() -> None:
    made, told = one(jwksUri="http://a/", timeout="soon")
    assert (made.keys, told) == (FetchedKeys(url="http://a/"), [("spec.jwtRules[0].timeout", "InvalidValue")])


def test_what_is_not_understood_denies_everything() -> None:
    known = reqauth(jwtRules=[{"issuer": "i", "jwks": KEYS}])
    unknown = msgspec.structs.replace(known.metadata, unreadable=("spec.jwtRules[0].x: unknown field",))
    closed: tuple[RequestAuthentication, ...] = (
        msgspec.structs.replace(known, metadata=unknown),
        reqauth(targetRefs=[{"group": "networking.istio.io", "kind": "ServiceEntry", "name": "g"}]),
    )
    for policy in closed:
        found = index(policy)
        (denial,) = found.denials(pod("p"))
        assert (denial.action, len(denial.rules), found.rules(pod("p"))) == (Action.DENY, 1, ())
