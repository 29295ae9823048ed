"""JWTs (`jwt_authn`): whose tokens are valid for a pod or a gateway, and what is told of them. Pure.

The filter's configuration is a resource of its own, and each of them has one: rules and keys count from the next
request on, also on connections that are open, and no connection is drained for them. What a valid token says lies in
the request's metadata, where authorization looks for it.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final

import msgspec

from tandem.compile import names
from tandem.compile.envoy.claims import PAYLOAD
from tandem.compile.envoy.guarded import Guarded
from tandem.compile.envoy.proto import Json, any_of, discovered
from tandem.ir.authn import FetchedKeys, GivenKeys, JwtRule
from tandem.state.xds import Resource

TYPE: Final = "extensions.filters.http.jwt_authn.v3.JwtAuthentication"
NOBODY: Final[Json] = {
    "kty": "EC",
    "crv": "P-256",
    "alg": "ES256",
    "kid": "nobody",
    "x": "Y4KzzIgUErd7_K7tAmABwA2eMCXmbCD25-kvB5hRRio",
    "y": "McTdId0eflQ843ur-rTJdfQkIPiKwDsLOGgTvuyZmag",
}
"""A key that nobody can sign with: the first point of the curve from the digest of `nobody` on, so its secret half was
never made. Envoy takes no set without a usable key, and would go on with the one before."""


def tokens(to: Guarded) -> Json:
    """The filter, which every pod and gateway has."""
    return discovered(names.token_filter(to.uid), TYPE)


def compile_tokens(to: Guarded, keys: Mapping[str, str], *, routed: bool = False) -> Resource:
    """The filter's configuration; `keys` are those that were fetched, `routed`: routes may ask for what tokens say.

    Where no tokens are taken it does nothing.
    """
    sources = {r.keys.source for r in to.authentication if isinstance(r.keys, FetchedKeys)}
    return _compiled(to, tuple(sorted((s, keys[s]) for s in sources & keys.keys())), routed)


@lru_cache(maxsize=1024)
def _compiled(to: Guarded, fetched: tuple[tuple[str, str], ...], routed: bool) -> Resource:  # noqa: FBT001 - a cache's key
    known = dict(fetched)
    name = names.token_filter(to.uid)
    if not to.authentication:
        return Resource(name=name, body={"name": name, "typed_config": any_of(TYPE)})
    providers = {f"{i}": _provider(rule, known, routed=routed) for i, rule in enumerate(to.authentication)}
    required = _required([(f"{i}", rule) for i, rule in enumerate(to.authentication)])
    body = any_of(
        TYPE,
        {
            "providers": providers,
            "rules": [{"match": {"prefix": "/"}, "requires": required}],
            "bypass_cors_preflight": True,
        },
    )
    origins = frozenset(rule.origin for rule in to.authentication)
    return Resource(name=name, body={"name": name, "typed_config": body}, origins=origins)


def _required(rules: list[tuple[str, JwtRule]]) -> Json:
    """What each of two kinds of rules asks; of a JWTProvider nothing, but that its token is looked at."""
    judged = [name for name, rule in rules if not rule.provider]
    noted: list[Json] = [
        {"requires_any": {"requirements": [{"provider_name": name}, {"allow_missing_or_failed": {}}]}}
        for name, rule in rules
        if rule.provider
    ]
    each = [*([_valid(judged)] if judged else ()), *noted]
    return each[0] if len(each) == 1 else {"requires_all": {"requirements": each}}


def _valid(providers: list[str]) -> Json:
    """No token at all, or a valid one; where issuers share a place, one that is valid for one of them."""
    each = [{"requires_any": {"requirements": [{"provider_name": p}, {"allow_missing": {}}]}} for p in providers]
    if len(each) == 1:
        return each[0]
    valid: list[Json] = [{"provider_name": p} for p in providers]
    return {"requires_any": {"requirements": [*valid, {"requires_all": {"requirements": each}}]}}


def _provider(rule: JwtRule, fetched: Mapping[str, str], *, routed: bool) -> Json:
    keys = rule.keys.jwks if isinstance(rule.keys, GivenKeys) else fetched.get(rule.keys.source, "")
    made: dict[str, Any] = {
        **({"issuer": rule.issuer} if rule.issuer else {}),
        "local_jwks": {"inline_string": _with_nobody(keys)},
        "payload_in_metadata": rule.provider or PAYLOAD,
        "normalize_payload_in_metadata": {"space_delimited_claims": list(rule.lists)},
        "forward": rule.forward,
        **({"clear_route_cache": True} if routed else {}),
    }
    if rule.audiences:
        made["audiences"] = list(rule.audiences)
    if rule.headers:
        made["from_headers"] = [{"name": name, "value_prefix": prefix} for name, prefix in rule.headers]
    if rule.params:
        made["from_params"] = list(rule.params)
    if rule.cookies:
        made["from_cookies"] = list(rule.cookies)
    if rule.payload_header:
        made["forward_payload_header"] = rule.payload_header
    if rule.payload_padded:
        made["pad_forward_payload_header"] = True
    if rule.skew_seconds:
        made["clock_skew_seconds"] = rule.skew_seconds
    if rule.cached:
        made["jwt_cache_config"] = {"jwt_cache_size": rule.cached}
    if rule.claim_headers:
        made["claim_to_headers"] = [
            {"header_name": header, "claim_name": claim} for header, claim in rule.claim_headers
        ]
    return made


def _with_nobody(keys: str) -> str:
    given = msgspec.json.decode(keys)["keys"] if keys else []
    return msgspec.json.encode({"keys": [*given, NOBODY]}).decode()
