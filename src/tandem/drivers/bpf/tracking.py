"""What the program does with the entry that connection tracking has of a packet's connection.

What is answered, confirmed and ended on the fast path is noted there, as far as programs may: the state of an entry
they may not write (docs/design/0030). The kernel lends all this to programs under the GPL only: beside the licence of
the tree, this module is under the GNU General Public License, version 2, as well.
"""

from __future__ import annotations

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
    R8,
    R9,
    STACK,
    Instruction,
    Label,
    add,
    both,
    call,
    call_kernel,
    either,
    goto,
    if_equal,
    if_more,
    if_more_signed32,
    if_unequal,
    load,
    move,
    store,
    subtract32,
)
from tandem.drivers.bpf.frame import (
    ACK,
    FIN,
    FIN_SYN_RST_ACK,
    FLAGS,
    MARK,
    NARROWER,
    OPTIONS,
    SYN,
    SYN_ACK,
    TCP,
    TUPLE,
    Family,
)
from tandem.state.ownership import ENDED_BY_DESTINATION, ENDED_BY_SOURCE


@dataclass(frozen=True, slots=True, kw_only=True)
class Kernel:
    """What differs between kernels."""

    lookup: int
    """Numbers of functions in BTF."""
    release: int
    change_timeout: int
    change_status: int
    allocate: int
    set_status: int
    insert: int
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


_JIFFIES: Final = 118
"""A helper of linux/bpf.h."""
# enum ip_conntrack_status: SEEN_REPLY, ASSURED and CONFIRMED are set, and none of SRC_NAT, DST_NAT, SEQ_ADJUST, DYING,
# TEMPLATE, UNTRACKED, HELPER, OFFLOAD, HW_OFFLOAD.
_ESTABLISHED_STATUS: Final = 0x000E
_STATUS_MASK: Final = _ESTABLISHED_STATUS | 0x10 | 0x20 | 0x40 | 0x200 | 0x800 | 0x1000 | 0x2000 | 0x4000 | 0x8000
_SEEN_REPLY, _ASSURED, _CONFIRMED = 0x0002, 0x0004, 0x0008
_BEGUN, _ANSWERED, _ESTABLISHED = 1, 2, 3
"""enum tcp_conntrack: SYN_SENT, SYN_RECV and ESTABLISHED."""
_BY_SOURCE: Final = 0
"""enum ip_conntrack_dir, of a packet: IP_CT_DIR_ORIGINAL."""
_YOUNG_SECONDS: Final = 1
_ANSWERED_SECONDS: Final = 60
"""How long an answered connection may be unconfirmed (nf_conntrack_tcp_timeout_syn_recv)."""
_HALF_ENDED_SECONDS, _ENDED_SECONDS = 120, 10
"""How long an entry lives without a packet after the first FIN, and after that of the other end."""
_ENDED: Final = ENDED_BY_SOURCE | ENDED_BY_DESTINATION
_HERE: Final = -1
"""BPF_F_CURRENT_NETNS."""
_OPTIONS_SIZE, _DIRECTION = 12, 9


def established(family: Family, kernel: Kernel) -> Iterator[Instruction | Label]:
    """Connection tracking has it as established and translates nothing; its entry lives as long as it should.

    R9: the entry, let go of at the end. Labels outside: "go on", and "release", which lets go of R9 first. R8 is kept.
    """
    name = f"{{}} {family.version}".format
    yield store(STACK, OPTIONS, _HERE, 4)
    yield store(STACK, OPTIONS + 4, 0, 4)
    yield store(STACK, OPTIONS + 8, TCP, 4)
    yield from _of_the_connection(family, kernel.lookup, kernel)
    yield if_equal(R0, 0, "go on")
    yield move(R9, R0)  # R9: the entry
    yield call(_JIFFIES)
    yield load(R1, R9, kernel.timeout, 4)
    yield subtract32(R1, R0)  # R1: jiffies that it has left; R5: flags
    yield load(R5, STACK, FLAGS, 4)
    yield if_equal(R5, SYN, "anew")
    yield if_more(R5, FIN_SYN_RST_ACK, name("narrower"))
    yield from _young(kernel, name)
    yield Label(name("established"))
    yield if_equal(R5, ACK | FIN, name("ends"))
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

    Answer and confirmation go the fast path too: what the chains let begin is answered, and made assured, and its state
    stays. With a packet of the source that comes a second later, the state of what lasts is put right: it goes up the
    stack, to the entry, or where that knows of no answer, to one in its place.
    """
    yield load(R2, R9, kernel.status, 8)
    yield move(R3, R2)
    yield both(R3, _STATUS_MASK)
    yield load(R4, R9, kernel.state, 1)
    yield if_equal(R3, _ESTABLISHED_STATUS, name("assured"))
    yield if_equal(R5, SYN_ACK, name("answer"))
    yield if_unequal(R3, _ESTABLISHED_STATUS & ~_ASSURED, "release")
    yield if_more(R4, _ANSWERED, "release")
    yield if_unequal(R5, ACK, "release")
    yield load(R3, STACK, OPTIONS + _DIRECTION, 1)
    yield if_unequal(R3, _BY_SOURCE, "release")
    yield from _note_status(kernel, name, _ASSURED, seconds=kernel.established)
    yield Label(name("answer"))
    yield both(R3, ~_SEEN_REPLY)
    yield if_unequal(R3, _CONFIRMED, "release")
    yield if_unequal(R4, _BEGUN, "release")
    yield load(R3, STACK, OPTIONS + _DIRECTION, 1)
    yield if_equal(R3, _BY_SOURCE, "release")
    yield from _note_status(kernel, name, _SEEN_REPLY, seconds=_ANSWERED_SECONDS)
    yield Label(name("assured"))
    yield if_equal(R4, _ESTABLISHED, name("established"))
    yield if_more(R4, _ANSWERED, "release")
    yield if_equal(R5, SYN_ACK, "release")
    yield load(R3, R9, kernel.mark, 4)
    yield both(R3, _ENDED)
    yield if_unequal(R3, 0, name("established"))
    yield load(R3, STACK, OPTIONS + _DIRECTION, 1)
    yield if_unequal(R3, _BY_SOURCE, name("established"))
    yield move(R3, (kernel.established - _YOUNG_SECONDS) * kernel.hertz)
    yield if_more_signed32(R1, R3, name("established"))
    yield if_equal(R4, _ANSWERED, "release")
    yield if_equal(R5, ACK, name("replace"))


def _note_status(
    kernel: Kernel, name: Callable[[str], str], bit: int, *, seconds: int
) -> Iterator[Instruction | Label]:
    """R2: the entry's status, which gets this bit; without a packet the entry lives so long from now on."""
    yield either(R2, bit)
    yield move(R1, R9)
    yield call_kernel(kernel.change_status, kernel.module)
    yield move(R2, seconds * 1000)
    yield goto(name("write"))


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
    yield load(R2, STACK, OPTIONS + _DIRECTION, 1)
    yield if_unequal(R2, _BY_SOURCE, name("answers"))
    yield either(R1, ENDED_BY_SOURCE)
    yield goto(name("noted"))
    yield Label(name("answers"))
    yield either(R1, ENDED_BY_DESTINATION)
    yield Label(name("noted"))
    yield store(R9, kernel.mark, R1, 4)


def seldom(family: Family, kernel: Kernel) -> Iterator[Instruction | Label]:
    """Where `established` leads now and then: an entry that lasts and knows of no answer gets one in its place."""
    yield from _narrower(family, kernel)
    yield from _replace(family, kernel)


def _narrower(family: Family, kernel: Kernel) -> Iterator[Instruction | Label]:
    """Up the stack, which may have to say that a packet is too big; its entry has to know of the answer there."""
    yield Label(f"narrower {family.version}")
    yield if_unequal(R5, NARROWER | ACK, "release")
    yield load(R3, R9, kernel.status, 8)
    yield both(R3, _STATUS_MASK)
    yield if_unequal(R3, _ESTABLISHED_STATUS, "release")
    yield load(R4, R9, kernel.state, 1)
    yield if_unequal(R4, _BEGUN, "release")
    yield load(R3, STACK, OPTIONS + _DIRECTION, 1)
    yield if_unequal(R3, _BY_SOURCE, "release")


def _replace(family: Family, kernel: Kernel) -> Iterator[Instruction | Label]:
    """Up the stack with an entry without a state, of which an ACK makes an established one.

    The former one is looked for once more: that is how the kernel takes away what has expired. Where the other end's
    packet comes at this very moment, it is lost and sent again. Without room for an entry the former one goes on.
    """
    name = f"{{}} {family.version}".format
    yield Label(name("replace"))
    yield load(R1, R9, kernel.mark, 4)
    yield store(STACK, MARK, R1, 4)
    yield from _of_the_connection(family, kernel.allocate, kernel)
    yield if_unequal(R0, 0, name("allocated"))
    yield load(R5, STACK, FLAGS, 4)
    yield if_unequal(R5, ACK, "release")
    yield move(R1, 0)  # its time is written, and this is tried again when a second of that has passed
    yield goto(name("established"))
    yield Label(name("allocated"))
    yield move(R8, R0)  # R8: the new one
    yield load(R1, STACK, MARK, 4)
    yield store(R8, kernel.mark, R1, 4)
    yield move(R1, R8)
    yield move(R2, _SEEN_REPLY | _ASSURED)
    yield call_kernel(kernel.set_status, kernel.module)
    yield move(R1, R9)
    yield move(R2, 0)
    yield call_kernel(kernel.change_timeout, kernel.module)
    yield move(R1, R9)
    yield call_kernel(kernel.release, kernel.module)
    yield from _of_the_connection(family, kernel.lookup, kernel)
    yield if_equal(R0, 0, name("expired"))
    yield move(R1, R0)
    yield call_kernel(kernel.release, kernel.module)
    yield Label(name("expired"))
    yield move(R1, R8)
    yield call_kernel(kernel.insert, kernel.module)
    yield if_equal(R0, 0, "go on")
    yield move(R9, R0)
    yield move(R1, R9)
    yield move(R2, kernel.established * 1000)
    yield call_kernel(kernel.change_timeout, kernel.module)
    yield goto("release")


def begun_anew(kernel: Kernel) -> Iterator[Instruction | Label]:
    """A connection begins where one has ended: that entry expires now, so that the chains judge this one as new."""
    yield Label("anew")
    yield load(R1, R9, kernel.mark, 4)
    yield both(R1, _ENDED)
    yield if_equal(R1, 0, "release")
    yield move(R1, R9)
    yield move(R2, 0)
    yield call_kernel(kernel.change_timeout, kernel.module)


def _of_the_connection(family: Family, function: int, kernel: Kernel) -> Iterator[Instruction]:
    """A function that is given the packet, the connection and the options."""
    yield move(R1, R6)
    yield move(R2, STACK)
    yield add(R2, TUPLE)
    yield move(R3, 2 * family.address + 4)
    yield move(R4, STACK)
    yield add(R4, OPTIONS)
    yield move(R5, _OPTIONS_SIZE)
    yield call_kernel(function, kernel.module)
