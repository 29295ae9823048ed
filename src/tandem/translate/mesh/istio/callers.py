"""Which DestinationRules hold for whom: Istio's look-up for each caller, said of all callers that it tells apart. Pure.

A caller's rules are those beside itself, else those beside the Service, else those of the root namespace, as far as
they are exported to it. In the namespace where some are found the most specific host counts, and of its rules those
that select the caller before those that select nobody. In the root namespace what is exported to nobody else comes
first, for callers there; a rule there for everybody comes last, as for others.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from tandem.model.istio import DestinationRule
from tandem.model.world import Key

Labels = tuple[tuple[str, str], ...]
Rules = tuple[DestinationRule, ...]


class Group(msgspec.Struct, frozen=True, kw_only=True):
    """Callers for whom other rules hold than for everybody: all of a namespace, or those with some labels."""

    namespace: str
    labels: Labels = ()
    rules: Rules


class Lookup:
    """For one Service, or host: `rules` are all about it, the oldest first."""

    def __init__(self, rules: Sequence[DestinationRule], service: Key, root: str) -> None:
        self._rules = rules
        self._home = service[0]
        self._root = root
        self._places = {service[0], root}

    def everybody(self) -> Rules:
        """What holds for callers of a namespace that no rule is in or names."""
        return self._beyond("")

    def groups(self) -> Iterator[Group]:
        """For whom else holds something else, in order: of those that a caller is in the first is meant."""
        if all(map(_is_for_all, self._rules)) and {r.metadata.namespace for r in self._rules} <= self._places:
            return
        everybody = self.everybody()
        for namespace in sorted({name for rule in self._rules for name in _named(rule)}):
            own = self._beside(namespace)
            plain = closest([rule for rule in own if rule.spec.workload_selector is None])
            yield from _selected(namespace, own, least=said(plain[0]) if plain else 0)
            found = plain or self._beyond(namespace)
            if found != everybody:
                yield Group(namespace=namespace, rules=found)

    def _beside(self, namespace: str) -> list[DestinationRule]:
        own = [r for r in self._rules if r.metadata.namespace == namespace and exported(r, namespace)]
        return [r for r in own if _is_private(r)] if namespace == self._root else own

    def _beyond(self, namespace: str) -> Rules:
        """Of those that lie elsewhere than the caller; an empty namespace: of somebody's of whom nothing is known."""
        for home in (self._home, self._root):
            theirs = (r for r in self._rules if r.metadata.namespace == home and r.spec.workload_selector is None)
            found = closest([rule for rule in theirs if exported(rule, namespace)])
            if found:
                return found
        return ()


def _selected(namespace: str, own: Sequence[DestinationRule], *, least: int) -> Iterator[Group]:
    """Those with a selector of which a host says at least so much; what says more comes first, then what is older."""
    found: dict[tuple[int, Labels], list[DestinationRule]] = {}
    for rule in own:
        if rule.spec.workload_selector is not None and said(rule) >= least:
            labels = tuple(sorted(rule.spec.workload_selector.match_labels.items()))
            found.setdefault((said(rule), labels), []).append(rule)
    for (_, labels), rules in sorted(found.items(), key=lambda item: -item[0][0]):
        yield Group(namespace=namespace, labels=labels, rules=tuple(rules))


def exported(rule: DestinationRule, namespace: str) -> bool:
    """Whether callers of a namespace see it; an empty one: those of a namespace of which nothing is known."""
    to = _to(rule)
    return "*" in to or namespace in to or ("." in to and rule.metadata.namespace == namespace)


def _to(rule: DestinationRule) -> tuple[str, ...]:
    return (".",) if rule.spec.workload_selector is not None else rule.spec.export_to or ("*",)


def _is_for_all(rule: DestinationRule) -> bool:
    """Of such rules, where everybody looks, callers there see what all others do."""
    return rule.spec.workload_selector is None and (not rule.spec.export_to or "*" in rule.spec.export_to)


def _is_private(rule: DestinationRule) -> bool:
    return set(_to(rule)) <= {".", rule.metadata.namespace}


def _named(rule: DestinationRule) -> set[str]:
    """The namespaces whose callers it may be about, beside all others."""
    return {rule.metadata.namespace, *_to(rule)} - {".", "*"}


def closest(rules: Sequence[DestinationRule]) -> Rules:
    """Of patterns and the host itself those that say most."""
    most = max(map(said, rules), default=0)
    return tuple(rule for rule in rules if said(rule) == most)


def said(rule: DestinationRule) -> int:
    """How much its host says: more than every pattern, where it is none."""
    return len(rule.spec.host) if rule.spec.host.startswith("*") else 1000
