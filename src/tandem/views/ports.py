"""The port of TO: `:80`, `:53/UDP`, `:http`, as in the sentences of `tandem verify`; of ICMP there is none.

In: what the user wrote, and what the destination is known to serve. Out: a Port; ExplainError says what is wrong.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

PROTOCOLS: Final = ("TCP", "UDP", "SCTP")
ICMP: Final = "ICMP"
_PORT: Final = re.compile(r"(?P<port>[A-Za-z0-9-]+)(/(?P<protocol>[A-Za-z]+))?")
_NAME: Final = re.compile(r"(?=.*[a-z])[a-z0-9]([a-z0-9-]*[a-z0-9])?")


class ExplainError(ValueError):
    """The question names nothing, or leaves open what is meant."""


class Port(msgspec.Struct, frozen=True, kw_only=True, order=True):
    """A port of one protocol. In a question 0 and an empty protocol are left open; of ICMP the number is 0."""

    number: int = 0
    protocol: str = ""
    name: str = ""

    def __str__(self) -> str:
        return f"{self.number}" if self.protocol == "TCP" else f"{self.number}/{self.protocol}"


def labelled(name: str, port: Port) -> str:
    """An end with its port, as it is told."""
    return f"{name} (ICMP)" if port.protocol == ICMP else f"{name}:{port}"


def split_port(text: str, protocol: str) -> tuple[str, Port]:
    """`NAME[:PORT[/PROTOCOL]]`; an address of IPv6 with a port is in brackets. `protocol`: of --protocol."""
    wanted = protocol.upper()
    if wanted and wanted not in {*PROTOCOLS, ICMP}:
        raise ExplainError(f"--protocol {protocol}: TCP, UDP, SCTP or ICMP")
    bare = text[1:-1] if text.startswith("[") and text.endswith("]") else text
    name, colon, tail = text.rpartition(":")
    if _is_address(bare) or not colon:
        return bare, Port(protocol=wanted)
    found = _PORT.fullmatch(tail)
    if found is None:
        raise ExplainError(f"{text}: a port is 80, 53/UDP or a name such as http")
    given = (found["protocol"] or "").upper()
    if given and given not in PROTOCOLS:
        raise ExplainError(f"{text}: the protocol is TCP, UDP or SCTP; for ICMP write --protocol ICMP and no port")
    if given and wanted and given != wanted:
        raise ExplainError(f"{text}: --protocol says {wanted}")
    if wanted == ICMP:
        raise ExplainError(f"{text}: ICMP has no ports")
    return name.strip("[]"), _port(text, found["port"], given or wanted)


def _port(text: str, word: str, protocol: str) -> Port:
    if word.isdigit():
        if not 0 < int(word) < 65536:
            raise ExplainError(f"{text}: the port is a number from 1 to 65535, or a name")
        return Port(number=int(word), protocol=protocol)
    if _NAME.fullmatch(word) is None or len(word) > 63:
        raise ExplainError(f"{text}: a port is 80, 53/UDP or a name such as http")
    return Port(name=word, protocol=protocol)


def choose(name: str, wanted: Port, known: Sequence[Port]) -> Port:
    """The port that is meant, of those that the destination `name` is known to have.

    One that is left out is the only one. Without a protocol it is TCP, unless the destination has the port by another
    protocol alone.
    """
    if wanted.protocol == ICMP:
        return Port(protocol=ICMP)
    fitting = [port for port in known if wanted.protocol in {"", port.protocol}]
    if wanted.number:
        same = [port for port in fitting if port.number == wanted.number]
        usual = Port(number=wanted.number, protocol=wanted.protocol or "TCP")
        return next((p for p in same if p.protocol == usual.protocol), same[0] if same else usual)
    if wanted.name:
        fitting = [port for port in fitting if port.name == wanted.name]
        if not fitting:
            named = ", ".join(f"{p.name} ({p})" for p in known if p.name) or "none has a name"
            raise ExplainError(f"{name}: there is no port named {wanted.name}; {named}")
    if len({(port.number, port.protocol) for port in fitting}) != 1:
        where = f"[{name}]" if ":" in name else name
        raise ExplainError(f"{name}: which port? Write {where}:PORT ({list_of(known)})")
    return fitting[0]


def list_of(known: Iterable[Port]) -> str:
    """For people."""
    return ", ".join(dict.fromkeys(map(str, known))) or "none is declared"


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
