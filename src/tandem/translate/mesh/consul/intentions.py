"""ServiceIntentions -> the policies that judge each pod, with Problems. Pure.

A destination is a Service, and so the pods behind it; a source is a ServiceAccount, whose name Consul on Kubernetes
wants to be that of the service. Without a namespace both are of the object's own. Whom no intention is about is denied,
as in a Consul that denies by default: intentions become rules that deny, and take away from what others allow.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Final

from tandem.base.problems import Origin, Problem, Severity
from tandem.ir.authn import JwtRule
from tandem.ir.authz import AuthzPolicy
from tandem.model.consul import ANY, IntentionSource, JwtRequirement, ServiceIntentions
from tandem.model.core import Service
from tandem.model.world import Key, World
from tandem.translate.mesh.consul.permissions import ALLOW, read_permissions
from tandem.translate.mesh.consul.precedence import Denial, Intention, deciding, denials, policies_of
from tandem.translate.mesh.consul.tokens import Providers, Tokens
from tandem.translate.mesh.values import Wrong

_EVERYBODY: Final = (ANY, ANY)
_FAR: Final = (("partition", "partition"), ("peer", "peer"), ("samenessGroup", "sameness_group"))
Said = dict[Key, list[tuple[ServiceIntentions, tuple[Intention, ...]]]]
"""By destination, the oldest object first."""


class IntentionIndex:
    """Intentions by destination; `problems` is what is wrong with them."""

    def __init__(self, world: World, root_namespace: str) -> None:
        self._root = root_namespace
        self._denials: dict[Key, tuple[Denial, ...]] = {}
        """By destination."""
        self._rules: dict[Key, tuple[JwtRule, ...]] = {}
        """Whose tokens are asked for."""
        self._owners: dict[Key, tuple[Origin, ...]] = {}
        self._shut: dict[str, tuple[Denial, ...]] = {}
        """Of objects that are about nobody knows whom, by namespace: there nothing is allowed."""
        said: Said = {}
        providers = Providers(world, root_namespace)
        problems: list[Problem] = [*providers.problems]
        for owner in world.oldest_first(ServiceIntentions):
            reader = _Reader(owner, providers)
            key = reader.destination(world, root_namespace)
            if key is not None:
                said.setdefault(key, []).append((owner, tuple(reader.intentions())))
            elif owner.metadata.unreadable:
                home = owner.metadata.namespace
                self._shut[home] = (*self._shut.get(home, ()), *denials([], owner.origin(), owner.origin()))
            problems += reader.problems
        for key, owners in said.items():
            levels, first = self._levels(key, said), owners[0][0]
            self._denials[key] = tuple(denials(levels, first.origin(), first.origin("spec.sources")))
            self._rules[key] = tuple(rule for level in levels for one in level for rule in one.rules)
            self._owners[key] = tuple(owner.origin() for owner, _ in owners)
            problems += _told(owners, levels)
        self.problems = tuple(problems)

    def policies(self, namespace: str, services: Iterable[Service]) -> tuple[AuthzPolicy, ...]:
        """What judges a pod that these Services select: each of those that are named has to agree."""
        said = [self._denials[key] for key in self._about(namespace, services)]
        shut = [self._shut[n] for n in dict.fromkeys((namespace, self._root)) if n in self._shut]
        return policies_of(chain.from_iterable((*said, *shut)))

    def tokens(self, namespace: str, services: Iterable[Service]) -> tuple[JwtRule, ...]:
        """Whose tokens are asked for at a pod that these Services select, by the names of the providers."""
        found = {rule for key in self._about(namespace, services) for rule in self._rules[key]}
        return tuple(sorted(found, key=lambda rule: rule.provider))

    def _about(self, namespace: str, services: Iterable[Service]) -> list[Key]:
        """The destinations that a pod is judged as."""
        named = [s.key for s in services if s.key in self._denials]
        return named or [key for key in ((namespace, ANY), _EVERYBODY) if key in self._denials][:1]

    def naming(self, services: Iterable[Service]) -> frozenset[Origin]:
        """The objects that mean a pod that these Services select by name."""
        return frozenset(origin for service in services for origin in self._owners.get(service.key, ()))

    def differing(self, other: IntentionIndex) -> set[str]:
        """The namespaces of which the two say something else; the root namespace stands for all."""
        keys = self._denials.keys() | other._denials.keys()
        found = {key[0] for key in keys if self._of(key) != other._of(key)}
        found |= {n for n in self._shut.keys() | other._shut.keys() if self._shut.get(n) != other._shut.get(n)}
        return {self._root if namespace == ANY else namespace for namespace in found}

    def _of(self, key: Key) -> tuple[object, object]:
        return self._denials.get(key), self._rules.get(key)

    @staticmethod
    def _levels(key: Key, said: Said) -> list[list[Intention]]:
        """All that is said of a destination, the most specific first."""
        keys = dict.fromkeys((key, (key[0], ANY), _EVERYBODY))
        return [[one for _, several in said.get(k, ()) for one in several] for k in keys]


def _told(
    owners: list[tuple[ServiceIntentions, tuple[Intention, ...]]], levels: list[list[Intention]]
) -> Iterator[Problem]:
    """Of destinations that several objects are about, or to which nobody is let in."""
    first = owners[0][0]
    for owner, _ in owners[1:]:
        text = f"{first.origin()} is about the same destination: where both are about a client, both must allow it"
        at = owner.origin("spec.destination")
        yield Problem(at=at, code="Merged", text=text, severity=Severity.WARNING)
    if not first.metadata.unreadable and not any(one.allows for one, _ in deciding(levels)):
        text = "nobody is allowed: whom no intention is about is denied, so say whom you allow, or name: '*'"
        yield Problem(at=first.origin("spec.sources"), code="NothingAllowed", text=text, severity=Severity.WARNING)


class _Reader:
    """Reads one object; what is wrong with it is in `problems`."""

    def __init__(self, owner: ServiceIntentions, providers: Providers) -> None:
        self._owner = owner
        self._providers = providers
        self._about = owner.spec.destination.namespace or owner.metadata.namespace
        self._home = self._about if self._about != ANY else owner.metadata.namespace
        """Where sources are that name no namespace."""
        self.problems: list[Problem] = []

    def destination(self, world: World, root: str) -> Key | None:
        """None: it is about nobody, and its condition says why."""
        name, own = self._owner.spec.destination.name, self._owner.metadata.namespace
        if not name:
            return None
        if own not in {self._about, root}:
            text = f"only objects in {root} are about other namespaces than their own: it is about nobody"
            self._wrong("spec.destination.namespace", "RefNotPermitted", text)
            return None
        if ANY not in (self._about, name) and world.get(Service, self._about, name) is None:
            text = f"no Service {self._about}/{name}: it is about nobody"
            self._wrong("spec.destination.name", "TargetNotFound", text)
        return self._about, name

    def intentions(self) -> Iterator[Intention]:
        """What it says of each source; of one that cannot be judged as a whole, that nobody is allowed."""
        owner, asked = self._owner, self._owner.spec.jwt
        tokens = self._tokens(asked, "spec.jwt", self._denying) if asked is not None else None
        if owner.metadata.unreadable:
            sources = {(source.namespace or self._home, source.name): None for source in owner.spec.sources}
            for named in (*sources, _EVERYBODY):
                yield Intention(source=named, owner=owner.origin(), origin=owner.origin())
            return
        for i, source in enumerate(owner.spec.sources):
            found = self._source(source, tokens, f"spec.sources[{i}]")
            if found is not None:
                yield found

    def _source(self, asked: IntentionSource, tokens: Tokens | None, at: str) -> Intention | None:
        """None: it is about nobody here."""
        permissions = read_permissions(asked.permissions, at, self._wrong, self._tokens)
        allows = asked.action == ALLOW or any(p.allows for p in permissions)
        far = [name for name, field in _FAR if getattr(asked, field)]
        for name in far:
            self._wrong(f"{at}.{name}", "UnsupportedField", "there is one cluster here: nobody comes from elsewhere")
        if far:
            return None
        return Intention(
            source=(asked.namespace or self._home, asked.name),
            allows=allows,
            permissions=permissions if asked.permissions else None,
            tokens=tokens,
            owner=self._owner.origin(),
            origin=self._owner.origin(at),
        )

    def _tokens(self, asked: JwtRequirement, at: str, wrong: Wrong) -> Tokens:
        return self._providers.asked(self._owner, asked, at, wrong)

    def _denying(self, path: str, code: str, text: str) -> None:
        self._wrong(path, code, f"{text}: everything is denied")

    def _wrong(self, path: str, code: str, text: str) -> None:
        self.problems.append(Problem(at=self._owner.origin(path), code=code, text=text))
