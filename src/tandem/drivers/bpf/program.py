"""The program at the host end of a pod's link: established TCP between two pods of this node goes from link to link.

Such a packet does not pass the node's IP stack; every other one goes on as if there were no program. Connection
tracking is asked at each packet what is established: a connection whose entry is deleted, because policy denies it now,
is back in the chains with its next packet. What begins, is reset, translated or reported is seen by the chains. What
is answered and what ends is not: the program notes in the entry that there was an answer and who has sent FIN, and lets
it expire soon, or at once when a connection begins anew (docs/design/0030). Instructions and not C: they need no
compiler where they are used.

Connection tracking is lent to programs under the GPL only, and so `tracking.py` is: that is this program's licence.
"""

from __future__ import annotations

import struct
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from tandem.drivers.bpf.assembler import (
    R0,
    R1,
    R2,
    R3,
    R5,
    R6,
    R7,
    R8,
    R9,
    STACK,
    Instruction,
    Label,
    Program,
    add,
    assemble,
    both,
    call,
    call_kernel,
    either,
    goto,
    if_equal,
    if_less,
    if_more,
    if_unequal,
    leave,
    load,
    load_map,
    move,
    store,
)
from tandem.drivers.bpf.frame import (
    ACK,
    ETHERNET,
    FAMILIES,
    FIN,
    FIN_SYN_RST_ACK,
    FLAGS,
    INDEX,
    NARROWER,
    SYN,
    SYN_ACK,
    TCP,
    TCP_FLAGS,
    TCP_HEADER,
    TUPLE,
    Family,
)
from tandem.drivers.bpf.tracking import Kernel, begun_anew, established, seldom

END: Final = struct.Struct("=II6s6s")
"""Of an address in the map: index and MTU of its host link, then MAC addresses as a packet for it has them."""
LICENCE: Final = b"GPL"


@dataclass(frozen=True, slots=True, kw_only=True)
class Maps:
    """Open maps of this process."""

    ends: dict[int, int]
    """By family: address -> END."""
    count: int
    """One number per processor: packets that went the fast path."""


# struct __sk_buff of linux/bpf.h; helpers of the same; linux/pkt_cls.h.
_PACKET_TYPE, _PROTOCOL, _VLAN, _IFINDEX, _DATA, _DATA_END = 4, 16, 20, 40, 76, 80
_LOOK_UP, _REDIRECT_PEER = 1, 155
_GO_ON: Final = -1
"""TC_ACT_UNSPEC: to the next filter, then up the stack."""
_TO_US: Final = 0
"""PACKET_HOST."""


def compile_program(kernel: Kernel, maps: Maps) -> bytes:
    """Its instructions."""
    return assemble(_program(kernel, maps))


def _network(number: int) -> int:
    """A number of two bytes as a packet has it, read in the machine's order."""
    return int.from_bytes(number.to_bytes(2, "big"), sys.byteorder)


def _program(kernel: Kernel, maps: Maps) -> Program:
    yield move(R6, R1)  # R6: the packet's context
    yield load(R1, R6, _PACKET_TYPE, 4)
    yield if_unequal(R1, _TO_US, "go on")
    yield load(R1, R6, _VLAN, 4)
    yield if_unequal(R1, 0, "go on")
    yield load(R7, R6, _DATA, 4)  # R7: the packet
    yield load(R3, R6, _DATA_END, 4)
    yield load(R1, R6, _PROTOCOL, 4)
    for family in FAMILIES:
        yield if_equal(R1, _network(family.ethertype), f"IPv{family.version}")
    yield goto("go on")
    for family in FAMILIES:
        yield Label(f"IPv{family.version}")
        yield from _headers(family)
        yield from _ends(family, maps.ends[family.version])
        yield from established(family, kernel)
        yield from _count(maps.count, f"counted {family.version}")
        yield from _forward(family)
        yield from seldom(family, kernel)
    yield from begun_anew(kernel)
    yield Label("release")
    yield move(R1, R9)
    yield call_kernel(kernel.release, kernel.module)
    yield Label("go on")
    yield move(R0, _GO_ON)
    yield leave()


def _headers(family: Family) -> Iterator[Instruction | Label]:
    """TCP that may be forwarded and is no reset: connection and flags to the stack."""
    tcp = ETHERNET + family.header
    yield move(R2, R7)
    yield add(R2, tcp + TCP_HEADER)
    yield if_more(R2, R3, "go on")
    mask, value = family.first
    yield load(R1, R7, ETHERNET, 1)
    yield both(R1, mask)
    yield if_unequal(R1, value, "go on")
    yield load(R1, R7, ETHERNET + family.protocol, 1)
    yield if_unequal(R1, TCP, "go on")
    if family.version == 4:  # a fragment: an offset, or more to follow
        yield load(R1, R7, ETHERNET + 6, 2)
        yield both(R1, _network(0x3FFF))
        yield if_unequal(R1, 0, "go on")
    yield load(R1, R7, ETHERNET + family.hops, 1)
    yield if_less(R1, 2, "go on")
    yield load(R1, R7, tcp + TCP_FLAGS, 1)
    yield both(R1, FIN_SYN_RST_ACK)
    yield store(STACK, FLAGS, R1, 4)
    yield if_equal(R1, ACK, f"read {family.version}")
    yield if_equal(R1, ACK | FIN, f"read {family.version}")
    yield if_equal(R1, SYN_ACK, f"read {family.version}")
    yield if_unequal(R1, SYN, "go on")
    yield Label(f"read {family.version}")
    for at in range(0, 2 * family.address, 4):
        yield load(R1, R7, ETHERNET + family.addresses + at, 4)
        yield store(STACK, TUPLE + at, R1, 4)
    yield load(R1, R7, tcp, 4)  # both ports
    yield store(STACK, TUPLE + 2 * family.address, R1, 4)


def _ends(family: Family, ends: int) -> Iterator[Instruction | Label]:
    """R8: the end of the destination. The source is one too, this is its link; an answer needs links alike."""
    done = f"compared {family.version}"
    yield load_map(R1, ends)
    yield move(R2, STACK)
    yield add(R2, TUPLE)
    yield call(_LOOK_UP)
    yield if_equal(R0, 0, "go on")
    yield load(R1, R0, 0, 4)
    yield load(R2, R6, _IFINDEX, 4)
    yield if_unequal(R1, R2, "go on")
    yield load(R9, R0, 4, 4)
    yield load_map(R1, ends)
    yield move(R2, STACK)
    yield add(R2, TUPLE + family.address)
    yield call(_LOOK_UP)
    yield if_equal(R0, 0, "go on")
    yield move(R8, R0)
    yield load(R1, R8, 4, 4)
    yield if_equal(R9, R1, done)
    yield load(R5, STACK, FLAGS, 4)
    yield if_equal(R5, SYN_ACK, "go on")  # what the other side sends would not be fast
    yield if_less(R9, R1, done)
    yield either(R5, NARROWER)
    yield store(STACK, FLAGS, R5, 4)
    yield Label(done)


def _count(count: int, done: str) -> Iterator[Instruction | Label]:
    yield store(STACK, INDEX, 0, 4)
    yield load_map(R1, count)
    yield move(R2, STACK)
    yield add(R2, INDEX)
    yield call(_LOOK_UP)
    yield if_equal(R0, 0, done)
    yield load(R1, R0, 0, 8)  # of this processor alone, which runs one program at a time
    yield add(R1, 1)
    yield store(R0, 0, R1, 8)
    yield Label(done)


def _forward(family: Family) -> Iterator[Instruction | Label]:
    """As a router does (RFC 1812, section 5.3.1; RFC 8200, section 3): one hop less, and the next link's addresses."""
    hops = ETHERNET + family.hops
    yield load(R1, R7, hops, 1)
    yield add(R1, -1)
    yield store(R7, hops, R1, 1)
    if family.version == 4:  # the checksum, brought up to date (RFC 1624)
        checksum = ETHERNET + 10
        yield load(R1, R7, checksum, 2)
        yield add(R1, _network(0x0100))
        yield if_less(R1, 0xFFFF, "no carry")
        yield add(R1, 1)
        yield Label("no carry")
        yield store(R7, checksum, R1, 2)
    for at in range(0, 12, 4):
        yield load(R1, R8, 8 + at, 4)
        yield store(R7, at, R1, 4)
    yield load(R1, R8, 0, 4)
    yield move(R2, 0)
    yield call(_REDIRECT_PEER)
    yield leave()
