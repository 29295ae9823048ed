"""An nftables table as structured values: what compilers make, what the driver compares, applies and traces.

Text is made only in `nft_text.py`. One Ruleset is one table (`inet tandem`, `bridge tandem`) in one network namespace.
Element data: an atom is text (`10.0.0.1`, `tcp`, `td0a1b`), a number, a Prefix or a Range; a key is a tuple of atoms.
"""

from __future__ import annotations

from bisect import insort
from enum import Enum
from operator import attrgetter
from typing import Final, TypeVar

import msgspec

from tandem.state import ownership


class Struct(msgspec.Struct, frozen=True):
    """Base of the values here: frozen, hashable, compared by content."""


class Field(Enum):
    """What a rule can look at, by its nft name."""

    IIFNAME = "meta iifname"
    OIFNAME = "meta oifname"
    NFPROTO = "meta nfproto"
    L4PROTO = "meta l4proto"
    MARK = "meta mark"
    SADDR4 = "ip saddr"
    DADDR4 = "ip daddr"
    SADDR6 = "ip6 saddr"
    DADDR6 = "ip6 daddr"
    SPORT = "th sport"
    DPORT = "th dport"
    TCP_SPORT = "tcp sport"
    TCP_DPORT = "tcp dport"
    UDP_DPORT = "udp dport"
    CT_STATE = "ct state"
    CT_DIRECTION = "ct direction"
    CT_MARK = "ct mark"
    CT_STATUS = "ct status"
    CT_CLIENT4 = "ct original ip saddr"
    CT_CLIENT6 = "ct original ip6 saddr"
    CT_SERVER4 = "ct reply ip saddr"
    CT_SERVER6 = "ct reply ip6 saddr"
    SOCKET_TRANSPARENT = "socket transparent"
    FIB_DADDR_TYPE = "fib daddr type"
    ETHER_TYPE = "ether type"
    ETHER_SADDR = "ether saddr"
    ARP_SADDR = "arp saddr ip"
    PKTTYPE = "meta pkttype"
    ICMPV6_TYPE = "icmpv6 type"


class Prefix(Struct, frozen=True, order=True):
    """An address prefix, `10.0.0.0/8` as ("10.0.0.0", 8)."""

    address: str
    length: int


class Range(Struct, frozen=True, order=True):
    """An inclusive range of numbers (ports)."""

    first: int
    last: int


Atom = str | int | Prefix | Range
Key = tuple[Atom, ...]


# Matches: all matches of a rule must hold.


class Is(Struct, frozen=True):
    """The field has this value (`negate`: has not). A name ending in `*` matches by prefix (interfaces)."""

    field: Field
    value: Atom
    negate: bool = False


class OneOf(Struct, frozen=True):
    """The field has one of these values (an anonymous set); for CT_STATE: any of these states."""

    field: Field
    values: tuple[Atom, ...]
    negate: bool = False


class InSet(Struct, frozen=True):
    """The fields, concatenated, are a key of the named set."""

    fields: tuple[Field, ...]
    name: str
    negate: bool = False


class NoSyn(Struct, frozen=True):
    """A TCP segment that does not open a connection (SYN alone is not set among FIN, SYN, RST, ACK)."""


class Syn(Struct, frozen=True):
    """A TCP segment that opens a connection or answers to that (SYN set, RST not)."""


Match = Is | OneOf | InSet | NoSyn | Syn


# Statements: run in order once the matches hold; a verdict, where there is one, comes last.


class Accept(Struct, frozen=True):
    """Ends this base chain; later base chains still judge."""


class Drop(Struct, frozen=True):
    """Silently drops the packet for good."""


class Return(Struct, frozen=True):
    """Back to the calling chain, or to the policy of the base chain."""


class Jump(Struct, frozen=True):
    """Runs a chain and comes back."""

    chain: str


class Goto(Struct, frozen=True):
    """Runs a chain and does not come back to this one."""

    chain: str


class Reject(Struct, frozen=True):
    """TCP reset (`tcp_reset`, for rules that match TCP) or an ICMP message of either family.

    `prohibited`: "administratively prohibited"; else "port unreachable".
    """

    tcp_reset: bool = False
    prohibited: bool = False


class Dispatch(Struct, frozen=True):
    """The verdict that the named verdict map has for the fields; no entry: go on with the next statement."""

    fields: tuple[Field, ...]
    map: str


class Log(Struct, frozen=True):
    """Copy the packet to an NFLOG group."""

    prefix: str
    group: int = ownership.NFLOG_GROUP
    snaplen: int = 128


class Limit(Struct, frozen=True):
    """Go on with this rule only for so many packets a second."""

    per_second: int
    burst: int


class Counter(Struct, frozen=True):
    """Count packets and bytes: in the table's counter of this name, or (empty) in one of this rule alone."""

    name: str = ""


class CountBy(Struct, frozen=True):
    """Count in the counter that the named map has for the fields; no entry: go on with the next rule."""

    fields: tuple[Field, ...]
    map: str


class SetMark(Struct, frozen=True):
    """`meta mark set value` (or `ct mark set value`)."""

    target: Field
    value: int


class RandomMark(Struct, frozen=True):
    """`target set numgen random mod modulus`, counted from `offset`."""

    target: Field
    modulus: int
    offset: int = 0


class LookupMark(Struct, frozen=True):
    """`target set fields map @map`; no entry: go on with the next rule."""

    target: Field
    fields: tuple[Field, ...]
    map: str


class Remember(Struct, frozen=True):
    """Put (fields : source) into a dynamic map for so many seconds; an entry that is there lives as long again."""

    fields: tuple[Field, ...]
    source: Field
    map: str
    seconds: int


class Forget(Struct, frozen=True):
    """Take the entry of these fields out of a dynamic map, whatever its value is."""

    fields: tuple[Field, ...]
    source: Field
    map: str


class Redirect(Struct, frozen=True):
    """To a port of this namespace (nat hooks)."""

    port: int


class TProxy(Struct, frozen=True):
    """Hand to a transparent socket; `family` is `ip` or `ip6`; `address` empty keeps the destination address."""

    family: str
    port: int
    address: str = ""


class DnatMap(Struct, frozen=True):
    """New destination address and port from the named data map (`… : address . port`) by the fields."""

    family: str
    fields: tuple[Field, ...]
    map: str


class Snat(Struct, frozen=True):
    """New source address."""

    family: str
    address: str


class KeepSource(Struct, frozen=True):
    """The source stays as it is, and no later chain translates it."""

    family: str


class Masquerade(Struct, frozen=True):
    """New source address: that of the outgoing interface."""


class ToHost(Struct, frozen=True):
    """Take a frame out of the bridge up to the node's own IP stack: to the bridge's MAC address (family bridge)."""

    mac: str


class ClampMss(Struct, frozen=True):
    """Lower the segment size that a SYN offers to what the routes of both directions carry; never raise it."""


Statement = (
    Accept
    | Drop
    | Return
    | Jump
    | Goto
    | Reject
    | Dispatch
    | Log
    | Limit
    | Counter
    | CountBy
    | SetMark
    | RandomMark
    | LookupMark
    | Remember
    | Forget
    | Redirect
    | TProxy
    | DnatMap
    | Snat
    | KeepSource
    | Masquerade
    | ClampMss
    | ToHost
)
Verdict = Accept | Drop | Return | Jump | Goto


class Rule(Struct, frozen=True, kw_only=True):
    """If every match holds, run the statements."""

    match: tuple[Match, ...] = ()
    then: tuple[Statement, ...]
    comment: str = ""


class Hook(Struct, frozen=True, kw_only=True):
    """Where a base chain is attached. `type`: filter, nat, route. `priority` as a number; lower runs first."""

    type: str
    hook: str
    priority: int
    policy: str = "accept"


class Chain(Struct, frozen=True, kw_only=True):
    """A base chain (with `base`) or a chain that others jump to."""

    name: str
    rules: tuple[Rule, ...] = ()
    base: Hook | None = None


class Set(Struct, frozen=True, kw_only=True):
    """A named set; `type` has one nft type per part of the key, `interval` is for elements with prefixes or ranges."""

    name: str
    type: tuple[str, ...]
    interval: bool = False
    elements: frozenset[Key] = frozenset()


class Map(Struct, frozen=True, kw_only=True):
    """A named map: verdicts (`data == ("verdict",)`), names of counters (`("counter",)`), or tuples of those types."""

    name: str
    type: tuple[str, ...]
    data: tuple[str, ...] = ("verdict",)
    interval: bool = False
    elements: frozenset[tuple[Key, Verdict | Key]] = frozenset()
    dynamic: int = 0
    """Room for so many entries that rules make (`Remember`) and time ends; 0: entries are ours alone."""


class Ruleset(Struct, frozen=True, kw_only=True):
    """One table. Chains, sets and maps sorted by name; names are unique among chains, and among sets and maps.

    `counters` are those that rules and maps refer to by name; what they count is no part of the value.
    """

    table: str = ownership.TABLE
    family: str = "inet"
    """`inet`, or `bridge` for the frames of a segment."""
    chains: tuple[Chain, ...] = ()
    sets: tuple[Set, ...] = ()
    maps: tuple[Map, ...] = ()
    counters: frozenset[str] = frozenset()

    def chain(self, name: str) -> Chain:
        """The chain of that name; raises KeyError."""
        for chain in self.chains:
            if chain.name == name:
                return chain
        raise KeyError(name)


Part = TypeVar("Part", Chain, Set, Map)
FEW: Final = 16
"""To look for the place of one part costs as much as to look at so many."""
_NAME: Final = attrgetter("name")


def ruleset(
    *,
    chains: tuple[Chain, ...] = (),
    sets: tuple[Set, ...] = (),
    maps: tuple[Map, ...] = (),
    counters: frozenset[str] = frozenset(),
    table: str = ownership.TABLE,
) -> Ruleset:
    """A Ruleset with its parts in order."""
    return Ruleset(
        table=table,
        chains=tuple(sorted(chains, key=_NAME)),
        sets=tuple(sorted(sets, key=_NAME)),
        maps=tuple(sorted(maps, key=_NAME)),
        counters=counters,
    )


def merged(many: tuple[Part, ...], *others: tuple[Part, ...]) -> tuple[Part, ...]:
    """All in the order of their names, where `many` are in that order already: a few others are put among them."""
    few: list[Part] = [part for parts in others for part in parts]
    if len(few) * FEW > len(many):
        few.extend(many)
        return tuple(sorted(few, key=_NAME))
    found = list(many)
    for part in few:
        insort(found, part, key=_NAME)
    return tuple(found)


def owns(family: str, table: str) -> bool:
    """True for the table that is ours, in any namespace."""
    return (family == "inet" and table in ownership.TABLES) or (family, table) == ("bridge", ownership.TABLE)
