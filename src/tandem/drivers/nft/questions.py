"""What is asked of the kernel again and again: is a table there, and what have its counters counted. Pure.

Questions by our own hand (linux/netfilter/nf_tables.h): libnftables reads every set there is before it lists a counter
or a table, a quarter of a second beside 10,000 Services.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterable, Iterator
from typing import Final

from tandem.base.netlink import attributes, messages
from tandem.drivers.nft.attributes import SUBSYSTEM, asked, dumped, number32, text
from tandem.drivers.nft.commands import Counted

_GET_TABLE, _NEW_OBJECT, _GET_OBJECT = 1, 18, 19
_COUNTER: Final = 1
"""NFT_OBJECT_COUNTER."""
_ERROR, _DONE = 2, 3
_TABLE, _NAME, _TYPE, _DATA = 1, 2, 3, 4
_BYTES, _PACKETS = 1, 2


def presence(table: str, family: str) -> bytes:
    """Whether a table is there: the kernel tells of it, or that there is none."""
    return asked(family, _GET_TABLE, text(_TABLE, table))


def counters(table: str, family: str) -> bytes:
    """A dump of the counters of one table; of one that is not there nothing comes."""
    return dumped(family, _GET_OBJECT, text(_TABLE, table) + number32(_TYPE, _COUNTER))


def complete(chunks: Iterable[bytes]) -> bool:
    """The kernel has said all of either."""
    return any(kind in {_DONE, _ERROR} for chunk in chunks for kind, _ in messages(chunk))


def counted(chunks: Iterable[bytes]) -> Counted:
    """Packets and bytes by counter; raises OSError where the kernel refuses to tell."""
    return dict(_counter(body[4:]) for kind, body in _told(chunks) if kind == SUBSYSTEM << 8 | _NEW_OBJECT)


def is_present(chunks: Iterable[bytes]) -> bool:
    """The answer to `presence`; raises OSError likewise."""
    try:
        return bool(list(_told(chunks)))
    except FileNotFoundError:
        return False


def _told(chunks: Iterable[bytes]) -> Iterator[tuple[int, bytes]]:
    """Each message; an error that is one is raised."""
    for kind, body in (one for chunk in chunks for one in messages(chunk)):
        if kind == _ERROR and (code := struct.unpack_from("=i", body)[0]):
            raise OSError(-code, os.strerror(-code))
        yield kind, body


def _counter(body: bytes) -> tuple[str, tuple[int, int]]:
    parts = dict(attributes(body))
    numbers = {kind: int.from_bytes(value, "big") for kind, value in attributes(parts[_DATA])}
    return parts[_NAME].rstrip(b"\0").decode(), (numbers[_PACKETS], numbers[_BYTES])
