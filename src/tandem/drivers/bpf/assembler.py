"""Instructions of eBPF (RFC 9669) as values, and a program of them as bytes. Pure.

`add(R1, 4)` reads `r1 += 4`; an operand is a register or a number. Jumps name the label they lead to.
"""

from __future__ import annotations

import struct
import sys
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final

_CODE: Final = struct.Struct("<BBhi" if sys.byteorder == "little" else ">BBhi")
_SIZES: Final = {4: 0x00, 2: 0x08, 1: 0x10, 8: 0x18}
_LOAD, _STORE_NUMBER, _STORE, _JUMP, _ALU, _JUMP32, _ALU64 = 0x61, 0x62, 0x63, 0x05, 0x04, 0x06, 0x07
_BY_REGISTER: Final = 0x08
_LOAD_MAP: Final = 0x18
_MAP, _KERNEL_FUNCTION = 1, 2
"""In the field of the source register: the number is a map's, a function's of the kernel."""


class Register(int):
    """r0 to r10."""


R0, R1, R2, R3, R4, R5, R6, R7, R8, R9, STACK = (Register(n) for n in range(11))
"""R0: what a call returns; R1 to R5: what it is given, lost by it; R6 to R9: kept; STACK: its end, read only."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Instruction:
    """One, of eight bytes; `wide`: followed by eight more of zeros."""

    code: int
    to: int = 0
    source: int = 0
    offset: int = 0
    number: int = 0
    label: str = ""
    wide: bool = False


@dataclass(frozen=True, slots=True)
class Label:
    """A place in a program."""

    name: str


Program = Iterable[Instruction | Label]


def assemble(program: Program) -> bytes:
    """The program with its jumps resolved; KeyError for a label that is nowhere, ValueError for one of two places."""
    places: dict[str, int] = {}
    found: list[Instruction] = []
    at = 0
    for part in program:
        if isinstance(part, Label):
            if part.name in places:
                raise ValueError(f"two places are called {part.name!r}")
            places[part.name] = at
        else:
            at += 1 + part.wide
            found.append(part)
    code, at = b"", 0
    for one in found:
        at += 1 + one.wide
        step = replace(one, offset=places[one.label] - at) if one.label else one
        # The two registers share a byte, in the order that the machine's own has.
        low, high = (step.to, step.source) if sys.byteorder == "little" else (step.source, step.to)
        code += _CODE.pack(step.code, low | high << 4, step.offset, step.number) + bytes(8 * step.wide)
    return code


def load(to: Register, source: Register, offset: int, size: int) -> Instruction:
    """`to = *(source + offset)`, of 1, 2, 4 or 8 bytes."""
    return Instruction(code=_LOAD | _SIZES[size], to=to, source=source, offset=offset)


def store(to: Register, offset: int, value: int, size: int) -> Instruction:
    """`*(to + offset) = value`."""
    if isinstance(value, Register):
        return Instruction(code=_STORE | _SIZES[size], to=to, source=value, offset=offset)
    return Instruction(code=_STORE_NUMBER | _SIZES[size], to=to, offset=offset, number=value)


def _operation(base: int, code: int, to: Register, value: int, label: str = "") -> Instruction:
    if isinstance(value, Register):
        return Instruction(code=base | code | _BY_REGISTER, to=to, source=value, label=label)
    return Instruction(code=base | code, to=to, number=value, label=label)


def move(to: Register, value: int) -> Instruction:
    """`to = value`."""
    return _operation(_ALU64, 0xB0, to, value)


def add(to: Register, value: int) -> Instruction:
    """`to += value`."""
    return _operation(_ALU64, 0x00, to, value)


def subtract32(to: Register, value: int) -> Instruction:
    """`to -= value`, of the lower 32 bits; the upper ones become 0."""
    return _operation(_ALU, 0x10, to, value)


def both(to: Register, value: int) -> Instruction:
    """`to &= value`."""
    return _operation(_ALU64, 0x50, to, value)


def either(to: Register, value: int) -> Instruction:
    """`to |= value`."""
    return _operation(_ALU64, 0x40, to, value)


def goto(label: str) -> Instruction:
    """Always."""
    return Instruction(code=_JUMP, label=label)


def if_equal(what: Register, value: int, label: str) -> Instruction:
    """Go to `label` if `what == value`."""
    return _operation(_JUMP, 0x10, what, value, label)


def if_unequal(what: Register, value: int, label: str) -> Instruction:
    """Go to `label` if `what != value`."""
    return _operation(_JUMP, 0x50, what, value, label)


def if_more(what: Register, value: int, label: str) -> Instruction:
    """Go to `label` if `what > value`, both without a sign."""
    return _operation(_JUMP, 0x20, what, value, label)


def if_less(what: Register, value: int, label: str) -> Instruction:
    """Go to `label` if `what < value`, both without a sign."""
    return _operation(_JUMP, 0xA0, what, value, label)


def if_more_signed32(what: Register, value: int, label: str) -> Instruction:
    """Go to `label` if `what > value`, of the lower 32 bits, with a sign."""
    return _operation(_JUMP32, 0x60, what, value, label)


def load_map(to: Register, handle: int) -> Instruction:
    """`to` = the map that this process has open as `handle`."""
    return Instruction(code=_LOAD_MAP, to=to, source=_MAP, number=handle, wide=True)


def call(helper: int) -> Instruction:
    """A helper, by its number of linux/bpf.h."""
    return Instruction(code=_JUMP | 0x80, number=helper)


def call_kernel(function: int, module: int) -> Instruction:
    """A function of the kernel by its number in BTF; `module`: where in the program's list of BTF, 0 the kernel's."""
    return Instruction(code=_JUMP | 0x80, source=_KERNEL_FUNCTION, number=function, offset=module)


def leave() -> Instruction:
    """Return R0."""
    return Instruction(code=_JUMP | 0x90)
