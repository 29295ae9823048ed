"""What is known of the names that policies are about: their addresses, until when, and when to ask again. No I/O.

In: the patterns that are wanted, answers that pods got, answers to our own questions, the time. Out: addresses by
pattern, names to ask. Rules (docs/design/0029):
1. an address counts for its TTL, at least `SHORTEST`, and then ends if its server has said so: by an answer without it;
2. a server that says nothing changes nothing: what is known stays (fail static);
3. a name that a policy writes out is asked for by ourselves, as soon as the node's server would ask for it anew, so
   that what a pod is told is known here already; one below a wildcard is asked for before it ends, for `KEPT` after
   a pod's last question;
4. an address that ended is remembered while connections to it may exist.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from typing import Final

import msgspec

from tandem.base.addresses import family
from tandem.ir.domains import WILDCARD, patterns_of
from tandem.state.dns import NameAnswer

SHORTEST: Final = 60.0
LONGEST: Final = 3600.0
"""Bounds of how long an answer counts, in seconds."""
LEAD: Final = 5.0
"""So long before its addresses end, a name below a wildcard is asked for."""
SOONEST: Final = 4
"""The least TTL by which we ask again."""
AGAIN: Final = 5.0
"""After a question that was not answered."""
KEPT: Final = 3600.0
NEVER: Final = 1e12
UNWANTED: Final = 60.0
"""So long a name is kept that no policy asks for any more: policies are replaced, and pods start anew."""
MOST: Final = 4096
"""Names below wildcards, and addresses of one name: the one asked for longest ago, or that ends first, makes room."""


class Name(msgspec.Struct, kw_only=True, omit_defaults=True):
    """One name. Times are seconds since the epoch."""

    until: dict[str, float] = {}
    """Address -> when it ends."""
    gone: dict[str, float] = {}
    """Address that has ended -> when it did."""
    sure: dict[int, float] = {}
    """Family -> when a server last said which addresses there are."""
    asked: float = 0.0
    """When a pod asked last."""
    wanted: float = 0.0
    """When a policy was last about it."""
    due: float = 0.0
    """When it is asked for again."""


class Index:
    """Pattern -> addresses, of which each may belong to several names."""

    def __init__(self) -> None:
        self._counts: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self._changed: set[str] = set()
        self._sorted: dict[str, tuple[str, ...]] = {}
        self.changes = 0
        """Grows with each change."""

    def add(self, patterns: Iterable[str], addresses: Iterable[str], by: int = 1) -> None:
        """`by` -1: these names no longer have these addresses."""
        for pattern in patterns:
            counts = self._counts[pattern]
            for address in addresses:
                counts[address] += by
                if counts[address] == max(by, 0):
                    self._changed.add(pattern)
                    self.changes += 1
                if not counts[address]:
                    del counts[address]

    def sorted(self) -> dict[str, tuple[str, ...]]:
        """Pattern -> sorted addresses; the very same object while nothing changes."""
        if self._changed:
            made = {**self._sorted, **{pattern: tuple(sorted(self._counts[pattern])) for pattern in self._changed}}
            self._sorted = {pattern: made[pattern] for pattern in sorted(made) if made[pattern]}
            self._changed = set()
        return self._sorted


class Names:
    """The names of one node."""

    def __init__(self, known: Mapping[str, Name] | None = None) -> None:
        self._names: dict[str, Name] = dict(known or {})
        self._patterns: frozenset[str] = frozenset()
        self._matched: dict[str, tuple[str, ...]] = {}
        self._asking: set[str] = set()
        self._now = Index()
        self._before = Index()
        self._told: frozenset[str] = frozenset()
        """Wanted patterns of which an absent address is known to be absent."""
        self._learned: tuple[object, dict[str, tuple[str, ...]]] = (None, {})

    @property
    def known(self) -> Mapping[str, Name]:
        """All of it, to be kept for the next agent."""
        return self._names

    @property
    def learned(self) -> dict[str, tuple[str, ...]]:
        """Wanted pattern -> sorted addresses; the very same object while nothing changes.

        A name that is written out is not there before its server said something: what it lacks is not known.
        """
        key = self._state
        if self._learned[0] != key:
            found = self._now.sorted()
            self._learned = key, {pattern: found.get(pattern, ()) for pattern in sorted(self._told)}
        return self._learned[1]

    @property
    def _state(self) -> tuple[int, int, frozenset[str]]:
        """Equal while what is learned is."""
        return id(self._now), self._now.changes, self._told

    @property
    def lapsed(self) -> dict[str, tuple[str, ...]]:
        """Wanted pattern -> sorted addresses that ended; likewise."""
        return self._before.sorted()

    def want(self, patterns: frozenset[str], now: float) -> None:
        """These are all patterns that policies of this node are about."""
        new, self._patterns = patterns - self._patterns, patterns
        for pattern in sorted(new):
            if not pattern.startswith(WILDCARD):
                self._names.setdefault(pattern, Name(wanted=now)).due = now
        self._matched = {}
        self._now, self._before = Index(), Index()
        self._told = frozenset(p for p in patterns if p.startswith(WILDCARD) or self._names[p].sure)
        for text, name in self._names.items():
            matched = self._patterns_of(text)
            self._now.add(matched, name.until)
            self._before.add(matched, name.gone)

    def wants(self, text: str) -> bool:
        """Whether some policy is about this name."""
        return any(pattern in self._patterns for pattern in patterns_of(text))

    def take(self, answer: NameAnswer, now: float) -> bool:
        """What a pod was told; True if that changes what is learned."""
        text = answer.name
        if not self._patterns_of(text):
            self._matched.pop(text, None)
            return False
        name = self._names.pop(text, None)
        if name is None:
            if not answer.addresses:
                return False
            self._make_room()
            name = Name()
        before = self._state
        self._names[text] = name  # the last in order: what was asked for longest ago is the first
        name.asked = name.wanted = now
        self._enter(text, name, answer, now)
        if text not in self._patterns:
            name.due = _next(name, now)
        return self._state != before

    def ask(self, now: float) -> list[str]:
        """Names to ask for now; each is given once until `answered` says what came of it."""
        due = [n for n, name in self._names.items() if name.due <= now and n not in self._asking]
        self._asking.update(due)
        return sorted(due)

    @property
    def asking(self) -> int:
        """How many names were given and not answered yet."""
        return len(self._asking)

    def next_due(self) -> float:
        """When `ask` has something again; infinity: nothing to wait for."""
        return min((name.due for n, name in self._names.items() if n not in self._asking), default=math.inf)

    def answered(self, text: str, answers: Collection[NameAnswer], now: float, *, whole: bool) -> bool:
        """What came of a question; not `whole`: some family was not answered. True if that changes what is learned."""
        self._asking.discard(text)
        name = self._names.get(text)
        if name is None:
            return False
        before, exact = self._state, text in self._patterns
        for answer in answers:
            self._enter(text, name, answer if exact or now - name.asked < KEPT else replace(answer, addresses=()), now)
        self._end(text, name, now)
        if not whole:
            name.due = now + AGAIN
        elif exact:
            # The server counts in whole seconds, and holds what has none left until the second is over.
            ttl = min((answer.ttl for answer in answers), default=SOONEST)
            name.due = math.floor(now) + 1 + min(max(SOONEST, ttl), LONGEST)
        else:
            name.due = _next(name, now)
        self._sweep(text, name, now)
        return self._state != before

    def forget(self, connected: Collection[str], now: float, *, after: float) -> None:
        """Addresses that ended so long ago, and to which nobody is connected any more, are not remembered."""
        for text, name in list(self._names.items()):
            left = [a for a, ended in name.gone.items() if now - ended >= after and a not in connected]
            for address in left:
                del name.gone[address]
            self._before.add(self._patterns_of(text), left, -1)
            self._sweep(text, name, now)

    def _patterns_of(self, text: str) -> tuple[str, ...]:
        found = self._matched.get(text)
        if found is None:
            found = self._matched[text] = tuple(p for p in patterns_of(text) if p in self._patterns)
        return found

    def _make_room(self) -> None:
        """Names that are written out are few and stay."""
        below = len(self._names) - sum(not pattern.startswith(WILDCARD) for pattern in self._patterns)
        if below >= MOST:
            self._drop(next(text for text in self._names if text not in self._patterns))

    def _drop(self, text: str) -> None:
        name, matched = self._names.pop(text), self._matched.pop(text, ())
        self._now.add(matched, name.until, -1)
        self._before.add(matched, name.gone, -1)

    def _enter(self, text: str, name: Name, answer: NameAnswer, now: float) -> None:
        name.sure[answer.version] = now
        if text in self._patterns and text not in self._told:
            self._told |= {text}
        until = now + min(max(float(answer.ttl), SHORTEST), LONGEST)
        new = [address for address in answer.addresses if address not in name.until]
        back = [address for address in new if name.gone.pop(address, None) is not None]
        for address in answer.addresses:
            name.until[address] = max(until, name.until.get(address, 0.0))
        matched = self._patterns_of(text)
        self._now.add(matched, new)
        self._before.add(matched, back, -1)
        if len(name.until) > MOST:
            self._gone(text, name, sorted(name.until, key=name.until.__getitem__)[: len(name.until) - MOST], now)

    def _end(self, text: str, name: Name, now: float) -> None:
        """Only by the server's word, given since it was about to end."""
        ended = [
            address
            for address, until in name.until.items()
            if until <= now and name.sure.get(family(address), 0.0) >= until - LEAD
        ]
        self._gone(text, name, ended, now)

    def _gone(self, text: str, name: Name, addresses: list[str], now: float) -> None:
        for address in addresses:
            del name.until[address]
            name.gone[address] = now
        matched = self._patterns_of(text)
        self._now.add(matched, addresses, -1)
        self._before.add(matched, addresses)

    def _sweep(self, text: str, name: Name, now: float) -> None:
        if self._patterns_of(text):
            name.wanted = now
        elif now - name.wanted >= UNWANTED:
            self._drop(text)
            return
        if not name.until and not name.gone and text not in self._patterns:
            self._drop(text)


def _next(name: Name, now: float) -> float:
    """Before the first of its addresses ends, and when it does."""
    if not name.until:
        return NEVER
    first = min(name.until.values())
    return first - LEAD if first - LEAD > now else max(first, now + 1.0)
