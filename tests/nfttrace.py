"""What would the kernel do with this packet? A tracer over Ruleset values; pure, no kernel.

It walks the hooks of the packet's way: prerouting, then input or forward, then postrouting; or output, postrouting for
what the node itself sends. It reads matches as values, never text. Source address translation does not change the
verdict and is only noted.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Mapping, MutableMapping
from functools import lru_cache
from typing import assert_never

import msgspec

from tandem.state import nft
from tandem.state.nft import Field

LOCAL = ""
"""What a route answers for an address of the node itself."""
OUTSIDE = "outside"
"""Stands for any link that is not a pod's."""


class Packet(msgspec.Struct, frozen=True, kw_only=True):
    """A packet as it enters the node's stack; `iifname` empty: the node itself sends it."""

    saddr: str
    daddr: str
    protocol: str = "tcp"
    sport: int = 40000
    dport: int = 0
    iifname: str = ""
    ct_state: str = "new"
    syn: bool = True
    mark: int = 0
    ct_mark: int = 0
    dnat: bool = False
    oifname: str = ""
    client: str = ""
    server: str = ""
    """Of an error: the ends of the connection that it is about; empty: who sends the packet."""

    @property
    def version(self) -> int:
        """4 or 6."""
        return ipaddress.ip_address(self.daddr).version


class Trace(msgspec.Struct, frozen=True, kw_only=True):
    """`verdict`: accept, drop or reject. `log` is the prefix of the message that went with a drop."""

    verdict: str
    packet: Packet
    path: tuple[str, ...]
    """`chain: rule` of every rule that held, in order."""
    log: str = ""
    logged: tuple[str, ...] = ()
    """The prefixes of all messages, in order: also of what was noted and let go."""
    counted: tuple[str, ...] = ()
    """The named counters that counted it, in order."""


Memory = MutableMapping[tuple[str, nft.Key], int]
"""What rules have put into dynamic maps: (map, key) -> mark. Time does not pass."""


class _End(Exception):  # noqa: N818 control flow inside one trace
    def __init__(self, verdict: str) -> None:
        super().__init__(verdict)
        self.verdict = verdict


class _Return(Exception):  # noqa: N818
    pass


def trace(
    ruleset: nft.Ruleset,
    packet: Packet,
    *,
    route: Callable[[str], str],
    choose: Callable[[int], int] = lambda _: 0,
    memory: Memory | None = None,
) -> Trace:
    """Follow `packet`; `route` maps an address to the outgoing link (LOCAL: the node), `choose(n)` is numgen.

    `memory` is what earlier packets left in dynamic maps; the trace goes on with it.
    """
    walk = _Walk(ruleset, packet, route, choose=choose, memory=memory if memory is not None else {})
    try:
        if packet.iifname:
            walk.hook("prerouting")
            out = route(walk.packet.daddr)
            walk.packet = msgspec.structs.replace(walk.packet, oifname=out)
            walk.hook("input" if out == LOCAL else "forward")
        else:
            walk.packet = msgspec.structs.replace(packet, oifname=route(packet.daddr))
            walk.hook("output")
            walk.packet = msgspec.structs.replace(walk.packet, oifname=route(walk.packet.daddr))
        if walk.packet.oifname:
            walk.hook("postrouting")
    except _End as end:
        return walk.end(end.verdict)
    return walk.end("accept")


class _Walk:
    def __init__(
        self,
        ruleset: nft.Ruleset,
        packet: Packet,
        route: Callable[[str], str],
        *,
        choose: Callable[[int], int],
        memory: Memory,
    ) -> None:
        self._ruleset = ruleset
        self._chains: Mapping[str, nft.Chain] = {c.name: c for c in ruleset.chains}
        self._sets: Mapping[str, nft.Set] = {s.name: s for s in ruleset.sets}
        self._maps: Mapping[str, nft.Map] = {m.name: m for m in ruleset.maps}
        self._route = route
        self._choose = choose
        self._memory = memory
        self.packet = packet
        self.path: list[str] = []
        self.logged: list[str] = []
        self.counted: list[str] = []

    def end(self, verdict: str) -> Trace:
        """What has become of the packet."""
        return Trace(
            verdict=verdict,
            packet=self.packet,
            path=tuple(self.path),
            log=self.logged[-1] if self.logged and verdict != "accept" else "",
            logged=tuple(self.logged),
            counted=tuple(self.counted),
        )

    def hook(self, name: str) -> None:
        """Every base chain of the hook by priority; accept ends one chain, drop everything."""
        found = [(c.base.priority, c.base, c) for c in self._ruleset.chains if c.base and c.base.hook == name]
        for _, base, chain in sorted(found, key=lambda item: item[0]):
            # Of a connection its first packet, and that until a chain has translated its destination.
            translated = self.packet.dnat and name != "postrouting"
            if base.type == "nat" and (self.packet.ct_state != "new" or translated):
                continue
            try:
                self._chain(chain)
            except _Return:
                pass
            except _End as end:
                if end.verdict != "accept":
                    raise
                continue
            if base.policy == "drop":
                raise _End("drop")

    def _chain(self, chain: nft.Chain) -> None:
        for rule in chain.rules:
            if all(self._holds(m) for m in rule.match):
                self.path.append(f"{chain.name}: {rule.comment or ' '.join(type(s).__name__ for s in rule.then)}")
                for statement in rule.then:
                    if not self._run(statement):
                        break

    def _run(self, statement: nft.Statement) -> bool:  # noqa: C901 one branch per kind
        """True to go on with the rule's next statement; False where a lookup found nothing."""
        match statement:
            case nft.Accept():
                raise _End("accept")
            case nft.Drop():
                raise _End("drop")
            case nft.Reject():
                raise _End("reject")
            case nft.Return():
                raise _Return
            case nft.Jump(name):
                self._jump(name)
            case nft.Goto(name):
                self._chain(self._chains[name])
                raise _Return
            case nft.Dispatch(fields, name):
                return self._dispatch(fields, name)
            case nft.DnatMap():
                return self._dnat(statement)
            case nft.LookupMark(target, fields, name):
                return self._lookup_mark(target, fields, name)
            case nft.CountBy(fields, name):
                return self._count_by(fields, name)
            case _:
                self._set(statement)
        return True

    def _jump(self, name: str) -> None:
        try:
            self._chain(self._chains[name])
        except _Return:
            return

    def _dispatch(self, fields: tuple[Field, ...], name: str) -> bool:
        verdict = self._lookup(fields, name)
        return False if verdict is None or isinstance(verdict, tuple) else self._run(verdict)

    def _count_by(self, fields: tuple[Field, ...], name: str) -> bool:
        counter = self._lookup(fields, name)
        if not isinstance(counter, tuple):
            return False
        self.counted.append(str(counter[0]))
        return True

    def _lookup_mark(self, target: Field, fields: tuple[Field, ...], name: str) -> bool:
        key = self._key(fields)
        data = self._lookup(fields, name)
        known = self._memory.get((name, key)) if key is not None else None
        if known is None and isinstance(data, tuple):
            known = int(str(data[0]))
        if known is None:
            return False
        self._mark(target, known)
        return True

    def _remember(self, statement: nft.Remember | nft.Forget) -> None:
        key, value = self._key(statement.fields), self._value(statement.source)
        if key is None:
            return
        if isinstance(statement, nft.Forget):
            self._memory.pop((statement.map, key), None)
        else:
            # As in the kernel: an entry that is there gets new time and keeps its value.
            self._memory.setdefault((statement.map, key), int(str(value)))

    def _dnat(self, statement: nft.DnatMap) -> bool:
        data = self._lookup(statement.fields, statement.map)
        if (statement.family == "ip") != (self.packet.version == 4) or not isinstance(data, tuple):
            return False
        self.packet = msgspec.structs.replace(self.packet, daddr=str(data[0]), dport=int(str(data[1])), dnat=True)
        raise _End("accept")

    def _set(self, statement: nft.Statement) -> None:
        match statement:
            case nft.SetMark(target, value):
                self._mark(target, value)
            case nft.RandomMark(target, modulus, offset):
                self._mark(target, self._choose(modulus) % modulus + offset)
            case nft.Log(prefix):
                self.logged.append(prefix)
            case nft.Counter(name) if name:
                self.counted.append(name)
            case nft.Remember() | nft.Forget():
                self._remember(statement)
            case nft.Redirect(port) | nft.TProxy(_, port):
                self.packet = msgspec.structs.replace(self.packet, dport=port)
            case _:  # counters, limits, source translation and segment sizes do not decide
                return

    def _mark(self, target: Field, value: int) -> None:
        name = "ct_mark" if target is Field.CT_MARK else "mark"
        self.packet = msgspec.structs.replace(self.packet, **{name: value})

    def _lookup(self, fields: tuple[Field, ...], name: str) -> nft.Verdict | nft.Key | None:
        key = self._key(fields)
        if key is None:
            return None
        return next((data for k, data in self._maps[name].elements if _covers(k, key)), None)

    def _key(self, fields: tuple[Field, ...]) -> tuple[str | int, ...] | None:
        values = [self._value(f) for f in fields]
        return None if None in values else tuple(v for v in values if v is not None)

    def _holds(self, match: nft.Match) -> bool:
        match match:
            case nft.Is(field, value, negate):
                return self._compare(field, (value,), negate=negate)
            case nft.OneOf(field, values, negate):
                return self._compare(field, values, negate=negate)
            case nft.InSet(fields, name, negate):
                key = self._key(fields)
                return key is not None and any(_covers(k, key) for k in self._sets[name].elements) != negate
            case nft.NoSyn():
                return self.packet.protocol == "tcp" and not self.packet.syn
            case nft.Syn():
                return self.packet.protocol == "tcp" and self.packet.syn
            case _:
                assert_never(match)

    def _compare(self, field: Field, values: tuple[nft.Atom, ...], *, negate: bool) -> bool:
        if field is Field.CT_STATUS:
            return self.packet.dnat != negate
        actual = self._value(field)
        return actual is not None and any(_covers((v,), (actual,)) for v in values) != negate

    def _value(self, field: Field) -> str | int | None:
        """The field of this packet; None if it has no such field, so that no match on it holds."""
        packet = self.packet
        if field in _ADDRESSES:
            version, name = _ADDRESSES[field]
            return str(getattr(packet, name) or packet.saddr) if packet.version == version else None
        if field in _PORTS:
            protocol, name = _PORTS[field]
            known = packet.protocol in {"tcp", "udp", "sctp"} and protocol in {"", packet.protocol}
            return int(getattr(packet, name)) if known else None
        if field is Field.FIB_DADDR_TYPE:
            return "local" if self._route(packet.daddr) == LOCAL else "unicast"
        values: dict[Field, str | int] = {
            Field.IIFNAME: packet.iifname,
            Field.OIFNAME: packet.oifname,
            Field.NFPROTO: f"ipv{packet.version}",
            Field.L4PROTO: packet.protocol,
            Field.MARK: packet.mark,
            Field.CT_MARK: packet.ct_mark,
            Field.CT_STATE: packet.ct_state,
        }
        return values.get(field)


_ADDRESSES = {
    Field.SADDR4: (4, "saddr"),
    Field.DADDR4: (4, "daddr"),
    Field.SADDR6: (6, "saddr"),
    Field.DADDR6: (6, "daddr"),
    Field.CT_CLIENT4: (4, "client"),
    Field.CT_CLIENT6: (6, "client"),
    Field.CT_SERVER4: (4, "server"),
    Field.CT_SERVER6: (6, "server"),
}
_PORTS = {
    Field.SPORT: ("", "sport"),
    Field.DPORT: ("", "dport"),
    Field.TCP_SPORT: ("tcp", "sport"),
    Field.TCP_DPORT: ("tcp", "dport"),
    Field.UDP_DPORT: ("udp", "dport"),
}


_PROTOCOLS: dict[str | int, int] = {"icmp": 1, "tcp": 6, "udp": 17, "ipv6-icmp": 58, "sctp": 132}


def _covers(wanted: nft.Key, actual: tuple[str | int, ...]) -> bool:
    return len(wanted) == len(actual) and all(_atom_covers(w, a) for w, a in zip(wanted, actual, strict=True))


@lru_cache(maxsize=4096)
def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    return ipaddress.ip_address(text)


@lru_cache(maxsize=4096)
def _network(address: str, length: int) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    return ipaddress.ip_network(f"{address}/{length}")


def _atom_covers(wanted: nft.Atom, actual: str | int) -> bool:
    match wanted:
        case nft.Prefix(address, length):
            return _address(str(actual)) in _network(address, length)
        case nft.Range(first, last):
            return first <= int(_PROTOCOLS.get(actual, actual)) <= last
        case str() if wanted.endswith("*"):
            return str(actual).startswith(wanted[:-1])
        case _:
            return wanted == actual
