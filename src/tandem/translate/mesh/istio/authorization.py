"""AuthorizationPolicy objects -> the policies that judge each pod, with Problems. Pure.

Istio's rules: a policy is for the pods that its selector matches in its own namespace, without a selector for all of
them, and from the root namespace for pods of every namespace. What cannot be judged fails closed: such a rule allows
nothing, or denies everything.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final

import msgspec

from tandem.base.problems import Problem
from tandem.ir.authz import (
    ORDER,
    Action,
    Attribute,
    AuthzPolicy,
    AuthzRule,
    ExternalCheck,
    Requirement,
    Requirements,
    Suffix,
    Template,
    Text,
)
from tandem.ir.mesh import Exact, Prefix, Present, Regex
from tandem.model.core import Pod
from tandem.model.kept import KeptEach
from tandem.model.security import AuthorizationPolicy, AuthorizationRule, Operation, RuleWhen, Source
from tandem.model.world import World
from tandem.translate.mesh.istio.domains import Domains, meant
from tandem.translate.mesh.istio.meshconfig import PLACE
from tandem.translate.mesh.istio.providers import Providers
from tandem.translate.mesh.istio.scoped import Scoped, Selectors, everything_denied, selectors_of

DRY_RUN: Final = "istio.io/dry-run"
STAGED: Final = "tandem.io/staged"
_YES: Final = frozenset({"1", "t", "T", "TRUE", "true", "True"})
"""What Istio, as Go, reads as true."""
_SOURCE: Final = (
    ("requestPrincipals", "request_principals", Attribute.TOKEN_SUBJECT),
    ("principals", "principals", Attribute.PRINCIPAL),
    ("namespaces", "namespaces", Attribute.NAMESPACE),
    ("serviceAccounts", "service_accounts", Attribute.SERVICE_ACCOUNT),
    ("trustDomains", "trust_domains", Attribute.TRUST_DOMAIN),
    ("ipBlocks", "ip_blocks", Attribute.PEER_ADDRESS),
    ("remoteIpBlocks", "remote_ip_blocks", Attribute.CLIENT_ADDRESS),
)
_OPERATION: Final = (
    ("hosts", "hosts", Attribute.HOST),
    ("ports", "ports", Attribute.PORT),
    ("methods", "methods", Attribute.METHOD),
    ("paths", "paths", Attribute.PATH),
)
_KEYS: Final = {
    "source.ip": Attribute.PEER_ADDRESS,
    "source.namespace": Attribute.NAMESPACE,
    "source.principal": Attribute.PRINCIPAL,
    "source.serviceAccount": Attribute.SERVICE_ACCOUNT,
    "source.trustDomain": Attribute.TRUST_DOMAIN,
    "request.auth.principal": Attribute.TOKEN_SUBJECT,
    "remote.ip": Attribute.CLIENT_ADDRESS,
    "destination.ip": Attribute.LOCAL_ADDRESS,
    "destination.port": Attribute.PORT,
    "connection.sni": Attribute.SNI,
}
_CLAIMS: Final = {"request.auth.audiences": "aud", "request.auth.presenter": "azp"}
"""Registered claims that have a key of their own (RFC 7519, 4.1.3; OpenID Connect Core, 2)."""
_LITERAL: Final = frozenset({Attribute.PEER_ADDRESS, Attribute.CLIENT_ADDRESS, Attribute.LOCAL_ADDRESS, Attribute.PORT})
"""Numbers and prefixes: a star in them means nothing."""
_STARS: Final = {Attribute.NAMESPACE: -1, Attribute.TRUST_DOMAIN: 1}
"""A star may stand anywhere in these, and so many of them mean something (-1: all), as in Istio."""


Mesh = tuple[Providers, Domains]
"""What the mesh configuration says of whom policies name."""


class AuthorizationIndex:
    """AuthorizationPolicies by namespace; `problems` is what is wrong with them."""

    def __init__(
        self,
        world: World,
        root_namespace: str,
        providers: Providers,
        domains: Domains = (),
        kept: Reading | None = None,
    ) -> None:
        """`kept`: what was read of each before."""
        read = kept or reading()
        read.begin()
        every = [(p, read(p.key, world, p, providers, domains)) for p in world.sorted(AuthorizationPolicy)]
        self.scoped = Scoped(root_namespace, ((p.metadata.namespace, *said) for p, (said, _) in every))
        self.problems = tuple(problem for _, (_, problems) in every for problem in problems)

    def policies(self, pod: Pod) -> tuple[AuthzPolicy, ...]:
        """What judges a pod, in order."""
        return in_order(self.scoped.of(pod))


_Said = tuple[Selectors, AuthzPolicy]
Reading = KeptEach[tuple[_Said, tuple[Problem, ...]]]


def _read(
    world: World, policy: AuthorizationPolicy, providers: Providers, domains: Domains
) -> tuple[_Said, tuple[Problem, ...]]:
    """Whom a policy selects and what it says, and what is wrong with it."""
    reader = _Reader(policy, world, (providers, domains))
    return reader.read(), tuple(reader.problems)


def reading() -> Reading:
    """For an index that goes on from World to World."""
    return KeptEach(_read)


def read_authorization(policy: AuthorizationPolicy, world: World, mesh: Mesh) -> AuthzPolicy:
    """What a policy says, whomever it is for; what is wrong with it is told with all of them."""
    return _Reader(policy, world, mesh).read()[1]


def is_staged(policy: AuthorizationPolicy) -> bool:
    """Whether it only tells what it would do."""
    notes = policy.metadata.annotations
    return notes.get(STAGED) == "true" or notes.get(DRY_RUN) in _YES


def in_order(policies: Iterable[AuthzPolicy]) -> tuple[AuthzPolicy, ...]:
    """What judges one pod or gateway: by action, then by name."""
    return tuple(sorted(policies, key=lambda p: (ORDER.index(p.action), p.origin)))


def one_authorizer(policies: Iterable[AuthzPolicy]) -> tuple[tuple[AuthzPolicy, ...], tuple[Problem, ...]]:
    """What judges one pod or gateway, in order. One of another authorizer than the first denies (Istio)."""
    made: list[AuthzPolicy] = []
    problems: list[Problem] = []
    asked = ""
    for policy in in_order(policies):
        if policy.check is None or policy.staged or asked in {"", policy.check.name}:
            asked = policy.check.name if policy.check is not None and not policy.staged else asked
            made.append(policy)
            continue
        text = f"{asked!r} is asked already where it counts, and one authorizer is all that there can be"
        at = msgspec.structs.replace(policy.origin, path="spec.provider.name")
        problems.append(Problem(at=at, code="ProviderConflict", text=f"{text}: what would be asked is denied"))
        made.append(msgspec.structs.replace(policy, action=Action.DENY, check=None))
    return in_order(made), tuple(problems)


class _Reader:
    """Reads one policy."""

    def __init__(self, policy: AuthorizationPolicy, world: World, mesh: Mesh) -> None:
        self._policy = policy
        self._world = world
        self._providers, self._domains = mesh
        self._at_fault = False
        self.problems: list[Problem] = []

    def read(self) -> tuple[Selectors, AuthzPolicy]:
        """Whom it selects, and what it says."""
        spec, staged = self._policy.spec, is_staged(self._policy)
        selectors = selectors_of(self._policy, self._world, self._wrong)
        if selectors is None:
            return ({},), everything_denied(self._policy, staged=staged)
        if spec.action not in Action.__members__:
            text = f"{spec.action} is not supported: everything is denied to the pods that it selects"
            self._wrong("spec.action", "UnsupportedField", text)
            return selectors, everything_denied(self._policy, staged=staged)
        action = Action(spec.action)
        check = self._check() if action is Action.CUSTOM else None
        if action is Action.CUSTOM and check is None:
            return selectors, everything_denied(self._policy, staged=staged)
        rules = (self._rule(rule, i, action) for i, rule in enumerate(spec.rules))
        return selectors, AuthzPolicy(
            action=action,
            rules=tuple(rule for rule in rules if rule is not None),
            origin=self._policy.origin(),
            staged=staged,
            check=check,
        )

    def _check(self) -> ExternalCheck | None:
        """Whom a CUSTOM policy asks; None if it cannot be asked."""
        name = self._policy.spec.provider.name if self._policy.spec.provider is not None else ""
        found = self._providers.get(name)
        if isinstance(found, ExternalCheck):
            return found
        why = found or f"there is no extensionProvider {name!r}"
        effect = "everything is denied to the pods that it selects"
        self._wrong("spec.provider.name", "ProviderNotFound", f"{PLACE}: {why}: {effect}")
        return None

    def _rule(self, rule: AuthorizationRule, index: int, action: Action) -> AuthzRule | None:
        at = f"spec.rules[{index}]"
        self._at_fault = False
        sources = tuple(self._fields(f.source, _SOURCE, f"{at}.from[{i}].source") for i, f in enumerate(rule.sources))
        operations = tuple(
            self._fields(to.operation, _OPERATION, f"{at}.to[{i}].operation") for i, to in enumerate(rule.operations)
        )
        when = tuple(r for i, condition in enumerate(rule.when) for r in self._when(condition, f"{at}.when[{i}]"))
        origin = self._policy.origin(at)
        if not self._at_fault:
            return AuthzRule(sources=sources, operations=operations, when=when, origin=origin)
        return AuthzRule(origin=origin) if action in {Action.DENY, Action.CUSTOM} else None

    def _fields(
        self,
        given: Source | Operation,
        fields: tuple[tuple[str, str, Attribute], ...],
        at: str,
    ) -> Requirements:
        found = []
        for name, field, attribute in fields:
            values, refuses = getattr(given, field), getattr(given, f"not_{field}")
            if values or refuses:
                found.append(self._requirement(attribute, values, refuses, f"{at}.{name}"))
        return tuple(found)

    def _when(self, condition: RuleWhen, at: str) -> Iterator[Requirement]:
        key = condition.key
        if key.startswith("request.headers["):
            name = key.removeprefix("request.headers[").removesuffix("]").lower()
            found = self._requirement(Attribute.HEADER, condition.values, condition.not_values, f"{at}.values")
            yield msgspec.structs.replace(found, name=name)
        elif key.startswith("request.auth.claims[") or key in _CLAIMS:
            path = key.removeprefix("request.auth.claims[").removesuffix("]").split("][")
            found = self._requirement(Attribute.CLAIM, condition.values, condition.not_values, f"{at}.values")
            yield msgspec.structs.replace(found, claim=(_CLAIMS[key],) if key in _CLAIMS else tuple(path))
        elif key in _KEYS:
            yield self._requirement(_KEYS[key], condition.values, condition.not_values, f"{at}.values")
        else:
            self._fault(f"{at}.key", f"{key} is not judged yet")

    def _requirement(
        self, attribute: Attribute, values: tuple[str, ...], refuses: tuple[str, ...], at: str
    ) -> Requirement:
        return Requirement(
            attribute=attribute,
            values=tuple(self._texts(attribute, values, at)),
            refuses=tuple(self._texts(attribute, refuses, at)),
        )

    def _texts(self, attribute: Attribute, values: tuple[str, ...], at: str) -> Iterator[Text]:
        for i, value in enumerate(values):
            for each in meant(attribute, value, self._domains):
                yield self._text(attribute, each, f"{at}[{i}]")

    def _text(self, attribute: Attribute, value: str, at: str) -> Text:
        if attribute is Attribute.PATH and "{" in value:
            return self._template(value, at)
        if attribute is Attribute.SERVICE_ACCOUNT and "/" not in value:
            value = f"{self._policy.metadata.namespace}/{value}"
        if attribute in _LITERAL:
            return Exact(value)
        if attribute in _STARS and (value.count("*") > 1 or "*" in value[1:-1]):
            pieces = value.split("*", _STARS[attribute])
            return Regex("[^/]*".join(map(re.escape, pieces)))
        if value == "*":
            return Present()
        if value.startswith("*"):
            return Suffix(value[1:])
        return Prefix(value[:-1]) if value.endswith("*") else Exact(value)

    def _template(self, value: str, at: str) -> Text:
        made = value.replace("{**}", "**").replace("{*}", "*")
        parts = made.split("/")
        if "{" in made or parts.count("**") > 1 or any("*" in p and p not in {"*", "**"} for p in parts):
            self._fault(at, f"{value!r} is no path template: whole elements may be {{*}} or, once, {{**}}")
        return Template(made)

    def _fault(self, path: str, text: str) -> None:
        """Of a rule that cannot be judged as it is written."""
        self._at_fault = True
        effects = {"DENY": "denies everything", "CUSTOM": "asks about everything", "AUDIT": "records nothing"}
        effect = effects.get(self._policy.spec.action, "allows nothing")
        self._wrong(path, "UnsupportedField", f"{text}: the rule {effect}")

    def _wrong(self, path: str, code: str, text: str) -> None:
        self.problems.append(Problem(at=self._policy.origin(path), code=code, text=text))
