"""The table `filter` of iptables as `iptables -S` prints it: what it does with all that pods send, and our rules in it.

Pure. The chain FORWARD belongs to no one program: kube-proxy, Calico, Flannel, Docker and ufw all have rules there. A
place for ours is where the chain, in the end, drops whatever it does not know: rules before that keep their say.
"""

from __future__ import annotations

import shlex
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from ipaddress import ip_network
from typing import Final

from tandem.base.addresses import IPV4, IPV6, family
from tandem.state.firewall import LINKS, Accept
from tandem.state.ownership import FIREWALL_COMMENT

FORWARD: Final = "FORWARD"
PROGRAMS: Final = {IPV4: "iptables", IPV6: "ip6tables"}
_COMMENT: Final = ("-m", "comment", "--comment")
_POLICY, _RULE, _NEW = "-P", "-A", "-N"


class Fate(Enum):
    """What becomes of a packet that a chain, or a rule without conditions, is asked about."""

    DROPPED = "dropped"
    ACCEPTED = "accepted"
    RETURNED = "returned"
    """The chain asks no further rule of its own."""
    ASKED_ON = "asked on"


@dataclass(frozen=True, slots=True)
class Rule:
    """One line of `iptables -S`."""

    line: str
    words: tuple[str, ...]
    """Without `-A CHAIN`, unquoted."""

    @property
    def ours(self) -> bool:
        """Also rules of older releases."""
        at = self.words.index("--comment") + 1 if "--comment" in self.words else len(self.words)
        return self.words[at : at + 1] != () and self.words[at].startswith(FIREWALL_COMMENT)

    @property
    def plain(self) -> tuple[str, ...]:
        """Without its comment."""
        for at in range(len(self.words) - len(_COMMENT)):
            if self.words[at : at + len(_COMMENT)] == _COMMENT:
                return (*self.words[:at], *self.words[at + len(_COMMENT) + 1 :])
        return self.words


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """One table `filter`: of iptables-nft or iptables-legacy, of one family."""

    kind: str
    """`nft` or `legacy`."""
    version: int
    policies: Mapping[str, str] = field(default_factory=dict)
    chains: Mapping[str, tuple[Rule, ...]] = field(default_factory=dict)

    @property
    def command(self) -> str:
        """By which it is changed."""
        return f"{PROGRAMS[self.version]}-{self.kind}"

    @property
    def shown(self) -> str:
        """As a person names it."""
        return f"chain {FORWARD} of {self.command}"


def parse(text: str, *, kind: str, version: int) -> Filter:
    """What `-S` printed; lines that are no rule are passed over."""
    policies: dict[str, str] = {}
    chains: dict[str, list[Rule]] = {}
    for line in text.splitlines():
        verb, *words = shlex.split(line)
        if verb == _POLICY:
            policies[words[0]] = words[1]
        if verb in {_POLICY, _NEW}:
            chains.setdefault(words[0], [])
        elif verb == _RULE:
            chains.setdefault(words[0], []).append(Rule(line, tuple(words[1:])))
    return Filter(kind=kind, version=version, policies=policies, chains={n: tuple(r) for n, r in chains.items()})


def place(table: Filter) -> int | None:
    """Where, among others' rules of FORWARD, it drops what none of them knows; None: it does not."""
    rules = _others(table)
    for at, rule in enumerate(rules):
        match _of_rule(rule, table.chains):
            case Fate.DROPPED:
                return at
            case Fate.ACCEPTED:
                return None
            case Fate.RETURNED:
                return at if _closed(table, FORWARD) else None
            case Fate.ASKED_ON:
                continue
    return len(rules) if _closed(table, FORWARD) else None


def changes(table: Filter, wanted: Sequence[Accept]) -> str:
    """What makes our rules those wanted, where they are needed, as input of iptables-restore(8); empty: nothing."""
    rules, at = table.chains.get(FORWARD, ()), place(table)
    now = [rule.words for rule in rules]
    then = [rule.words for rule in _others(table)]
    needed = [accept.words for accept in wanted] if at is not None else []
    if at is not None:
        then[at:at] = needed
    if now == then:
        return ""
    # By what they say, not by number: somebody may have changed the chain meanwhile, and then all of this is refused.
    gone = [f"-D{rule.line.removeprefix(_RULE)}" for rule in rules if rule.ours]
    new = [f"-I {FORWARD} {(at or 0) + n} {_quoted(words)}" for n, words in enumerate(needed, start=1)]
    return "\n".join(("*filter", *gone, *new, "COMMIT", ""))


def closes(table: Filter, chain: str, prefixes: Collection[str]) -> bool:
    """Whether a base chain drops, in the end, what comes from these prefixes by pods' links."""
    for rule in table.chains.get(chain, ()):
        fate = _of_rule(rule, table.chains)
        if fate is Fate.ACCEPTED or _lets_pods_through(rule, prefixes):
            return False
        if fate is Fate.DROPPED:
            return True
        if fate is Fate.RETURNED:
            break
    return _closed(table, chain)


def remedy(table: Filter, chain: str) -> str:
    """The commands that let pods through."""
    ways = ("-i", "-o") if chain == FORWARD else ("-i",)
    return "; ".join(f"{table.command} -I {chain} {way} {LINKS} -j ACCEPT" for way in ways)


def opened(table: Filter) -> bool:
    """Whether there are rules of ours."""
    return any(rule.ours for rule in table.chains.get(FORWARD, ()))


def _others(table: Filter) -> tuple[Rule, ...]:
    return tuple(rule for rule in table.chains.get(FORWARD, ()) if not rule.ours)


def _closed(table: Filter, chain: str) -> bool:
    return table.policies.get(chain) == "DROP"


def _of_rule(rule: Rule, chains: Mapping[str, tuple[Rule, ...]]) -> Fate:
    words = rule.plain
    if len(words) < 2 or words[0] not in {"-j", "-g"}:
        return Fate.ASKED_ON  # it has a condition, and what it does not choose is asked about further
    target = words[1]
    known = {"DROP": Fate.DROPPED, "REJECT": Fate.DROPPED, "ACCEPT": Fate.ACCEPTED, "RETURN": Fate.RETURNED}
    fate = known.get(target) or _of_chain(chains.get(target, ()), chains)
    # Whoever went to a chain does not come back to this one.
    return Fate.RETURNED if fate is Fate.ASKED_ON and words[0] == "-g" else fate


def _of_chain(rules: Sequence[Rule], chains: Mapping[str, tuple[Rule, ...]]) -> Fate:
    """The kernel has no chains that lead back to themselves."""
    for rule in rules:
        fate = _of_rule(rule, chains)
        if fate is Fate.RETURNED:
            return Fate.ASKED_ON
        if fate is not Fate.ASKED_ON:
            return fate
    return Fate.ASKED_ON


def _lets_pods_through(rule: Rule, prefixes: Collection[str]) -> bool:
    """Whether it accepts all that pods send, of this family."""
    match rule.plain:
        case ("-i", str(link), "-j", "ACCEPT"):
            return link == LINKS
        case ("-s", str(source), "-j", "ACCEPT"):
            return all(_within(prefix, source) for prefix in prefixes if family(prefix) == family(source))
    return False


def _within(prefix: str, other: str) -> bool:
    return ip_network(prefix).subnet_of(ip_network(other))  # type: ignore[arg-type] # of one family, as was just seen


def _quoted(words: Sequence[str]) -> str:
    return " ".join(f'"{word}"' if " " in word else word for word in words)


def lines(tables: Collection[Filter]) -> Iterator[str]:
    """The base chains of hooks that packets of pods meet, for a comparison before and after."""
    for table in tables:
        for chain in (FORWARD, "INPUT"):
            yield f"{table.command} -P {chain} {table.policies.get(chain, '')}"
            yield from (f"{table.command} {at} {r.line}" for at, r in enumerate(table.chains.get(chain, ())))
