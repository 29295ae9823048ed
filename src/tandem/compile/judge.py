"""PolicySet and one packet -> the rule that denies it, or none: the verdict of the compiled rules, found by values.

For what asks ten thousand times in a second: which established connections does a change of policy end? Pure. That it
says what the compiled rules say is held by tests/property/test_judge.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from ipaddress import ip_address, ip_network
from typing import Final, assert_never

import msgspec

from tandem.base.ids import GroupId
from tandem.base.problems import Origin
from tandem.ir.domains import Learned
from tandem.ir.policy import (
    AddressGroup,
    Anyone,
    Cidr,
    Domains,
    Group,
    Peer,
    PolicySet,
    Rule,
    Side,
    Verdict,
    every_rule,
    groups_of,
)

Span = tuple[int, int, int]
"""Version, first and last address as numbers."""


class Denial(msgspec.Struct, frozen=True, kw_only=True):
    """What denies a packet."""

    side: Side
    rules: tuple[Origin, ...]
    keeps: bool = False
    """What was established before may go on."""


class Judge:
    """One policy set with the addresses of its groups and names."""

    def __init__(self, policy_set: PolicySet, groups: Mapping[GroupId, AddressGroup], learned: Learned) -> None:
        self._side = policy_set.side
        self._learned = learned
        asked = groups_of(every_rule(policy_set))
        self._groups: dict[GroupId, frozenset[str]] = {
            group: frozenset(groups[group].addresses) for group in asked if group in groups
        }
        self.complete = len(self._groups) == len(asked)
        """False: a group has not arrived yet, so that nothing may be concluded from what is not allowed."""
        self._set = policy_set

    def denial(self, address: str, protocol: str, port: int) -> Denial | None:
        """What denies this peer (`protocol` as `TCP`; `port` is the destination's); None: it is allowed."""
        judged = self._set
        first = self._first(judged.admin, address, protocol, port)
        if first is not None and first.verdict is not Verdict.PASS:
            return self._by(first)
        if judged.closed or judged.isolated_by:
            if not judged.closed and any(self._holds(rule, address, protocol, port) for rule in judged.rules):
                return None
            return Denial(side=self._side, rules=judged.isolated_by, keeps=judged.keeps)
        last = self._first(judged.baseline, address, protocol, port)
        return self._by(last) if last is not None else None

    def _first(self, tier: tuple[Rule, ...], address: str, protocol: str, port: int) -> Rule | None:
        return next((rule for rule in tier if self._holds(rule, address, protocol, port)), None)

    def _by(self, rule: Rule) -> Denial | None:
        if rule.verdict is not Verdict.DENY:
            return None
        return Denial(side=self._side, rules=(rule.origin,), keeps=rule.keeps)

    def _holds(self, rule: Rule, address: str, protocol: str, port: int) -> bool:
        if rule.ports and not any(p.protocol == protocol and p.first <= port <= p.last for p in rule.ports):
            return False
        return any(self._is(peer, address) for peer in rule.peers)

    def _is(self, peer: Peer, address: str) -> bool:
        match peer:
            case Anyone():
                return True
            case Group(id=group):
                return address in self._groups.get(group, ())
            case Cidr(prefix=prefix, excepts=excepts):
                return _inside(address, prefix) and not any(_inside(address, other) for other in excepts)
            case Domains(patterns=patterns):
                # What was never asked of DNS is not known to lack the address: an agent may have just started.
                return any(p not in self._learned or address in self._learned[p] for p in patterns)
            case _:
                assert_never(peer)


def refusing_groups(policy_set: PolicySet) -> frozenset[GroupId]:
    """The groups of rules that do more than accept: who joins one of these may be denied something."""
    return groups_of(rule for rule in every_rule(policy_set) if rule.verdict is not Verdict.ACCEPT)


_MOST: Final = 1 << 16


def _inside(address: str, prefix: str) -> bool:
    version, number = _number(address)
    of, first, last = _span(prefix)
    return version == of and first <= number <= last


@lru_cache(maxsize=_MOST)
def _number(address: str) -> tuple[int, int]:
    parsed = ip_address(address)
    return parsed.version, int(parsed)


@lru_cache(maxsize=_MOST)
def _span(prefix: str) -> Span:
    network = ip_network(prefix)
    return network.version, int(network.network_address), int(network.broadcast_address)
