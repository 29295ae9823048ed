"""The program at the host end of a pod's link: established TCP between two pods of this node goes from link to link.

Such a packet does not pass the node's IP stack; every other one goes on as if there were no program. Connection
tracking is asked at each packet what is established: a connection whose entry is deleted, because policy denies it now,
is back in the chains with its next packet. What begins, ends, is translated or reported is seen by the chains
(docs/design/0030). Instructions and not C: they need no compiler where they are used.

The kernel lends connection tracking to programs under the GPL only: beside the licence of the tree, this module is
under the GNU General Public License, version 2, as well.
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
    R4,
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
    add_in_place,
    assemble,
    both,
    call,
    call_kernel,
    goto,
    if_equal,
    if_less,
    if_more,
    if_more_signed32,
    if_unequal,
    leave,
    load,
    load_map,
    move,
    store,
    subtract32,
)

END: Final = struct.Struct("=II6s6s")
"""Of an address in the map: index and MTU of its host link, then MAC addresses as a packet for it has them."""
LICENCE: Final = b"GPL"


@dataclass(frozen=True, slots=True, kw_only=True)
class Kernel:
    """What differs between kernels."""

    lookup: int
    """Numbers of functions in BTF."""
    release: int
    change_timeout: int
    module: int
    """Whose functions they are: 0 the kernel's own, else where in the program's list of BTF."""
    status: int
    """Offsets within a connection's entry."""
    timeout: int
    state: int
    hertz: int
    """Jiffies a second."""
    established: int
    """Seconds that an established connection may be silent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Maps:
    """Open maps of this process."""

    ends: dict[int, int]
    """By family: address -> END."""
    count: int
    """One number per processor: packets that went the fast path."""


# struct __sk_buff of linux/bpf.h; helpers of the same; linux/pkt_cls.h.
_PACKET_TYPE, _PROTOCOL, _VLAN, _IFINDEX, _DATA, _DATA_END = 4, 16, 20, 40, 76, 80
_LOOK_UP, _JIFFIES, _REDIRECT_PEER = 1, 118, 155
_GO_ON: Final = -1
"""TC_ACT_UNSPEC: to the next filter, then up the stack."""
_TO_US: Final = 0
"""PACKET_HOST."""
# Ethernet, then IP, then TCP.
_ETHERNET: Final = 14
_TCP_HEADER, _TCP_FLAGS = 20, 13
_FIN_SYN_RST_ACK, _ACK = 0x17, 0x10
_TCP: Final = 6
# enum ip_conntrack_status: SEEN_REPLY, ASSURED and CONFIRMED are set, and none of SRC_NAT, DST_NAT, SEQ_ADJUST, DYING,
# TEMPLATE, UNTRACKED, HELPER, OFFLOAD, HW_OFFLOAD.
_ESTABLISHED_STATUS: Final = 0x000E
_STATUS_MASK: Final = _ESTABLISHED_STATUS | 0x10 | 0x20 | 0x40 | 0x200 | 0x800 | 0x1000 | 0x2000 | 0x4000 | 0x8000
_ESTABLISHED: Final = 3
"""enum tcp_conntrack."""
_HERE: Final = -1
"""BPF_F_CURRENT_NETNS."""
# On the stack, below its end: the connection (struct bpf_sock_tuple), struct bpf_ct_opts, the counter's index.
_TUPLE, _OPTIONS, _INDEX = -40, -56, -64
_OPTIONS_SIZE: Final = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class _Family:
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


_FAMILIES: Final = (
    _Family(version=4, ethertype=0x0800, header=20, first=(0xFF, 0x45), protocol=9, hops=8, addresses=12, address=4),
    _Family(version=6, ethertype=0x86DD, header=40, first=(0xF0, 0x60), protocol=6, hops=7, addresses=8, address=16),
)


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
    for family in _FAMILIES:
        yield if_equal(R1, _network(family.ethertype), f"IPv{family.version}")
    yield goto("go on")
    for family in _FAMILIES:
        yield Label(f"IPv{family.version}")
        yield from _headers(family)
        yield from _ends(family, maps.ends[family.version])
        yield from _entry(family, kernel)
        yield from _count(maps.count, f"counted {family.version}")
        yield from _forward(family)
    yield Label("release")
    yield move(R1, R9)
    yield call_kernel(kernel.release, kernel.module)
    yield Label("go on")
    yield move(R0, _GO_ON)
    yield leave()


def _headers(family: _Family) -> Iterator[Instruction]:
    """Plain TCP with ACK, and without SYN, FIN and RST, that may be forwarded; the connection to the stack."""
    tcp = _ETHERNET + family.header
    yield move(R2, R7)
    yield add(R2, tcp + _TCP_HEADER)
    yield if_more(R2, R3, "go on")
    mask, value = family.first
    yield load(R1, R7, _ETHERNET, 1)
    yield both(R1, mask)
    yield if_unequal(R1, value, "go on")
    yield load(R1, R7, _ETHERNET + family.protocol, 1)
    yield if_unequal(R1, _TCP, "go on")
    if family.version == 4:  # a fragment: an offset, or more to follow
        yield load(R1, R7, _ETHERNET + 6, 2)
        yield both(R1, _network(0x3FFF))
        yield if_unequal(R1, 0, "go on")
    yield load(R1, R7, _ETHERNET + family.hops, 1)
    yield if_less(R1, 2, "go on")
    yield load(R1, R7, tcp + _TCP_FLAGS, 1)
    yield both(R1, _FIN_SYN_RST_ACK)
    yield if_unequal(R1, _ACK, "go on")
    for at in range(0, 2 * family.address, 4):
        yield load(R1, R7, _ETHERNET + family.addresses + at, 4)
        yield store(STACK, _TUPLE + at, R1, 4)
    yield load(R1, R7, tcp, 4)  # both ports
    yield store(STACK, _TUPLE + 2 * family.address, R1, 4)


def _ends(family: _Family, ends: int) -> Iterator[Instruction]:
    """R8: the end of the destination. The source is one too, this is its link, and the other's is not narrower."""
    yield load_map(R1, ends)
    yield move(R2, STACK)
    yield add(R2, _TUPLE)
    yield call(_LOOK_UP)
    yield if_equal(R0, 0, "go on")
    yield load(R1, R0, 0, 4)
    yield load(R2, R6, _IFINDEX, 4)
    yield if_unequal(R1, R2, "go on")
    yield load(R9, R0, 4, 4)
    yield load_map(R1, ends)
    yield move(R2, STACK)
    yield add(R2, _TUPLE + family.address)
    yield call(_LOOK_UP)
    yield if_equal(R0, 0, "go on")
    yield move(R8, R0)
    yield load(R1, R8, 4, 4)
    yield if_more(R9, R1, "go on")


def _entry(family: _Family, kernel: Kernel) -> Iterator[Instruction | Label]:
    """Connection tracking has it as established and translates nothing; its entry is kept from expiring."""
    yield store(STACK, _OPTIONS, _HERE, 4)
    yield store(STACK, _OPTIONS + 4, 0, 4)
    yield store(STACK, _OPTIONS + 8, _TCP, 4)
    yield move(R1, R6)
    yield move(R2, STACK)
    yield add(R2, _TUPLE)
    yield move(R3, 2 * family.address + 4)
    yield move(R4, STACK)
    yield add(R4, _OPTIONS)
    yield move(R5, _OPTIONS_SIZE)
    yield call_kernel(kernel.lookup, kernel.module)
    yield if_equal(R0, 0, "go on")
    yield move(R9, R0)  # R9: the entry
    yield load(R1, R9, kernel.status, 8)
    yield both(R1, _STATUS_MASK)
    yield if_unequal(R1, _ESTABLISHED_STATUS, "release")
    yield load(R1, R9, kernel.state, 1)
    yield if_unequal(R1, _ESTABLISHED, "release")
    kept = f"kept {family.version}"
    yield call(_JIFFIES)
    yield load(R1, R9, kernel.timeout, 4)
    yield subtract32(R1, R0)
    # Written at half time, not with each packet as the chains would: an entry is shared between processors.
    yield if_more_signed32(R1, kernel.established * kernel.hertz // 2, kept)
    yield move(R1, R9)
    yield move(R2, kernel.established * 1000)
    yield call_kernel(kernel.change_timeout, kernel.module)
    yield Label(kept)
    yield move(R1, R9)
    yield call_kernel(kernel.release, kernel.module)


def _count(count: int, done: str) -> Iterator[Instruction | Label]:
    yield store(STACK, _INDEX, 0, 4)
    yield load_map(R1, count)
    yield move(R2, STACK)
    yield add(R2, _INDEX)
    yield call(_LOOK_UP)
    yield if_equal(R0, 0, done)
    yield move(R1, 1)
    yield add_in_place(R0, 0, R1)
    yield Label(done)


def _forward(family: _Family) -> Iterator[Instruction | Label]:
    """As a router does (RFC 1812, section 5.3.1; RFC 8200, section 3): one hop less, and the next link's addresses."""
    hops = _ETHERNET + family.hops
    yield load(R1, R7, hops, 1)
    yield add(R1, -1)
    yield store(R7, hops, R1, 1)
    if family.version == 4:  # the checksum, brought up to date (RFC 1624)
        checksum = _ETHERNET + 10
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
