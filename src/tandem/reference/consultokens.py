"""Consul's JWTProviders as their documents say -> which tokens of a request are valid, and whether one is asked for.

Signatures and times are not looked at: a token is taken for valid if its issuer and audience are those of a provider.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from tandem.model.consul import JwtRequirement, ServiceIntentions
from tandem.model.consultokens import JWTProvider
from tandem.model.world import World
from tandem.reference.authentication import carried, meant_for, payload
from tandem.reference.authorization import Asked
from tandem.reference.support import ROOT

Claims = Mapping[tuple[str, str], dict[str, Any]]
"""What the valid token of each provider says."""


def valid_tokens(world: World, said: Iterable[ServiceIntentions], asked: Asked) -> Claims:
    """Those of the providers that these objects name.

    One that is found in a header, and is not handed on, is there for no provider whose name comes later.
    """
    named = {provider.key: provider for owner in said for provider in _named(world, owner)}
    headers, found = dict(asked.headers), {}
    for key in sorted(named, key="/".join):
        provider = named[key]
        for header, token in _carried(provider, asked.path, headers):
            claims = payload(token)
            fits = claims is not None and claims.get("iss") == provider.spec.issuer
            if claims is not None and fits and meant_for(provider.spec.audiences, claims):
                found[key] = claims
                if not _forwards(provider):
                    headers.pop(header, None)
                break
    return found


def has_token(world: World, owner: ServiceIntentions, asked: JwtRequirement, tokens: Claims) -> bool:
    """Whether the token of one of the providers is there, with every claim that is asked for."""
    return can_be_asked(world, owner, asked) and any(
        (provider := _provider(world, owner, one.name)) is not None
        and provider.key in tokens
        and all(_claim(tokens[provider.key], claim.path) == claim.value for claim in one.verify_claims)
        for one in asked.providers
    )


def can_be_asked(world: World, owner: ServiceIntentions, asked: JwtRequirement) -> bool:
    """False where a provider is not there or cannot be used, or none is named: nobody has such a token."""
    found = [_provider(world, owner, one.name) for one in asked.providers]
    return bool(found) and all(provider is not None and _usable(provider) for provider in found)


def _named(world: World, owner: ServiceIntentions) -> Iterator[JWTProvider]:
    """Of all that allows something to somebody of this cluster."""
    if owner.metadata.unreadable:
        return
    for source in owner.spec.sources:
        if source.peer or source.partition or source.sameness_group:
            continue
        allowing = (p for p in source.permissions if p.action == "allow")
        for asked in (owner.spec.jwt, *(p.jwt for p in allowing)):
            if asked is not None and can_be_asked(world, owner, asked):
                every = (_provider(world, owner, one.name) for one in asked.providers)
                yield from (provider for provider in every if provider is not None)


def _provider(world: World, owner: ServiceIntentions, name: str) -> JWTProvider | None:
    return world.get(JWTProvider, owner.metadata.namespace, name) or world.get(JWTProvider, ROOT, name)


def _usable(provider: JWTProvider) -> bool:
    keys = provider.spec.json_web_key_set
    if provider.metadata.unreadable or not provider.spec.issuer or keys is None:
        return False
    if keys.remote is not None:
        cluster = keys.remote.jwks_cluster
        return cluster is None or cluster.tls_certificates is None
    return keys.local is not None and not keys.local.filename and _has_keys(keys.local.jwks)


def _has_keys(text: str) -> bool:
    try:
        found = json.loads(base64.b64decode(text, validate=True))
    except (binascii.Error, ValueError):
        return False
    keys = found.get("keys") if isinstance(found, dict) else None
    return isinstance(keys, list) and bool(keys) and all(isinstance(k, dict) and k.get("kty") for k in keys)


def _carried(provider: JWTProvider, path: str, headers: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    places = provider.spec.locations
    return carried(
        [(p.header.name, p.header.value_prefix) for p in places if p.header is not None],
        [p.query_param.name for p in places if p.query_param is not None],
        [p.cookie.name for p in places if p.cookie is not None],
        path,
        headers,
    )


def _forwards(provider: JWTProvider) -> bool:
    said = [p.header.forward for p in provider.spec.locations if p.header is not None]
    return bool(said) and all(said)


def _claim(claims: dict[str, Any], path: Iterable[str]) -> object:
    found: object = claims
    for name in path:
        found = found.get(name) if isinstance(found, dict) else None
    return found
