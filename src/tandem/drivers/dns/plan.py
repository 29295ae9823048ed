"""What a server holds and what it is to answer -> the difference, name by name. Pure.

A server has two trees. `front` answers pods at once. What is not there is asked of `authority`, inside the same
process, which knows all names (aliases only there, so that they are followed) and says what does not exist. A server
can add a record but only take away a whole name; since `authority` changes first, a name that is taken away from
`front` to be put back is answered from there meanwhile. Hosts outside the cluster are in `front` alone: asked at the
address of `authority`, the server says what others say of them. Those with `*.` are in a zone beside it, which is
replaced whole.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

from tandem.base.memo import same_as_before
from tandem.drivers.dns.wildcards import is_wildcard
from tandem.state.dns import CNAME, Answers, Record

Records = frozenset[Record]


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """What a server holds."""

    front: Records = frozenset()
    authority: Records = frozenset()
    wildcards: Records | None = frozenset()
    """None: others than it was given last."""
    upstreams: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """Of one tree: names that lose all their records, then records that are added."""

    remove: tuple[str, ...] = ()
    add: tuple[Record, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.remove or self.add)


@dataclass(frozen=True, slots=True, kw_only=True)
class Delta:
    """To be carried out in this order; `wildcards` and `upstreams` None: as they are."""

    authority: Change = Change()
    front: Change = Change()
    wildcards: Records | None = None
    upstreams: tuple[str, ...] | None = None

    def __bool__(self) -> bool:
        return bool(self.authority or self.front) or not (self.wildcards is None and self.upstreams is None)


def desired(answers: Answers) -> Held:
    """What a server holds that answers so."""
    front, wildcards = _front(answers.records, answers.hosts)
    return Held(front=front, authority=answers.records, wildcards=wildcards, upstreams=answers.upstreams)


@same_as_before
def _front(records: Records, hosts: Records) -> tuple[Records, Records]:
    """What pods are told at once: of names, and of wildcards."""
    wildcards = frozenset(filter(is_wildcard, hosts))
    return (hosts - wildcards).union(r for r in records if r.kind != CNAME), wildcards


def plan(held: Held, answers: Answers) -> Delta:
    """The difference; empty (false) if there is none."""
    wanted = desired(answers)
    return Delta(
        authority=_change(held.authority, wanted.authority),
        front=_change(held.front, wanted.front),
        wildcards=wanted.wildcards if wanted.wildcards != held.wildcards else None,
        upstreams=wanted.upstreams if set(wanted.upstreams) != set(held.upstreams) else None,
    )


def _change(held: Records, wanted: Records) -> Change:
    """Names that lose a record are taken away whole, and what they keep is added again."""
    if held is wanted:
        return Change()
    remove = frozenset(record.name for record in held - wanted)
    add = wanted - held
    if remove:
        kept: dict[str, list[Record]] = defaultdict(list)
        for record in wanted & held:
            if record.name in remove:
                kept[record.name].append(record)
        add = add.union(*kept.values())
    return Change(remove=tuple(sorted(remove)), add=tuple(sorted(add)))
