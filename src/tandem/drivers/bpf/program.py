"""The program at the host end of a pod's link: established TCP between two pods of this node goes from link to link.

Such a packet does not pass the node's IP stack; every other one goes on as if there were no program. Connection
tracking is asked at each packet what is established: a connection whose entry is deleted, because policy denies it now,
is back in the chains with its next packet. What begins, is reset, translated or reported is seen by the chains. What
ends is not: the program notes in the entry who has sent FIN, and lets it expire soon, or at once when a connection
begins anew (docs/design/0030). Instructions and not C: they need no compiler where they are used.

The kernel lends connection tracking to programs under the GPL only: beside the licence of the tree, this module is
under the GNU General Public License, version 2, as well.
"""

from __future__ import annotations

import struct
import sys
from collections.abc import Callable, Iterator
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
    either,
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
from tandem.state.ownership import ENDED_BY_DESTINATION, ENDED_BY_SOURCE

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
    change_status: int
    module: int
    """Whose functions they are: 0 the kernel's own, else where in the program's list of BTF."""
    status: int
    """Offsets within a connection's entry."""
    timeout: int
    state: int
    mark: int
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
_FIN_SYN_RST_ACK, _FIN, _SYN, _ACK = 0x17, 0x01, 0x02, 0x10
_TCP: Final = 6
# enum ip_conntrack_status: SEEN_REPLY, ASSURED and CONFIRMED are set, and none of SRC_NAT, DST_NAT, SEQ_ADJUST, DYING,
# TEMPLATE, UNTRACKED, HELPER, OFFLOAD, HW_OFFLOAD.
_ESTABLISHED_STATUS: Final = 0x000E
_STATUS_MASK: Final = _ESTABLISHED_STATUS | 0x10 | 0x20 | 0x40 | 0x200 | 0x800 | 0x1000 | 0x2000 | 0x4000 | 0x8000
_ASSURED: Final = 0x0004
_ANSWERED, _ESTABLISHED = 2, 3
"""enum tcp_conntrack: SYN_RECV and ESTABLISHED."""
_BY_SOURCE: Final = 0
"""enum ip_conntrack_dir, of a packet: IP_CT_DIR_ORIGINAL."""
_YOUNG_SECONDS: Final = 1
_HALF_ENDED_SECONDS, _ENDED_SECONDS = 120, 10
"""How long an entry lives without a packet after the first FIN, and after that of the other end."""
_ENDED: Final = ENDED_BY_SOURCE | ENDED_BY_DESTINATION
_HERE: Final = -1
"""BPF_F_CURRENT_NETNS."""
# On the stack, below its end: the connection (struct bpf_sock_tuple), struct bpf_ct_opts, the counter's index, flags.
_TUPLE, _OPTIONS, _INDEX, _FLAGS = -40, -56, -64, -68
_OPTIONS_SIZE, _DIRECTION = 12, 9


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
    yield from _anew(kernel)
    yield Label("release")
    yield move(R1, R9)
    yield call_kernel(kernel.release, kernel.module)
    yield Label("go on")
    yield move(R0, _GO_ON)
    yield leave()


def _headers(family: _Family) -> Iterator[Instruction | Label]:
    """TCP that may be forwarded and is no reset, connection and flags to the stack. Of SYN only what stands alone."""
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
    yield store(STACK, _FLAGS, R1, 4)
    yield if_equal(R1, _ACK, f"read {family.version}")
    yield if_equal(R1, _ACK | _FIN, f"read {family.version}")
    yield if_unequal(R1, _SYN, "go on")
    yield Label(f"read {family.version}")
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
    """Connection tracking has it as established and translates nothing; its entry lives as long as it should."""
    name = f"{{}} {family.version}".format
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
    yield call(_JIFFIES)
    yield load(R1, R9, kernel.timeout, 4)
    yield subtract32(R1, R0)  # R1: jiffies that it has left; R5: flags
    yield load(R5, STACK, _FLAGS, 4)
    yield if_equal(R5, _SYN, "anew")
    yield from _young(kernel, name)
    yield Label(name("established"))
    yield if_equal(R5, _ACK | _FIN, name("ends"))
    yield from _life(kernel, name)
    # Written at half time, not with each packet as the chains would: an entry is shared between processors.
    yield if_more_signed32(R1, R3, name("kept"))
    yield goto(name("write"))
    yield Label(name("ends"))
    yield from _note_end(kernel, name)
    yield from _life(kernel, lambda what: name(f"{what} of an end"))
    yield Label(name("write"))
    yield move(R1, R9)
    yield call_kernel(kernel.change_timeout, kernel.module)
    yield Label(name("kept"))
    yield move(R1, R9)
    yield call_kernel(kernel.release, kernel.module)


def _young(kernel: Kernel, name: Callable[[str], str]) -> Iterator[Instruction | Label]:
    """Go on at "established" with what is, or has been answered and is confirmed by its source.

    The confirmation goes the fast path too: the entry is made assured, its state stays. A packet of the source that
    comes a second later goes up the stack, and so the state of what lasts is put right.
    """
    yield load(R2, R9, kernel.status, 8)
    yield move(R3, R2)
    yield both(R3, _STATUS_MASK)
    yield load(R4, R9, kernel.state, 1)
    yield if_equal(R3, _ESTABLISHED_STATUS, name("assured"))
    yield if_unequal(R3, _ESTABLISHED_STATUS & ~_ASSURED, "release")
    yield if_unequal(R4, _ANSWERED, "release")
    yield if_unequal(R5, _ACK, "release")
    yield load(R3, STACK, _OPTIONS + _DIRECTION, 1)
    yield if_unequal(R3, _BY_SOURCE, "release")
    yield move(R1, R9)
    yield either(R2, _ASSURED)
    yield call_kernel(kernel.change_status, kernel.module)
    yield move(R2, kernel.established * 1000)
    yield goto(name("write"))
    yield Label(name("assured"))
    yield if_equal(R4, _ESTABLISHED, name("established"))
    yield if_unequal(R4, _ANSWERED, "release")
    yield load(R3, R9, kernel.mark, 4)
    yield both(R3, _ENDED)
    yield if_unequal(R3, 0, name("established"))
    yield load(R3, STACK, _OPTIONS + _DIRECTION, 1)
    yield if_unequal(R3, _BY_SOURCE, name("established"))
    yield move(R3, (kernel.established - _YOUNG_SECONDS) * kernel.hertz)
    yield if_more_signed32(R3, R1, "release")


def _life(kernel: Kernel, name: Callable[[str], str]) -> Iterator[Instruction | Label]:
    """R2: milliseconds that the entry shall live without a packet. R3: half of it in jiffies. R4 is lost."""
    yield load(R4, R9, kernel.mark, 4)
    yield both(R4, _ENDED)
    for noted, seconds in (
        (0, kernel.established),
        (_ENDED, _ENDED_SECONDS),
        (None, _HALF_ENDED_SECONDS),
    ):
        yield move(R2, seconds * 1000)
        yield move(R3, seconds * kernel.hertz // 2)
        if noted is not None:
            yield if_equal(R4, noted, name("lives"))
    yield Label(name("lives"))


def _note_end(kernel: Kernel, name: Callable[[str], str]) -> Iterator[Instruction | Label]:
    """Who sends FIN. Two ends may write at once, and one of the two is lost: the entry lives as if half ended."""
    yield load(R1, R9, kernel.mark, 4)
    yield load(R2, STACK, _OPTIONS + _DIRECTION, 1)
    yield if_unequal(R2, _BY_SOURCE, name("answers"))
    yield either(R1, ENDED_BY_SOURCE)
    yield goto(name("noted"))
    yield Label(name("answers"))
    yield either(R1, ENDED_BY_DESTINATION)
    yield Label(name("noted"))
    yield store(R9, kernel.mark, R1, 4)


def _anew(kernel: Kernel) -> Iterator[Instruction | Label]:
    """A connection begins where one has ended: that entry expires now, so that the chains judge this one as new."""
    yield Label("anew")
    yield load(R1, R9, kernel.mark, 4)
    yield both(R1, _ENDED)
    yield if_equal(R1, 0, "release")
    yield move(R1, R9)
    yield move(R2, 0)
    yield call_kernel(kernel.change_timeout, kernel.module)


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
