"""Instructions as bytes: RFC 9669, section 3, and what the kernel's own headers say of maps and calls."""

from __future__ import annotations

import pytest

from tandem.drivers.bpf.assembler import (
    R0,
    R1,
    R2,
    STACK,
    Label,
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
    if_more_signed32,
    if_unequal,
    leave,
    load,
    load_map,
    move,
    store,
    subtract32,
)


def test_each_instruction_is_as_the_standard_has_it() -> None:
    expected = {
        move(R1, 5): "b7 01 0000 05000000",
        move(R2, R1): "bf 12 0000 00000000",
        add(R1, -1): "07 01 0000 ffffffff",
        add(R1, R2): "0f 21 0000 00000000",
        subtract32(R1, R0): "1c 01 0000 00000000",
        both(R1, 0xFF): "57 01 0000 ff000000",
        either(R1, 0x04): "47 01 0000 04000000",
        load(R1, R2, 4, 1): "71 21 0400 00000000",
        load(R1, R2, 4, 2): "69 21 0400 00000000",
        load(R1, R2, 4, 4): "61 21 0400 00000000",
        load(R1, R2, 4, 8): "79 21 0400 00000000",
        store(STACK, -8, R1, 4): "63 1a f8ff 00000000",
        store(STACK, -8, 6, 4): "62 0a f8ff 06000000",
        call(1): "85 00 0000 01000000",
        call_kernel(77, 1): "85 20 0100 4d000000",
        load_map(R1, 9): "18 11 0000 09000000 00 00 0000 00000000",
        leave(): "95 00 0000 00000000",
    }
    for instruction, words in expected.items():
        assert assemble([instruction]).hex() == words.replace(" ", "")


def test_jumps_lead_to_their_labels_over_wide_instructions_and_back() -> None:
    code = assemble([Label("top"), if_equal(R1, 0, "end"), load_map(R1, 3), goto("top"), Label("end"), leave()])
    assert code.hex(" ", 8).split()[0] == "1501030000000000"
    assert code.hex(" ", 8).split()[3] == "0500fcff00000000"


def test_conditions_differ_in_their_code_alone() -> None:
    conditions = (if_equal, if_unequal, if_more, if_less, if_more_signed32)
    codes = [assemble([c(R1, 7, "here"), Label("here")]).hex() for c in conditions]
    assert codes == [f"{code}01000007000000" for code in ("15", "55", "25", "a5", "66")]
    by_register = [assemble([c(R1, R2, "here"), Label("here")]).hex() for c in conditions]
    assert by_register == [f"{code}21000000000000" for code in ("1d", "5d", "2d", "ad", "6e")]


def test_a_label_that_is_nowhere_is_an_error() -> None:
    with pytest.raises(KeyError, match="away"):
        assemble([goto("away")])


def test_a_label_of_two_places_is_an_error() -> None:
    with pytest.raises(ValueError, match="'here'"):
        assemble([Label("here"), leave(), Label("here")])
