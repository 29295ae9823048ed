"""Intentions for one destination -> rules that deny what they do not allow. Pure.

Of those that are about a client the one with the most specific destination decides, and among those the one with the
most specific source (Consul, "Intention precedence and match order"); whom none is about is denied. Intentions of equal
names, which Consul would not let in, must all allow.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import msgspec

from tandem.base.problems import Origin
from tandem.ir.authn import JwtRule
from tandem.ir.authz import Action, Attribute, AuthzPolicy, AuthzRule, Requirement, Requirements, Text
from tandem.ir.mesh import Exact, Present
from tandem.model.consul import ANY
from tandem.model.world import Key
from tandem.translate.mesh.consul.permissions import Permission
from tandem.translate.mesh.consul.tokens import Tokens


class Intention(msgspec.Struct, frozen=True, kw_only=True):
    """What is said of one source: all or nothing, or by permissions."""

    source: Key
    allows: bool = False
    """Without permissions: all; with some: at least one of them does."""
    permissions: tuple[Permission, ...] | None = None
    tokens: Tokens | None = None
    """What it asks of tokens, whatever it allows; None: nothing."""
    owner: Origin
    """The object."""
    origin: Origin

    @property
    def wildness(self) -> int:
        """How many of its names stand for all: the fewer, the earlier it is asked."""
        return self.source.count(ANY)

    @property
    def rules(self) -> tuple[JwtRule, ...]:
        """Of the providers whose tokens it asks for."""
        asked = (self.tokens, *(p.tokens for p in self.permissions or ()))
        return tuple(rule for tokens in asked if tokens is not None for rule in tokens.rules)

    def covers(self, other: Intention) -> bool:
        """Whether each client of the other one's is its own, too."""
        return all(mine in (ANY, theirs) for mine, theirs in zip(self.source, other.source, strict=True))


class Denial(msgspec.Struct, frozen=True, kw_only=True):
    """A rule, and the object that it is of."""

    owner: Origin
    rule: AuthzRule


def deciding(levels: Sequence[Iterable[Intention]]) -> Iterator[tuple[Intention, tuple[Intention, ...]]]:
    """Each intention that decides about somebody, with those that decide about some of its clients before it.

    `levels`: the most specific destination first.
    """
    before: list[tuple[tuple[int, int], Intention]] = []
    for level, intentions in enumerate(levels):
        for one in sorted(intentions, key=lambda i: i.wildness):
            rank = level, one.wildness
            earlier = [other for at, other in before if at < rank]
            if not any(other.covers(one) for other in earlier):
                before.append((rank, one))
                yield one, tuple(other for other in earlier if one.covers(other))


def denials(levels: Sequence[Iterable[Intention]], owner: Origin, otherwise: Origin) -> Iterator[Denial]:
    """All that is denied; `otherwise`: what a client is told about whom no intention is."""
    about: list[Key] = []
    for one, apart in deciding(levels):
        about.append(one.source)
        clients = _clients(one.source, [other.source for other in apart])
        for rule in _rules(one, clients):
            yield Denial(owner=one.owner, rule=rule)
    yield Denial(owner=owner, rule=AuthzRule(sources=(_clients(None, about),), origin=otherwise))


def policies_of(found: Iterable[Denial]) -> tuple[AuthzPolicy, ...]:
    """One for each object. What two destinations of a pod make of one intention is one rule: either's clients."""
    rules: dict[Origin, dict[Origin, AuthzRule]] = {}
    for denial in found:
        mine = rules.setdefault(denial.owner, {})
        rule, known = denial.rule, mine.get(denial.rule.origin)
        if known is not None:
            rule = msgspec.structs.replace(rule, sources=tuple(dict.fromkeys((*known.sources, *rule.sources))))
        mine[rule.origin] = rule
    return tuple(
        AuthzPolicy(action=Action.DENY, rules=tuple(of[origin] for origin in sorted(of)), origin=owner)
        for owner, of in sorted(rules.items())
    )


def _rules(one: Intention, clients: Requirements) -> Iterator[AuthzRule]:
    """What is denied to its clients: what comes without a token that it asks for, then by permissions.

    Each of those that denies does, and in the end what none of them allows is denied.
    """
    if one.tokens is not None and one.allows:
        yield AuthzRule(sources=(clients,), unless=one.tokens.ways, origin=one.tokens.origin)
    if one.permissions is None:
        if not one.allows:
            yield AuthzRule(sources=(clients,), origin=one.origin)
        return
    through: list[Requirements] = []
    for permission in one.permissions:
        if permission.allows:
            through += permission.ways
            continue
        origin = msgspec.structs.replace(one.origin, path=permission.path)
        operations = (permission.asks,) if permission.asks else ()
        yield AuthzRule(sources=(clients,), operations=operations, unless=tuple(through), origin=origin)
    origin = msgspec.structs.replace(one.origin, path=f"{one.origin.path}.permissions")
    yield AuthzRule(sources=(clients,), unless=tuple(through), origin=origin)


def _clients(source: Key | None, apart: Iterable[Key]) -> Requirements:
    """Those of a source (None: whoever calls, also without an identity) that are not of others."""
    values: dict[Attribute, list[Text]] = {}
    refuses: dict[Attribute, list[Text]] = {}
    for side, sources in ((values, () if source is None else (source,)), (refuses, apart)):
        for one in sources:
            attribute, text = _identity(one)
            side.setdefault(attribute, []).append(text)
    return tuple(
        Requirement(
            attribute=attribute,
            values=tuple(values.get(attribute, ())),
            refuses=tuple(dict.fromkeys(refuses.get(attribute, ()))),
        )
        for attribute in sorted(values.keys() | refuses.keys(), key=lambda a: a.value)
    )


def _identity(source: Key) -> tuple[Attribute, Text]:
    namespace, name = source
    if namespace == ANY:
        return Attribute.PRINCIPAL, Present()
    if name == ANY:
        return Attribute.NAMESPACE, Exact(namespace)
    return Attribute.SERVICE_ACCOUNT, Exact(f"{namespace}/{name}")
