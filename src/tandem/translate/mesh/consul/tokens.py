"""JWTProviders, and what intentions ask of tokens of theirs, with Problems. Pure.

A name is that of a provider beside the object that names it, else of one in the root namespace. A token that is not
valid is none: it refuses nothing by itself, and what asks for one is not met. What cannot be judged is met by nobody.
"""

from __future__ import annotations

from typing import Final

import msgspec

from tandem.base.jwks import KeySetError, public_key_set
from tandem.base.problems import Origin, Problem, Severity
from tandem.ir.authn import FetchedKeys, GivenKeys, JwtRule, Keys
from tandem.ir.authz import Attribute, Requirement, Requirements
from tandem.ir.mesh import Exact, Present
from tandem.model.consul import JwtProviderRef, JwtRequirement, ServiceIntentions
from tandem.model.consultokens import JsonWebKeySet, JWTProvider, RemoteKeys
from tandem.model.world import Key, World
from tandem.translate.mesh.values import Wrong, duration
from tandem.translate.texts import decoded

_TIMEOUT_MS: Final = 5000
_SKEW_SECONDS: Final = 30
_KEEP_MS: Final = 300_000
"""Consul's documents, "JWT provider configuration entry reference": clockSkewSeconds, cacheDuration."""
_OURS: Final = "each node fetches the keys itself, ahead of requests and again until they are there"


class Tokens(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked of the token of a request."""

    ways: tuple[Requirements, ...] = ()
    """One of them must hold; none: nobody has such a token."""
    rules: tuple[JwtRule, ...] = ()
    """Of the providers."""
    origin: Origin
    """Of the field."""


class Providers:
    """JWTProviders by their name; `problems` is what is wrong with them."""

    def __init__(self, world: World, root_namespace: str) -> None:
        self._root = root_namespace
        self._found: dict[Key, JwtRule | None] = {}
        problems: list[Problem] = []
        for provider in world.sorted(JWTProvider):
            reader = _Reader(provider)
            self._found[provider.key] = reader.read()
            problems += reader.problems
        self.problems = tuple(problems)

    def asked(self, owner: ServiceIntentions, asked: JwtRequirement, at: str, wrong: Wrong) -> Tokens:
        """What an object asks for at a path; nothing that anybody has, where `wrong` is told."""
        home, origin = owner.metadata.namespace, owner.origin(at)
        found = [self._one(one, home, f"{at}.providers[{i}].name", wrong) for i, one in enumerate(asked.providers)]
        if not found:
            wrong(f"{at}.providers", "InvalidValue", "none is named")
        known = tuple(rule for rule in found if rule is not None)
        if not known or len(known) < len(found):
            return Tokens(origin=origin)
        ways = tuple(_claims(rule, one) for rule, one in zip(known, asked.providers, strict=True))
        return Tokens(ways=ways, rules=known, origin=origin)

    def _one(self, one: JwtProviderRef, home: str, at: str, wrong: Wrong) -> JwtRule | None:
        key = next((k for k in ((home, one.name), (self._root, one.name)) if k in self._found), None)
        if key is None:
            text = f"no JWTProvider {one.name} in {home}, and none in {self._root}"
            wrong(at, "ProviderNotFound", text)
            return None
        rule = self._found[key]
        if rule is None:
            wrong(at, "ProviderNotFound", f"JWTProvider {'/'.join(key)} cannot be used: its own condition says why")
        return rule


def _claims(rule: JwtRule, asked: JwtProviderRef) -> Requirements:
    """A valid token of the provider, and every claim of it."""
    valid = Requirement(attribute=Attribute.CLAIM, provider=rule.provider, values=(Present(),))
    claims = (
        Requirement(attribute=Attribute.CLAIM, provider=rule.provider, claim=one.path, values=(Exact(one.value),))
        for one in asked.verify_claims
    )
    return (valid, *claims)


class _Reader:
    """Reads one provider; what is wrong with it is in `problems`."""

    def __init__(self, provider: JWTProvider) -> None:
        self._provider = provider
        self._broken = bool(provider.metadata.unreadable)
        self.problems: list[Problem] = []

    def read(self) -> JwtRule | None:
        """None: no token of it is valid, whatever it says."""
        spec = self._provider.spec
        if self._broken:
            return None
        if not spec.issuer:
            self._wrong("spec.issuer", "InvalidValue", "whose tokens they are must be said")
        keys = self._keys(spec.json_web_key_set or JsonWebKeySet())
        headers = tuple(place.header for place in spec.locations if place.header is not None)
        forward = {header.forward for header in headers}
        if len(forward) > 1:
            text = "one location forwards the token and another does not: it stays with the proxy"
            self._told("spec.locations", text)
        told = spec.forwarding
        rule = JwtRule(
            issuer=spec.issuer,
            keys=keys,
            audiences=spec.audiences,
            headers=tuple((header.name, header.value_prefix) for header in headers),
            params=tuple(place.query_param.name for place in spec.locations if place.query_param is not None),
            cookies=tuple(place.cookie.name for place in spec.locations if place.cookie is not None),
            payload_header=told.header_name if told is not None else "",
            payload_padded=told is not None and told.pad_forward_payload_header,
            forward=forward == {True},
            provider="/".join(self._provider.key),
            skew_seconds=spec.clock_skew_seconds or _SKEW_SECONDS,
            cached=spec.cache_config.size,
            origin=self._provider.origin("spec"),
        )
        return None if self._broken else rule

    def _keys(self, given: JsonWebKeySet) -> Keys:
        at = "spec.jsonWebKeySet"
        if given.remote is not None:
            return self._remote(given.remote, f"{at}.remote")
        if given.local is None:
            self._wrong(at, "KeysMissing", "no keys are named")
        elif given.local.filename:
            text = "files of a proxy's are not read here, and local.jwks can have the keys"
            self._wrong(f"{at}.local.filename", "UnsupportedField", text)
        else:
            try:
                return GivenKeys(public_key_set(decoded(given.local.jwks), symmetric=True))
            except KeySetError as err:
                self._wrong(f"{at}.local.jwks", "InvalidValue", str(err))
        return GivenKeys("")

    def _remote(self, asked: RemoteKeys, at: str) -> FetchedKeys:
        cluster = asked.jwks_cluster
        if cluster is not None and cluster.tls_certificates is not None:
            text = "the server's certificate is verified with the roots of the node, and by no others"
            self._wrong(f"{at}.jwksCluster.tlsCertificates", "UnsupportedField", text)
        for path, said in (
            ("fetchAsynchronously", asked.fetch_asynchronously),
            ("retryPolicy", asked.retry_policy is not None),
            ("jwksCluster", cluster is not None),
        ):
            if said:
                self._told(f"{at}.{path}", _OURS)
        kept = duration(asked.cache_duration, f"{at}.cacheDuration", self._wrong, such_as="5m") or _KEEP_MS
        return FetchedKeys(url=asked.uri, timeout_ms=asked.request_timeout_ms or _TIMEOUT_MS, keep_ms=kept)

    def _wrong(self, path: str, code: str, text: str) -> None:
        """Of a field without which no token can be judged."""
        self._broken = True
        text = f"{text}: no token of it is valid"
        self.problems.append(Problem(at=self._provider.origin(path), code=code, text=text))

    def _told(self, path: str, text: str) -> None:
        at = self._provider.origin(path)
        self.problems.append(Problem(at=at, code="NoEffect", text=text, severity=Severity.WARNING))
