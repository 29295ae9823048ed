"""Chains, rules and counters of policy -> nfnetlink messages (linux/netfilter/nf_tables.h). Pure.

The rules of one policy ask for addresses in sets, a protocol and a port, count, log, and end in a verdict: these are
written here as the kernel's expressions. A rule that asks for more is left to libnftables, with all of its transaction.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from typing import Any, Final

from tandem.base.netlink import attribute
from tandem.drivers.nft.attributes import APPEND, CREATE, asked, nested, number32, number64, text
from tandem.drivers.nft.plan import AddChain, AddCounters, AddRules, DeleteChain, DeleteCounters, FlushChain
from tandem.state import nft, nft_text
from tandem.state.nft import Field

_NEW_CHAIN, _DELETE_CHAIN, _NEW_RULE, _DELETE_RULE, _NEW_OBJECT, _DELETE_OBJECT = 3, 5, 6, 8, 18, 20
_EXCLUSIVE: Final = 0x200
_COUNTER: Final = 1
"""NFT_OBJECT_COUNTER."""
_NFPROTO, _L4PROTO = 15, 16
_NETWORK, _TRANSPORT = 1, 2
_FIRST: Final = 8
"""The first register of four bytes (NFT_REG32_00)."""
_PAYLOADS: Final[Mapping[Field, tuple[int, int, int]]] = {
    Field.SADDR4: (_NETWORK, 12, 4),
    Field.DADDR4: (_NETWORK, 16, 4),
    Field.SADDR6: (_NETWORK, 8, 16),
    Field.DADDR6: (_NETWORK, 24, 16),
    Field.DPORT: (_TRANSPORT, 2, 2),
}
"""Header, offset and length."""
_FAMILY_OF: Final = {Field.SADDR4: 2, Field.DADDR4: 2, Field.SADDR6: 10, Field.DADDR6: 10}
PROTOCOLS: Final = {"tcp": 6, "udp": 17, "sctp": 132}
_VERDICTS: Final[Mapping[type, int]] = {nft.Drop: 0, nft.Accept: 1, nft.Jump: -3, nft.Goto: -4, nft.Return: -5}


def chain_messages(operation: object, table: str, family: str) -> list[bytes] | None:
    """The messages of an operation on a chain or on counters; None: it is left to libnftables."""
    found: list[bytes] | None = None
    match operation:
        case AddChain(name=name, base=None):
            found = [asked(family, _NEW_CHAIN, text(1, table) + text(3, name), CREATE | _EXCLUSIVE)]
        case DeleteChain(name=name, base=False):
            found = [asked(family, _DELETE_CHAIN, text(1, table) + text(3, name))]
        case FlushChain(name=name):
            found = [asked(family, _DELETE_RULE, text(1, table) + text(2, name))]
        case AddCounters(names=names):
            found = [_counter(family, _NEW_OBJECT, table, name) for name in sorted(names)]
        case DeleteCounters(names=names):
            found = [_counter(family, _DELETE_OBJECT, table, name) for name in sorted(names)]
        case AddRules(chain=chain, rules=rules) if family == "inet":
            found = _rules(table, chain, rules)
        case _:
            pass
    return found


def verdict_of(verdict: nft.Verdict) -> bytes:
    """NFTA_DATA_VERDICT."""
    code = attribute(1, struct.pack("!i", _VERDICTS[type(verdict)]))
    return nested(2, code + (text(2, verdict.chain) if isinstance(verdict, nft.Jump | nft.Goto) else b""))


def _counter(family: str, kind: int, table: str, name: str) -> bytes:
    body = text(1, table) + text(2, name) + number32(3, _COUNTER)
    if kind == _DELETE_OBJECT:
        return asked(family, kind, body)
    return asked(family, kind, body + nested(4, number64(1, 0) + number64(2, 0)), CREATE | _EXCLUSIVE)


def _rules(table: str, chain: str, rules: tuple[nft.Rule, ...]) -> list[bytes] | None:
    found = []
    for rule in rules:
        expressions = _expressions(rule)
        if expressions is None:
            return None
        body = text(1, table) + text(2, chain) + nested(4, b"".join(nested(1, one) for one in expressions))
        comment = nft_text.comment(rule.comment).encode() + b"\0"
        if rule.comment:
            body += attribute(7, struct.pack("BB", 0, len(comment)) + comment)
        found.append(asked("inet", _NEW_RULE, body, CREATE | APPEND))
    return found


def _expressions(rule: nft.Rule) -> list[bytes] | None:
    found: list[bytes] = []
    families: set[int] = set()
    for part in (*rule.match, *rule.then):
        write = _WRITERS.get(type(part))
        made = write(part) if write is not None else None
        if made is None:
            return None
        for family in sorted(_families(part) - families):
            found += [_meta(_NFPROTO), _compare(struct.pack("B", family))]
            families.add(family)
        found += made
    return found


def _families(part: object) -> set[int]:
    """What a field of an IP header asks of the packet first."""
    fields = part.fields if isinstance(part, nft.InSet | nft.Dispatch | nft.CountBy) else ()
    return {_FAMILY_OF[field] for field in fields if field in _FAMILY_OF}


def _named(name: str, data: bytes) -> bytes:
    return text(1, name) + nested(2, data)


def _meta(key: int) -> bytes:
    return _named("meta", number32(1, _FIRST) + number32(2, key))


def _load(field: Field, register: int) -> bytes:
    header, offset, length = _PAYLOADS[field]
    return _named("payload", number32(1, register) + number32(2, header) + number32(3, offset) + number32(4, length))


def _compare(value: bytes, *, negate: bool = False) -> bytes:
    return _named("cmp", number32(1, _FIRST) + number32(2, int(negate)) + nested(3, attribute(1, value)))


def _loads(fields: tuple[Field, ...]) -> list[bytes] | None:
    """The fields side by side, in whole registers."""
    register, found = _FIRST, []
    for field in fields:
        if field is Field.L4PROTO:
            found.append(_named("meta", number32(1, register) + number32(2, _L4PROTO)))
            register += 1
        elif field in _PAYLOADS:
            found.append(_load(field, register))
            register += -(-_PAYLOADS[field][2] // 4)
        else:
            return None
    return found


def _is(match: nft.Is) -> list[bytes] | None:
    if match.field is Field.L4PROTO and match.value in PROTOCOLS:
        return [_meta(_L4PROTO), _compare(struct.pack("B", PROTOCOLS[str(match.value)]), negate=match.negate)]
    if match.field is Field.DPORT and isinstance(match.value, int):
        return [_load(Field.DPORT, _FIRST), _compare(struct.pack("!H", match.value), negate=match.negate)]
    return None


def _one_of(match: nft.OneOf) -> list[bytes] | None:
    """A single value is compared; several are a set without a name, which is libnftables' to make."""
    return _is(nft.Is(match.field, match.values[0], match.negate)) if len(match.values) == 1 else None


def _in_set(match: nft.InSet) -> list[bytes] | None:
    loads = _loads(match.fields)
    flags = number32(5, 1) if match.negate else b""
    return None if loads is None else [*loads, _named("lookup", text(1, match.name) + number32(2, _FIRST) + flags)]


def _dispatch(statement: nft.Dispatch) -> list[bytes] | None:
    loads = _loads(statement.fields)
    if loads is None:
        return None
    return [*loads, _named("lookup", text(1, statement.map) + number32(2, _FIRST) + number32(3, 0))]


def _limit(statement: nft.Limit) -> list[bytes]:
    rate = number64(1, statement.per_second) + number64(2, 1) + number32(3, statement.burst)
    return [_named("limit", rate + number32(4, 0) + number32(5, 0))]


def _log(statement: nft.Log) -> list[bytes]:
    group = attribute(1, struct.pack("!H", statement.group))
    return [_named("log", group + text(2, statement.prefix) + number32(3, statement.snaplen))]


def _count(statement: nft.Counter) -> list[bytes]:
    if statement.name:
        return [_named("objref", number32(1, _COUNTER) + text(2, statement.name))]
    return [_named("counter", number64(1, 0) + number64(2, 0))]


def _count_by(statement: nft.CountBy) -> list[bytes] | None:
    loads = _loads(statement.fields)
    return None if loads is None else [*loads, _named("objref", number32(3, _FIRST) + text(4, statement.map))]


def _end(statement: nft.Verdict) -> list[bytes]:
    return [_named("immediate", number32(1, 0) + nested(2, verdict_of(statement)))]


_WRITERS: Final[Mapping[type, Callable[[Any], list[bytes] | None]]] = {
    nft.Is: _is,
    nft.OneOf: _one_of,
    nft.InSet: _in_set,
    nft.Dispatch: _dispatch,
    nft.Limit: _limit,
    nft.Log: _log,
    nft.Counter: _count,
    nft.CountBy: _count_by,
    **dict.fromkeys(_VERDICTS, _end),
}
