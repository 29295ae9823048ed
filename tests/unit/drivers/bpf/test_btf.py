"""Numbers and offsets from descriptions of types: made by hand, and the kernel's own."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from tandem.drivers.bpf.btf import CONST, FUNCTION, STRUCT, TYPEDEF, UNION, Btf, BtfError
from unit.drivers.bpf.btfs import Made

INT, ARRAY, ENUM, FUNC_PROTO = 1, 3, 6, 13


def kernel() -> Made:
    """A struct `outer` with a nameless union, whose `state` lies 8 bytes into it, after types of each length."""
    made = Made()
    number = made.add(INT, "u32", 32)
    made.add(ARRAY, "", number, number, 4)
    made.add(ENUM, "answers", made.text("yes"), 1, made.text("no"), 0, members=2)
    proto = made.add(FUNC_PROTO, "", made.text("what"), number, members=1)
    inner = made.add_struct("inner", ("flags", number, 0), ("state", number, 32))
    known_as = made.add(TYPEDEF, "inner_t", size=inner)
    constant = made.add(CONST, "", size=known_as)
    union = made.add_struct("", ("tcp", constant, 0), ("raw", number, 0), kind=UNION)
    made.add_struct("outer", ("first", number, 0), ("", union, 32), ("last", number, 96))
    made.add(FUNCTION, "look_up", size=proto)
    return made


def test_a_function_and_a_struct_of_one_name_are_told_apart() -> None:
    made = kernel()
    made.add_struct("look_up")
    found = Btf(made.data())
    assert found.number("look_up", FUNCTION) + 1 == found.number("look_up", STRUCT)


def test_offsets_go_through_names_and_nameless_members() -> None:
    found = Btf(kernel().data())
    assert found.offset("outer.first") == 0
    assert found.offset("outer.tcp.state") == 8
    assert found.offset("outer.raw") == 4
    assert found.offset("outer.last") == 12


def test_with_bit_fields_the_width_is_no_part_of_an_offset() -> None:
    made = Made()
    number = made.add(INT, "u32", 32)
    made.add_struct("packed", ("few", number, 3 << 24 | 5), ("whole", number, 64), flag=1)
    assert Btf(made.data()).offset("packed.whole") == 8


def test_a_module_continues_the_kernel() -> None:
    base = kernel()
    base.text("look_up")
    made = Made(base.extent)
    made.add(FUNCTION, "only_here")  # the first string of all
    made.types += struct.pack("=III", base.text("look_up"), STRUCT << 24, 0)  # named by a string of the kernel's
    outer = Btf(base.data()).number("outer", STRUCT)
    made.add_struct("wrapper", ("pad", 1, 0), ("within", outer, 64))
    found = Btf(made.data(), Btf(base.data()))
    assert found.number("only_here", FUNCTION) == base.extent[0] + 1
    assert found.offset("wrapper.within.tcp.state") == 16
    assert found.offset("outer.tcp.state") == 8
    assert found.number("look_up", STRUCT) == base.extent[0] + 2
    with pytest.raises(BtfError, match="no look_up"):
        found.number("look_up", FUNCTION)  # a call names the description that has the function


def test_what_is_not_there_is_named() -> None:
    found = Btf(kernel().data())
    for path, said in (("none.at", "no none"), ("outer.none", "outer.none: no none"), ("outer.first.x", "no x")):
        with pytest.raises(BtfError, match=said):
            found.offset(path)
    with pytest.raises(BtfError, match="not a description"):
        Btf(b"\0" * 40)


def test_this_kernel_is_read_whole() -> None:
    found = Btf(Path("/sys/kernel/btf/vmlinux").read_bytes())
    assert found.offset("list_head.next") == 0
    assert found.offset("list_head.prev") in {4, 8}
    assert found.number("schedule", FUNCTION) > 0
