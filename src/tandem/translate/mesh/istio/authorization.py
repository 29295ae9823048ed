"""AuthorizationPolicy objects -> the policies that judge each pod, with Problems. Pure.

Istio's rules: a policy is for the pods that its selector matches in its own namespace, without a selector for all of
them, and from the root namespace for pods of every namespace. What cannot be judged fails closed: such a rule allows
nothing, or denies everything.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import msgspec

from tandem.base.problems import Problem
from tandem.ir.authz import Action, Attribute, AuthzPolicy, AuthzRule, Requirement, Requirements, Suffix, Template, Text
from tandem.ir.mesh import Exact, Prefix, Present
from tandem.model.core import Pod
from tandem.model.security import AuthorizationPolicy, AuthorizationRule, Operation, RuleWhen, Source
from tandem.model.selectors import matches_map
from tandem.model.world import World

DRY_RUN: Final = "istio.io/dry-run"
STAGED: Final = "tandem.io/staged"
_SOURCE: Final = (
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
    "remote.ip": Attribute.CLIENT_ADDRESS,
    "destination.ip": Attribute.LOCAL_ADDRESS,
    "destination.port": Attribute.PORT,
    "connection.sni": Attribute.SNI,
}
_LITERAL: Final = frozenset({Attribute.PEER_ADDRESS, Attribute.CLIENT_ADDRESS, Attribute.LOCAL_ADDRESS, Attribute.PORT})
"""Numbers and prefixes: a star in them means nothing."""


class AuthorizationIndex:
    """AuthorizationPolicies by namespace; `problems` is what is wrong with them."""

    def __init__(self, world: World, root_namespace: str) -> None:
        self._root = root_namespace
        self._by_namespace: dict[str, list[tuple[AuthorizationPolicy, AuthzPolicy]]] = {}
        problems: list[Problem] = []
        for policy in world.sorted(AuthorizationPolicy):
            reader = _Reader(policy)
            made = reader.read()
            problems += reader.problems
            self._by_namespace.setdefault(policy.metadata.namespace, []).append((policy, made))
        self.problems = tuple(problems)

    def policies(self, pod: Pod) -> tuple[AuthzPolicy, ...]:
        """What judges a pod: DENY before ALLOW, then by name."""
        home = pod.metadata.namespace
        namespaces = dict.fromkeys((self._root, home))
        found = [made for n in namespaces for policy, made in self._by_namespace.get(n, ()) if _selects(policy, pod)]
        return tuple(sorted(found, key=lambda p: (p.action is Action.ALLOW, p.origin)))


def _selects(policy: AuthorizationPolicy, pod: Pod) -> bool:
    selector = policy.spec.selector
    return selector is None or matches_map(selector.match_labels, pod.metadata.labels)


class _Reader:
    """Reads one policy."""

    def __init__(self, policy: AuthorizationPolicy) -> None:
        self._policy = policy
        self._at_fault = False
        self.problems: list[Problem] = []

    def read(self) -> AuthzPolicy:
        spec, notes = self._policy.spec, self._policy.metadata.annotations
        staged = "true" in (notes.get(DRY_RUN), notes.get(STAGED))
        if spec.action not in {"ALLOW", "DENY"} or spec.target_ref or spec.target_refs:
            return self._closed(staged=staged)
        action = Action(spec.action)
        rules = (self._rule(rule, i, action) for i, rule in enumerate(spec.rules))
        return AuthzPolicy(
            action=action,
            rules=tuple(rule for rule in rules if rule is not None),
            origin=self._policy.origin(),
            staged=staged,
        )

    def _closed(self, *, staged: bool) -> AuthzPolicy:
        """A policy that this system cannot judge: everything is denied, but where it only looks on."""
        spec, origin = self._policy.spec, self._policy.origin()
        field = "spec.targetRefs" if spec.target_refs else "spec.targetRef" if spec.target_ref else "spec.action"
        audits = spec.action == "AUDIT" and field == "spec.action"
        effect = "nothing is recorded" if audits else "everything is denied to the pods that it selects"
        what = f"the action {spec.action}" if field == "spec.action" else "attaching by reference"
        self._wrong(field, "UnsupportedField", f"{what} is not supported yet: {effect}")
        everything = () if audits else (AuthzRule(origin=origin),)
        return AuthzPolicy(action=Action.DENY, rules=everything, origin=origin, staged=staged)

    def _rule(self, rule: AuthorizationRule, index: int, action: Action) -> AuthzRule | None:
        at = f"spec.rules[{index}]"
        self._at_fault = False
        sources = tuple(self._source(f.source, f"{at}.from[{i}].source") for i, f in enumerate(rule.sources))
        operations = tuple(
            self._fields(to.operation, _OPERATION, f"{at}.to[{i}].operation") for i, to in enumerate(rule.operations)
        )
        when = tuple(r for i, condition in enumerate(rule.when) for r in self._when(condition, f"{at}.when[{i}]"))
        origin = self._policy.origin(at)
        if not self._at_fault:
            return AuthzRule(sources=sources, operations=operations, when=when, origin=origin)
        return None if action is Action.ALLOW else AuthzRule(origin=origin)

    def _source(self, source: Source, at: str) -> Requirements:
        for name, values in (
            ("requestPrincipals", source.request_principals),
            ("notRequestPrincipals", source.not_request_principals),
        ):
            if values:
                self._fault(f"{at}.{name}", "JWTs are not read yet")
        return self._fields(source, _SOURCE, at)

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
        elif key in _KEYS:
            yield self._requirement(_KEYS[key], condition.values, condition.not_values, f"{at}.values")
        else:
            self._fault(f"{at}.key", f"{key} is not judged yet")

    def _requirement(
        self, attribute: Attribute, values: tuple[str, ...], refuses: tuple[str, ...], at: str
    ) -> Requirement:
        return Requirement(
            attribute=attribute,
            values=tuple(self._text(attribute, v, f"{at}[{i}]") for i, v in enumerate(values)),
            refuses=tuple(self._text(attribute, v, f"{at}[{i}]") for i, v in enumerate(refuses)),
        )

    def _text(self, attribute: Attribute, value: str, at: str) -> Text:
        if attribute is Attribute.PATH and "{" in value:
            return self._template(value, at)
        if attribute is Attribute.SERVICE_ACCOUNT and "/" not in value:
            value = f"{self._policy.metadata.namespace}/{value}"
        if attribute in _LITERAL:
            return Exact(value)
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
        effect = "denies everything" if self._policy.spec.action == "DENY" else "allows nothing"
        self._wrong(path, "UnsupportedField", f"{text}: the rule {effect}")

    def _wrong(self, path: str, code: str, text: str) -> None:
        self.problems.append(Problem(at=self._policy.origin(path), code=code, text=text))
