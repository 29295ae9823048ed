"""What AuthorizationPolicies make of tokens: the table of Istio's own integration test of both."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any, Final

import pytest

from jwts import Issuer
from netns.istiolab import tables
from netns.meshapps import http_app
from netns.test_istio_authorization import MANIFESTS, SERVER, Shop, paths, policy, to

pytestmark = pytest.mark.root

ONE, TWO = Issuer("one@issuers.test"), Issuer("two@issuers.test")
TAKEN: Final = """
---
apiVersion: security.istio.io/v1
kind: RequestAuthentication
metadata: {name: tokens, namespace: shop}
spec:
  jwtRules:
  - issuer: one@issuers.test
    jwks: '%s'
  - issuer: two@issuers.test
    jwks: '%s'
    spaceDelimitedClaims: [own_scope, teams]
"""
NESTED = {"nested": {"key1": ["valueA", "valueB"], "nested-2": {"key1": ["valueA"]}}}
OTHER = {"nested": {"key1": "valueC", "key2": "valueC"}}


def claim(name: str, *values: str) -> str:
    listed = ", ".join(f'"{value}"' for value in values)
    return f'key: "request.auth.claims[{name}]", values: [{listed}]'


RULES: Final = (
    to(f"methods: [GET], {paths('/one')}", "requestPrincipals: [one@issuers.test/sub-1]"),
    to(paths("/group"), when=claim("groups", "group-2")),
    to(paths("/any"), 'requestPrincipals: ["*"]'),
    to(paths("/scope"), when=claim("scope", "append", "write")),
    to(paths("/other-scope"), when=claim("scope", "admin")),
    to(paths("/permission"), when=claim("permission", "write", "append")),
    to(paths("/own-scope"), when=claim("own_scope", "admin")),
    to(paths("/nested-1"), when=claim("nested][key1", "valueB")),
    to(paths("/nested-none"), when=claim("nested][none", "valueC")),
    to(paths("/nested-2"), when=claim("nested][key2", "valueC")),
    to(paths("/deep"), when=claim("nested][nested-2][key1", "valueA")),
    to(paths("/valid"), when='key: request.auth.principal, values: ["*"]'),
    to(paths("*/presenter"), when="key: request.auth.presenter, values: [bar]"),
    to(paths("*/audiences"), when="key: request.auth.audiences, values: [foo]"),
    to(paths("/not-one"), "notRequestPrincipals: [one@issuers.test/sub-1]"),
)
PATHS: Final = (
    *("/one", "/group", "/any", "/scope", "/other-scope", "/permission", "/own-scope", "/nested-1", "/nested-none"),
    *("/nested-2", "/deep", "/valid", "/a/presenter", "/a/audiences", "/not-one", "/elsewhere"),
)
HOLDERS: Final[dict[str, tuple[Issuer | None, dict[str, Any], set[str]]]] = {
    "nobody": (None, {}, {"/not-one"}),
    "one": (ONE, {"sub": "sub-1", "groups": ["group-1"]}, {"/one", "/any", "/valid"}),
    "another of one": (ONE, {"sub": "sub-9"}, {"/any", "/valid", "/not-one"}),
    "two": (TWO, {"sub": "sub-2", "groups": ["group-1", "group-2"]}, {"/group", "/any", "/valid", "/not-one"}),
    "with a scope": (TWO, {"scope": "read write"}, {"/scope", "/any", "/valid", "/not-one"}),
    "with a permission": (TWO, {"permission": "read write"}, {"/permission", "/any", "/valid", "/not-one"}),
    "with a scope of its own": (TWO, {"own_scope": "user admin"}, {"/own-scope", "/any", "/valid", "/not-one"}),
    "whose scope is no list": (ONE, {"own_scope": "user admin", "sub": "sub-1"}, {"/one", "/any", "/valid"}),
    "with nested claims": (ONE, {"sub": "sub-1", **NESTED}, {"/one", "/any", "/valid", "/nested-1", "/deep"}),
    "with others": (ONE, {"sub": "sub-1", **OTHER}, {"/one", "/any", "/valid", "/nested-2"}),
    "for an audience": (ONE, {"sub": "sub-1", "aud": "foo"}, {"/one", "/any", "/valid", "/a/audiences"}),
    "for several": (ONE, {"sub": "sub-1", "aud": ["bar", "foo"]}, {"/one", "/any", "/valid", "/a/audiences"}),
    "by a presenter": (ONE, {"sub": "sub-1", "azp": "bar"}, {"/one", "/any", "/valid", "/a/presenter"}),
}


@pytest.fixture(scope="module")
def shop() -> Iterator[Shop]:
    with tables("ij", MANIFESTS) as made, contextlib.ExitStack() as apps:
        apps.enter_context(http_app(made.ns[SERVER], 8080, SERVER))
        found = Shop(made)
        found.put(TAKEN % (ONE.jwks, TWO.jwks), policy(*RULES))
        yield found


@pytest.mark.parametrize("holder", HOLDERS)
def test_what_a_token_opens(shop: Shop, holder: str) -> None:
    issuer, claims, opens = HOLDERS[holder]
    shown = ["-H", f"authorization: Bearer {issuer.token(**claims)}"] if issuer is not None else []
    assert {path for path in PATHS if shop.ask(path, *shown) == 200} == opens


def test_a_token_that_is_not_valid_opens_nothing(shop: Shop) -> None:
    forged = Issuer("one@issuers.test").token(sub="sub-1")
    asked = {shop.ask(path, "-H", f"authorization: Bearer {forged}") for path in PATHS}
    assert asked == {401}
