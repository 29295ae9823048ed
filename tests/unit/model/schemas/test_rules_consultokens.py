"""What no JWTProvider may say, each with its path."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from tandem.model.schema import validate

KEYS = base64.b64encode(b'{"keys":[]}').decode()


def mistakes(**spec: Any) -> list[str]:
    given = {"issuer": "i", "jsonWebKeySet": {"local": {"jwks": KEYS}}, **spec}
    meta = {"name": "p", "namespace": "shop"}
    return validate(
        {"apiVersion": "consul.hashicorp.com/v1alpha1", "kind": "JWTProvider", "metadata": meta, "spec": given}
    )


@pytest.mark.parametrize(
    "spec",
    [
        {},
        {"jsonWebKeySet": {"local": {"filename": "/x"}}},
        {"jsonWebKeySet": {"remote": {"uri": "https://a.test/keys", "UseSNI": True, "cacheDuration": "5m"}}},
        {"locations": [{"header": {"name": "X-A", "valuePrefix": "JWT "}}, {"cookie": {"name": "c"}}]},
        {"forwarding": {"headerName": "x-p", "padForwardPayloadHeader": True}, "cacheConfig": {"size": 1}},
    ],
)
def test_sound_providers_are_taken(spec: dict[str, Any]) -> None:
    assert mistakes(**spec) == []


@pytest.mark.parametrize(
    ("spec", "path"),
    [
        ({"jsonWebKeySet": {}}, "jsonWebKeySet: needs one of"),
        ({"jsonWebKeySet": {"local": {"jwks": KEYS, "filename": "/x"}}}, "jsonWebKeySet.local: needs one of"),
        ({"jsonWebKeySet": {"local": {"jwks": "%"}}}, "jsonWebKeySet.local.jwks: "),
        ({"jsonWebKeySet": {"local": {"jwks": "e30="}}}, "jsonWebKeySet.local.jwks: is not the base64 of"),
        ({"jsonWebKeySet": {"remote": {"uri": "keys"}}}, "jsonWebKeySet.remote.uri: 'keys' is not a URL"),
        ({"locations": [{}]}, "locations[0]: needs one of"),
        ({"locations": [{"header": {"name": "a"}, "cookie": {"name": "c"}}]}, "locations[0]: needs one of"),
        ({"locations": [{"header": {"name": "a b"}}]}, "locations[0].header.name: "),
        ({"forwarding": {}}, "forwarding.headerName: Required"),
        ({"moon": 1}, "moon: unknown field"),
    ],
)
def test_providers_that_are_not(spec: dict[str, Any], path: str) -> None:
    (found,) = mistakes(**spec)
    assert found.startswith(f"spec.{path}")


def test_a_claim_that_is_asked_for_has_a_name() -> None:
    asked = {"providers": [{"name": "p", "verifyClaims": [{"value": "x"}]}]}
    spec = {"destination": {"name": "web"}, "sources": [{"name": "a", "action": "allow"}], "jwt": asked}
    raw = {"apiVersion": "consul.hashicorp.com/v1alpha1", "kind": "ServiceIntentions", "metadata": {"name": "w"}}
    assert validate({**raw, "spec": spec}) == [
        "spec.jwt.providers[0].verifyClaims[0].path: at least one name is required"
    ]
