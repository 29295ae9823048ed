"""JWTProviders as they are read, and what is wrong with them; what they decide: tests/property/test_intentions.py."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from consulworlds import Raw, intentions, jwt, provider, source
from tandem.base.problems import Severity
from tandem.ir.authn import FetchedKeys, JwtRule
from tandem.ir.authz import Attribute, Requirement
from tandem.ir.mesh import Exact, Present
from tandem.model.consultokens import JWTProvider
from tandem.model.world import World
from tandem.translate.mesh.consul.tokens import Providers, Tokens

ROOT = "istio-system"
OWNER = intentions("web", source("a"))


def read(*said: JWTProvider, names: tuple[str, ...] = ("p",), **claims: str) -> tuple[Tokens, list[tuple[str, str]]]:
    """What is asked, and what is told of that."""
    told: list[tuple[str, str]] = []
    asked = intentions("web", source("a"), jwt=jwt(*names, **claims)).spec.jwt
    assert asked is not None
    providers = Providers(World.of(said), ROOT)
    return providers.asked(OWNER, asked, "spec.jwt", lambda path, code, _: told.append((path, code))), told


def rule(**spec: Any) -> JwtRule:
    (found,) = read(provider("p", **spec))[0].rules
    return found


def told(**spec: Any) -> list[tuple[str, str, Severity]]:
    return [(p.at.path, p.code, p.severity) for p in Providers(World.of([provider("p", **spec)]), ROOT).problems]


def remote(**more: Any) -> Raw:
    return {"jsonWebKeySet": {"remote": {"uri": "http://keys/x", **more}}}


def test_a_valid_token_with_every_claim_is_asked_for_of_one_of_the_providers() -> None:
    found, wrong = read(provider("p"), provider("q"), names=("p", "q"), o__t="x")
    assert wrong == []
    assert [way[0].provider for way in found.ways] == ["default/p", "default/q"]
    assert found.ways[0] == (
        Requirement(attribute=Attribute.CLAIM, provider="default/p", values=(Present(),)),
        Requirement(attribute=Attribute.CLAIM, provider="default/p", claim=("o", "t"), values=(Exact("x"),)),
    )


def test_a_provider_is_beside_the_object_or_in_the_root_namespace() -> None:
    here, root, other = (provider("p", ns=ns, audiences=[ns]) for ns in ("default", ROOT, "other"))
    assert [r.provider for r in read(here, root)[0].rules] == ["default/p"]
    assert [r.provider for r in read(root)[0].rules] == [f"{ROOT}/p"]
    assert read(other) == (
        Tokens(origin=OWNER.origin("spec.jwt")),
        [("spec.jwt.providers[0].name", "ProviderNotFound")],
    )


def test_one_that_cannot_be_used_leaves_nobody_and_no_other_of_its_name_stands_in() -> None:
    broken = provider("p", issuer="")
    found, wrong = read(broken, provider("p", ns=ROOT), provider("q"), names=("q", "p"))
    assert (found.ways, found.rules, wrong) == ((), (), [("spec.jwt.providers[1].name", "ProviderNotFound")])
    unread = msgspec.structs.replace(provider("p").metadata, unreadable=("spec.moon: unknown field",))
    assert read(msgspec.structs.replace(provider("p"), metadata=unread), provider("p", ns=ROOT))[0].ways == ()


def test_every_field_is_in_the_rule() -> None:
    places = [
        {"header": {"name": "X-A", "valuePrefix": "JWT ", "forward": True}},
        {"queryParam": {"name": "t"}},
        {"cookie": {"name": "c"}},
    ]
    forwarding = {"headerName": "x-payload", "padForwardPayloadHeader": True}
    more: Raw = {"audiences": ["w"], "clockSkewSeconds": 5, "cacheConfig": {"size": 9}}
    found = rule(locations=places, forwarding=forwarding, **more)
    assert (found.headers, found.params, found.cookies) == ((("X-A", "JWT "),), ("t",), ("c",))
    assert (found.forward, found.payload_header, found.payload_padded) == (True, "x-payload", True)
    assert (found.audiences, found.skew_seconds, found.cached) == (("w",), 5, 9)
    plain = rule()
    assert (plain.forward, plain.skew_seconds, plain.cached) == (False, 30, 0)


def test_keys_are_fetched_in_the_time_that_is_given() -> None:
    assert rule(**remote()).keys == FetchedKeys(url="http://keys/x", timeout_ms=5000, keep_ms=300_000)
    found = rule(**remote(requestTimeoutMs=7, cacheDuration="1m"))
    assert found.keys == FetchedKeys(url="http://keys/x", timeout_ms=7, keep_ms=60_000)


@pytest.mark.parametrize(
    ("spec", "path", "code"),
    [
        ({"issuer": ""}, "spec.issuer", "InvalidValue"),
        ({"jsonWebKeySet": {}}, "spec.jsonWebKeySet", "KeysMissing"),
        ({"jsonWebKeySet": {"local": {"filename": "/x"}}}, "spec.jsonWebKeySet.local.filename", "UnsupportedField"),
        ({"jsonWebKeySet": {"local": {"jwks": "e30="}}}, "spec.jsonWebKeySet.local.jwks", "InvalidValue"),
        ({"jsonWebKeySet": {"local": {"jwks": "%"}}}, "spec.jsonWebKeySet.local.jwks", "InvalidValue"),
        (remote(cacheDuration="soon"), "spec.jsonWebKeySet.remote.cacheDuration", "InvalidValue"),
    ],
)
def test_without_it_no_token_is_valid(spec: Raw, path: str, code: str) -> None:
    assert told(**spec) == [(path, code, Severity.ERROR)]
    assert read(provider("p", **spec))[0].ways == ()


def test_another_root_of_the_keys_server_is_refused() -> None:
    spec = remote(jwksCluster={"tlsCertificates": {"trustedCA": {"inlineString": "x"}}})
    at = "spec.jsonWebKeySet.remote.jwksCluster"
    assert told(**spec) == [
        (f"{at}.tlsCertificates", "UnsupportedField", Severity.ERROR),
        (at, "NoEffect", Severity.WARNING),
    ]


def test_what_changes_nothing_is_told() -> None:
    spec = remote(fetchAsynchronously=True, retryPolicy={"numRetries": 2}, UseSNI=True)
    paths = [path.rpartition(".")[2] for path, code, _ in told(**spec) if code == "NoEffect"]
    assert paths == ["fetchAsynchronously", "retryPolicy"]
    headers = [{"header": {"name": name, "forward": name == "a"}} for name in "ab"]
    assert told(locations=headers) == [("spec.locations", "NoEffect", Severity.WARNING)]
    assert not rule(locations=headers).forward
