"""DNS messages as bytes, as far as a cluster's own names need them (RFC 1035, 2782, 6891). Pure.

A question is parsed by hand and an answer is laid out behind a copy of it: this is what makes a cached answer cost
microseconds. Whatever is forwarded is passed on as it came.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final

A, CNAME, SOA, PTR, TXT, AAAA, SRV, OPT, ANY = 1, 5, 6, 12, 16, 28, 33, 41, 255
IN: Final = 1
NOERROR, FORMERR, SERVFAIL, NXDOMAIN, NOTIMP = 0, 1, 2, 3, 4
HEADER: Final = struct.Struct(">HHHHHH")
PLAIN_SIZE: Final = 512
"""What a client takes by UDP that says nothing (RFC 1035, 4.2.1)."""
UDP_SIZE: Final = 1232
"""What we send and take at most by UDP: no fragments on any usual link."""
OWNER: Final = b"\xc0\x0c"
"""A pointer to the question's name, which always lies behind the header."""
_FIXED: Final = struct.Struct(">HHIH")
_QR, _AA, _TC, _RD, _RA = 0x8000, 0x0400, 0x0200, 0x0100, 0x0080
_OPCODE: Final = 0x7800


class MalformedError(ValueError):
    """Bytes that are no DNS query; `ident` is set where a FORMERR can still be sent."""

    def __init__(self, msg: str, ident: int | None = None) -> None:
        super().__init__(msg)
        self.ident = ident


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """One question. `name` is in lower case without the final dot; `raw` is the question as asked, case and all."""

    ident: int
    flags: int
    name: str
    type: int
    raw: bytes
    size: int = PLAIN_SIZE
    """The largest answer that the client takes by UDP."""
    edns: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Body:
    """An answer without what differs from query to query: records, encoded for a question at offset 12."""

    code: int = NOERROR
    answers: tuple[bytes, ...] = ()
    authority: tuple[bytes, ...] = ()
    additional: tuple[bytes, ...] = ()


def parse_query(data: bytes) -> Query:
    """The one question of a query; raises MalformedError."""
    if len(data) < HEADER.size:
        raise MalformedError("shorter than a DNS header")
    ident, flags, questions, answers, authority, additional = HEADER.unpack_from(data)
    if flags & _QR:
        raise MalformedError("a response, not a query")
    if questions != 1 or answers or authority:
        raise MalformedError("a query has one question and no answers", ident)
    name, at = _name(data, HEADER.size, ident)
    if at + 4 > len(data):
        raise MalformedError("question is cut off", ident)
    kind, _ = struct.unpack_from(">HH", data, at)
    end = at + 4
    size, edns = PLAIN_SIZE, False
    # The OPT record is the only one that matters and has the root as its owner; clients send it first.
    if additional and len(data) >= end + 11 and data[end] == 0:
        opt, payload = struct.unpack_from(">HH", data, end + 1)
        if opt == OPT:
            size, edns = max(PLAIN_SIZE, min(payload, UDP_SIZE)), True
    return Query(ident=ident, flags=flags, name=name, type=kind, raw=data[HEADER.size : end], size=size, edns=edns)


def reply(query: Query, body: Body, *, udp: bool) -> bytes:
    """The whole answer; by UDP one that is too large is sent empty and marked as truncated."""
    opt = (b"\0" + _FIXED.pack(OPT, UDP_SIZE, 0, 0),) if query.edns else ()
    additional = body.additional + opt
    flags = _QR | _AA | _RA | query.flags & (_OPCODE | _RD) | body.code
    data = b"".join((query.raw, *body.answers, *body.authority, *additional))
    counts = (1, len(body.answers), len(body.authority), len(additional))
    if udp and len(data) + HEADER.size > query.size:
        data, flags, counts = b"".join((query.raw, *opt)), flags | _TC, (1, 0, 0, len(opt))
    return HEADER.pack(query.ident, flags, *counts) + data


def refusal(data: bytes, code: int) -> bytes:
    """An answer without records to a query that was parsed or not: header and, where it can be read, the question."""
    ident, flags = struct.unpack_from(">HH", data)
    head = _QR | _RA | flags & (_OPCODE | _RD) | code
    try:
        raw = parse_query(data).raw
    except MalformedError:
        return HEADER.pack(ident, head, 0, 0, 0, 0)
    return HEADER.pack(ident, head, 1, 0, 0, 0) + raw


def is_standard(query: Query) -> bool:
    """True for opcode QUERY."""
    return not query.flags & _OPCODE


def encode_name(name: str) -> bytes:
    """A name without compression; raises ValueError where a label is too long."""
    out = b""
    for label in name.split(".") if name else ():
        raw = label.encode()
        if not 0 < len(raw) < 64:
            raise ValueError(f"DNS name {name!r}: label {label!r} has {len(raw)} bytes, allowed are 1 to 63")
        out += bytes([len(raw)]) + raw
    return out + b"\0"


def record(owner: bytes, kind: int, ttl: int, data: bytes) -> bytes:
    """One resource record."""
    return owner + _FIXED.pack(kind, IN, ttl, len(data)) + data


def srv(priority: int, weight: int, port: int, target: str) -> bytes:
    """The data of an SRV record (RFC 2782: the target is not compressed)."""
    return struct.pack(">HHH", priority, weight, port) + encode_name(target)


def soa(zone: str, *, serial: int, ttl: int) -> bytes:
    """The data of a SOA record; its last field is how long a denial may be cached (RFC 2308)."""
    return (
        encode_name(f"ns.dns.{zone}")
        + encode_name(f"hostmaster.{zone}")
        + struct.pack(">IIIII", serial, 7200, 1800, 86400, ttl)
    )


def _name(data: bytes, at: int, ident: int) -> tuple[str, int]:
    labels: list[str] = []
    while True:
        if at >= len(data):
            raise MalformedError("name is cut off", ident)
        length = data[at]
        if length == 0:
            return ".".join(labels), at + 1
        if length > 63 or at + 1 + length > len(data) or at - HEADER.size > 255:
            raise MalformedError("name is malformed", ident)
        labels.append(data[at + 1 : at + 1 + length].decode("latin-1").lower())
        at += 1 + length
