"""RequestAuthentication objects -> whose tokens each pod takes for valid, with Problems. Pure.

Istio's rules: all objects that select a pod count together. What cannot be judged fails closed: an issuer without keys
has no valid token; an object that is not understood lets no request through.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final
from urllib.parse import urlsplit

from tandem.base.jwks import KeySetError, public_key_set
from tandem.base.problems import Problem
from tandem.ir.authn import FetchedKeys, GivenKeys, JwtRule, Keys
from tandem.ir.authz import AuthzPolicy
from tandem.model import security
from tandem.model.core import ConfigMap, Pod, Secret
from tandem.model.security import RequestAuthentication
from tandem.model.world import World
from tandem.translate.mesh.istio.scoped import Scoped, Selectors, everything_denied, selectors_of
from tandem.translate.mesh.values import milliseconds
from tandem.translate.texts import decoded

KEYS_FROM: Final = "tandem.io/jwks-from"
"""Annotation: `ISSUER=configmap/NAME/KEY` or `ISSUER=secret/NAME/KEY`, several with commas: key sets in files."""
_LISTS: Final = ("permission", "scope")
"""Claims that Istio always takes for lists with spaces between (RFC 8693, 4.2)."""
_TIMEOUT_MS: Final = 5000
_NO_KEYS: Final = GivenKeys("")

Said = tuple[JwtRule, ...] | AuthzPolicy
"""What one object says: rules, or that everything is denied."""


class AuthenticationIndex:
    """RequestAuthentications by whom they select; `problems` is what is wrong with them."""

    def __init__(self, world: World, root_namespace: str) -> None:
        entries: list[tuple[str, Selectors, Said]] = []
        problems: list[Problem] = []
        for policy in world.sorted(RequestAuthentication):
            reader = _Reader(policy, world)
            entries.append((policy.metadata.namespace, *reader.read()))
            problems += reader.problems
        self.scoped = Scoped(root_namespace, entries)
        self.problems = tuple(problems)

    def rules(self, pod: Pod) -> tuple[JwtRule, ...]:
        """Whose tokens a pod takes for valid, by issuer."""
        return rules_of(self.scoped.of(pod))

    def denials(self, pod: Pod) -> tuple[AuthzPolicy, ...]:
        """What stands for objects that nobody here understands."""
        return denials_of(self.scoped.of(pod))


def rules_of(every: Iterable[Said]) -> tuple[JwtRule, ...]:
    """Whose tokens are valid by what all of them say, by issuer."""
    found = [rule for said in every if isinstance(said, tuple) for rule in said]
    return tuple(sorted(found, key=lambda rule: (rule.issuer, rule.origin)))


def denials_of(every: Iterable[Said]) -> tuple[AuthzPolicy, ...]:
    """Those among them that deny everything."""
    return tuple(said for said in every if isinstance(said, AuthzPolicy))


def read_authentication(policy: RequestAuthentication, world: World) -> Said:
    """What an object says, whomever it is for; what is wrong with it is told with all of them."""
    return _Reader(policy, world).read()[1]


class _Reader:
    """Reads one object."""

    def __init__(self, policy: RequestAuthentication, world: World) -> None:
        self._policy = policy
        self._world = world
        self._files = dict(self._references())
        self.problems: list[Problem] = []

    def read(self) -> tuple[Selectors, Said]:
        selectors = selectors_of(self._policy, self._world, self._wrong)
        if selectors is None or self._policy.metadata.unreadable:
            return selectors if selectors is not None else ({},), everything_denied(self._policy)
        rules = tuple(self._rule(rule, f"spec.jwtRules[{i}]") for i, rule in enumerate(self._policy.spec.jwt_rules))
        if unknown := sorted(self._files.keys() - {rule.issuer for rule in rules}):
            text = f"no rule is about {', '.join(unknown)}: write ISSUER=configmap/NAME/KEY or ISSUER=secret/NAME/KEY"
            self._wrong(f"metadata.annotations[{KEYS_FROM}]", "InvalidValue", text)
        return selectors, rules

    def _references(self) -> list[tuple[str, str]]:
        """Issuer -> where its keys are."""
        text = self._policy.metadata.annotations.get(KEYS_FROM, "")
        parts = [part.strip().rpartition("=") for part in text.split(",") if part.strip()]
        return [(issuer, place) for issuer, _, place in parts]

    def _rule(self, rule: security.JwtRule, at: str) -> JwtRule:
        timeout = milliseconds(rule.timeout)
        if timeout is None:
            self._wrong(f"{at}.timeout", "InvalidValue", f"{rule.timeout!r} is not a duration such as 5s: 5s it is")
        return JwtRule(
            issuer=rule.issuer,
            keys=self._keys(rule, at, timeout or _TIMEOUT_MS),
            audiences=rule.audiences,
            headers=tuple((place.name, place.prefix) for place in rule.from_headers),
            params=rule.from_params,
            cookies=rule.from_cookies,
            payload_header=rule.output_payload_to_header,
            claim_headers=tuple((told.header, told.claim) for told in rule.output_claim_to_headers),
            forward=rule.forward_original_token,
            lists=tuple(sorted({*_LISTS, *rule.space_delimited_claims})),
            origin=self._policy.origin(at),
        )

    def _keys(self, rule: security.JwtRule, at: str, timeout_ms: int) -> Keys:
        if not rule.issuer and not rule.jwks_uri:
            self._wrong(f"{at}.issuer", "InvalidValue", "without jwksUri it is required: no token is valid")
            return _NO_KEYS
        if rule.jwks:
            return self._given(rule.jwks, f"{at}.jwks")
        if rule.jwks_uri:
            return FetchedKeys(url=rule.jwks_uri, timeout_ms=timeout_ms)
        if rule.issuer in self._files:
            return self._from_file(self._files[rule.issuer])
        if urlsplit(rule.issuer).scheme in {"http", "https"}:
            return FetchedKeys(url=rule.issuer, discover=True, timeout_ms=timeout_ms)
        text = f"no keys are named, and the issuer {rule.issuer!r} is no URL that could tell of some"
        self._wrong(at, "KeysMissing", f"{text}: every token of it is refused")
        return _NO_KEYS

    def _from_file(self, place: str) -> Keys:
        path = f"metadata.annotations[{KEYS_FROM}]"
        kind, name, key = (*place.split("/"), "", "", "")[:3]
        home, text = self._policy.metadata.namespace, None
        if kind == "configmap" and (found := self._world.get(ConfigMap, home, name)) is not None:
            text = found.data.get(key)
        elif kind == "secret" and (secret := self._world.get(Secret, home, name)) is not None:
            text = decoded(secret.data.get(key, "")) or None
        if text is None:
            self._wrong(path, "KeysMissing", f"{place}: there is no such key in {home}: every token is refused")
            return _NO_KEYS
        return self._given(text, path)

    def _given(self, text: str, path: str) -> Keys:
        try:
            return GivenKeys(public_key_set(text, symmetric=True))
        except KeySetError as err:
            self._wrong(path, "InvalidValue", f"{err}: every token is refused")
            return _NO_KEYS

    def _wrong(self, path: str, code: str, text: str) -> None:
        self.problems.append(Problem(at=self._policy.origin(path), code=code, text=text))
