"""What the program reads in a packet, and where it keeps what it knows of one while it runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

ETHERNET: Final = 14
"""Bytes of its header; that of IP follows, then that of TCP."""
TCP: Final = 6
TCP_HEADER, TCP_FLAGS = 20, 13
FIN_SYN_RST_ACK, FIN, SYN, ACK = 0x17, 0x01, 0x02, 0x10
SYN_ACK: Final = SYN | ACK
NARROWER: Final = 0x100
"""Beside the flags: the destination's link has a smaller MTU than the source's."""

# On the stack, below its end: the connection (struct bpf_sock_tuple), struct bpf_ct_opts, the counter's index, flags,
# an entry's mark.
TUPLE, OPTIONS, INDEX, FLAGS, MARK = -40, -56, -64, -68, -72


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """Where things are in a header without options or extensions."""

    version: int
    ethertype: int
    header: int
    first: tuple[int, int]
    """Mask and value of its first byte."""
    protocol: int
    hops: int
    addresses: int
    address: int
    """Bytes of one."""


FAMILIES: Final = (
    Family(version=4, ethertype=0x0800, header=20, first=(0xFF, 0x45), protocol=9, hops=8, addresses=12, address=4),
    Family(version=6, ethertype=0x86DD, header=40, first=(0xF0, 0x60), protocol=6, hops=7, addresses=8, address=16),
)
