"""The options of each kind of device, as rtnetlink encodes them: name -> attribute and form. Pure.

Names are those of `ip link add … type KIND`. A fabric that needs another option adds a line here.
"""

from __future__ import annotations

import struct
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from tandem.base.addresses import IPV6, family
from tandem.drivers.link.rtnl import Attrs, attr, ip_bytes, ip_text, u32

Value = int | str


@dataclass(frozen=True, slots=True)
class Option:
    """An attribute of IFLA_INFO_DATA; an address of IPv6 may have an attribute of its own."""

    number: int
    form: Literal["u8", "u32", "port", "address"]
    number6: int = 0


OPTIONS: Final[Mapping[str, Mapping[str, Option]]] = {
    "vxlan": {
        "id": Option(1, "u32"),
        "local": Option(4, "address", 17),
        "learning": Option(7, "u8"),
        "dstport": Option(15, "port"),
        "udp6zerocsumtx": Option(19, "u8"),
        "udp6zerocsumrx": Option(20, "u8"),
        "df": Option(29, "u8"),
    },
    "bridge": {
        "stp_state": Option(5, "u32"),
        "mcast_snooping": Option(23, "u8"),
    },
    "wireguard": {},
}
"""Kinds that a fabric can ask for."""


def encode(kind: str, options: tuple[tuple[str, Value], ...]) -> bytes:
    """The attributes inside IFLA_INFO_DATA; raises KeyError for an unknown kind or option."""
    known = OPTIONS[kind]
    return b"".join(_encode(known[name], value) for name, value in options)


def decode(kind: str, data: Attrs, wanted: tuple[str, ...]) -> tuple[tuple[str, Value], ...]:
    """What a device has of the options `wanted`, in their order; one that the kernel does not tell is left out."""
    found: list[tuple[str, Value]] = []
    for name in wanted:
        option = OPTIONS[kind][name]
        raw = data.get(option.number) or data.get(option.number6)
        if raw is not None:
            found.append((name, _decode(option, raw)))
    return tuple(found)


def _encode(option: Option, value: Value) -> bytes:
    if option.form == "address":
        text = str(value)
        return attr(option.number6 if family(text) == IPV6 else option.number, ip_bytes(text))
    number = int(value)
    match option.form:
        case "u8":
            return attr(option.number, bytes([number]))
        case "u32":
            return attr(option.number, u32(number))
        case "port":
            return attr(option.number, struct.pack("!H", number))


def _decode(option: Option, raw: bytes) -> Value:
    match option.form:
        case "u8":
            return raw[0]
        case "u32":
            return int.from_bytes(raw, sys.byteorder)
        case "port":
            return int.from_bytes(raw, "big")
        case "address":
            return ip_text(raw)
