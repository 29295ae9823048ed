"""What a token is worth at a pod, judged on the objects."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from builders import pod
from jwts import Issuer
from meshworlds import reqauth
from tandem.model.security import RequestAuthentication
from tandem.model.world import World
from tandem.reference.authentication import Authentication, authenticate

WEB = pod("web", labels={"app": "web"})
A, B = Issuer("a"), Issuer("b")


def judge(*policies: RequestAuthentication, path: str = "/", **headers: str) -> Authentication:
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    return authenticate(World.of(policies), WEB, path, names)


def accepting(**rule: Any) -> RequestAuthentication:
    return reqauth(jwtRules=[{"issuer": "a", **rule}])


def test_without_a_token_nothing_is_refused_and_nothing_said() -> None:
    found = judge(accepting())
    assert (found.claims, found.by, len(found.steps)) == (None, (), 1)
    assert judge().steps == ()


def test_the_token_of_a_known_issuer_is_taken() -> None:
    found = judge(accepting(), authorization=f"Bearer {A.token(sub='me', scope='read write')}")
    assert found.claims is not None
    assert (found.claims["sub"], found.claims["scope"]) == ("me", ["read", "write"])


@pytest.mark.parametrize(
    ("token", "why"),
    [
        (B.token(), "it is of issuer 'b', and asked for is 'a'"),
        ("a.b", "it cannot be read as one"),
        ("x", "it cannot be read as one"),
        (A.token(aud="other"), "it is for 'other', and asked for is one of web"),
    ],
)
def test_any_other_token_is_refused_by_name_and_with_the_reason(token: str, why: str) -> None:
    found = judge(accepting(audiences=["web"]), authorization=f"Bearer {token}")
    assert [str(o) for o in found.by] == ["RequestAuthentication default/ra spec.jwtRules[0]"]
    assert [step.text for step in found.steps] == [f"refuses the token: {why}"]


def test_tokens_come_where_the_rule_says() -> None:
    token = A.token()
    asked = accepting(fromHeaders=[{"name": "x-t", "prefix": "JWT "}], fromParams=["t"], fromCookies=["c"])
    assert judge(asked, x_t=f"JWT {token}").claims
    assert judge(asked, path=f"/?t={token}").claims
    assert judge(asked, cookie=f"a=b; c={token}").claims
    assert judge(asked, authorization=f"Bearer {token}").steps == judge(asked).steps
    assert judge(accepting(), path=f"/?access_token={token}").claims


def test_headers_go_on_with_what_is_told_and_without_what_is_forged() -> None:
    token = A.token(sub="kim", o={"t": 5}, admin=True)
    claims = (("x-sub", "sub"), ("x-t", "o.t"), ("x-admin", "admin"), ("x-none", "none"))
    telling = {"outputClaimToHeaders": [{"header": h, "claim": c} for h, c in claims]}
    sent = {"authorization": f"Bearer {token}", "x_sub": "forged", "x-other": "1"}
    told = {"x-other": "1", "x-sub": "kim", "x-t": "5", "x-admin": "true"}
    assert judge(accepting(**telling), **sent).headers == told
    kept = judge(accepting(forwardOriginalToken=True, outputPayloadToHeader="X-P"), **sent).headers
    assert kept == {n.replace("_", "-"): v for n, v in sent.items()} | {"x-p": token.split(".")[1]}
    assert judge(accepting(**telling), x_sub="forged").headers == {}


def test_an_object_that_is_not_understood_refuses_everything() -> None:
    known = accepting()
    unknown = msgspec.structs.replace(known.metadata, unreadable=("spec.x: unknown field",))
    assert judge(msgspec.structs.replace(known, metadata=unknown)).by == (known.origin(),)
    other = {"group": "networking.istio.io", "kind": "ServiceEntry", "name": "g"}
    assert judge(reqauth(targetRefs=[other])).by
    gateway = {"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": "g"}
    assert not judge(reqauth(targetRefs=[gateway])).by


def test_an_object_is_for_the_pods_that_it_selects() -> None:
    token = f"Bearer {A.token()}"
    for policy, expected in (
        (reqauth(ns="istio-system", jwtRules=[{"issuer": "a"}]), True),
        (reqauth(ns="other", jwtRules=[{"issuer": "a"}]), False),
        (reqauth(selector={"matchLabels": {"app": "db"}}, jwtRules=[{"issuer": "a"}]), False),
    ):
        assert (judge(policy, authorization=token).claims is not None) is expected
