"""The filter of tokens; what Envoy makes of it is in tests/netns/test_mesh_tokens.py."""

from __future__ import annotations

import base64
import hashlib
import json
from typing import Any

from meshbuild import attached
from tandem.base.problems import Origin
from tandem.compile.envoy.filters.tokens import NOBODY, TYPE, compile_tokens, tokens
from tandem.ir.authn import FetchedKeys, GivenKeys, JwtRule
from tandem.state.xds import ENVOY

AT = Origin(kind="RequestAuthentication", namespace="shop", name="ra", path="spec.jwtRules[0]")
P = 2**256 - 2**224 + 2**192 + 2**96 - 1
B = 0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B


def rule(**fields: Any) -> JwtRule:
    base: dict[str, Any] = {"issuer": "i", "keys": GivenKeys('{"keys":[{"kty":"EC"}]}'), "origin": AT}
    return JwtRule(**(base | fields))


def made(*rules: JwtRule, **keys: str) -> Any:
    return compile_tokens(attached("a", "10.0.0.1", authentication=rules).pod, keys)


def test_the_point_of_nobody_comes_from_a_digest() -> None:
    x = int.from_bytes(hashlib.sha256(b"nobody").digest(), "big") % P
    while True:
        square = (x**3 - 3 * x + B) % P
        root = pow(square, (P + 1) // 4, P)
        if root * root % P == square:
            break
        x += 1
    points = [base64.urlsafe_b64encode(n.to_bytes(32, "big")).rstrip(b"=").decode() for n in (x, min(root, P - root))]
    assert [NOBODY["x"], NOBODY["y"]] == points


def test_every_pod_has_the_filter_and_one_that_takes_no_tokens_does_nothing() -> None:
    assert tokens(attached("a", "10.0.0.1").pod)["name"] == made(rule()).name
    assert made().body["typed_config"] == {"@type": ENVOY + TYPE}


def test_one_issuer_is_asked_for_a_valid_token_or_none() -> None:
    config = made(rule()).body["typed_config"]
    assert config["rules"][0]["requires"] == {
        "requires_any": {"requirements": [{"provider_name": "0"}, {"allow_missing": {}}]}
    }


def test_of_several_issuers_one_must_find_the_token_valid() -> None:
    (asked,) = made(rule(), rule(issuer="j")).body["typed_config"]["rules"]
    *valid, neither = asked["requires"]["requires_any"]["requirements"]
    assert [v["provider_name"] for v in valid] == ["0", "1"]
    assert len(neither["requires_all"]["requirements"]) == 2


def test_keys_that_were_not_fetched_are_nobodys() -> None:
    fetched = rule(keys=FetchedKeys(url="u"))
    for resource, count in ((made(fetched), 1), (made(fetched, u='{"keys":[{"kty":"EC"}]}'), 2)):
        provider = resource.body["typed_config"]["providers"]["0"]
        assert len(json.loads(provider["local_jwks"]["inline_string"])["keys"]) == count


def test_every_field_reaches_the_provider() -> None:
    whole = rule(
        audiences=("a",),
        headers=(("x-t", "JWT "),),
        params=("t",),
        cookies=("c",),
        payload_header="x-p",
        claim_headers=(("x-u", "o.u"),),
        forward=True,
        lists=("scope",),
    )
    provider = made(whole).body["typed_config"]["providers"]["0"]
    assert provider["audiences"] == ["a"]
    assert provider["from_headers"] == [{"name": "x-t", "value_prefix": "JWT "}]
    assert (provider["from_params"], provider["from_cookies"]) == (["t"], ["c"])
    assert provider["forward_payload_header"] == "x-p"
    assert provider["claim_to_headers"] == [{"header_name": "x-u", "claim_name": "o.u"}]
    assert provider["forward"] is True
    assert provider["normalize_payload_in_metadata"] == {"space_delimited_claims": ["scope"]}
    assert made(whole).origins == {AT}


def test_of_a_provider_nothing_is_asked_but_that_its_token_is_looked_at() -> None:
    config = made(rule(), rule(provider="shop/p", payload_header="x-p", payload_padded=True, skew_seconds=30, cached=9))
    asked = config.body["typed_config"]["rules"][0]["requires"]["requires_all"]["requirements"]
    assert asked[0]["requires_any"]["requirements"][1] == {"allow_missing": {}}
    either = [{"provider_name": "1"}, {"allow_missing_or_failed": {}}]
    assert asked[1] == {"requires_any": {"requirements": either}}
    first, second = (config.body["typed_config"]["providers"][name] for name in "01")
    assert (first["payload_in_metadata"], second["payload_in_metadata"]) == ("payload", "shop/p")
    assert "clock_skew_seconds" not in first
    assert (second["clock_skew_seconds"], second["pad_forward_payload_header"]) == (30, True)
    assert second["jwt_cache_config"] == {"jwt_cache_size": 9}
