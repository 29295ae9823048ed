"""What the program does with an entry, as instructions. What comes of it is shown with real packets in
tests/netns/test_fast_path_on_kernel.py."""

from __future__ import annotations

import struct

import pytest

from tandem.drivers.bpf.assembler import Label, assemble, leave
from tandem.drivers.bpf.frame import FAMILIES, Family
from tandem.drivers.bpf.tracking import Kernel, begun_anew, established, seldom

FUNCTIONS = {
    "lookup": 101,
    "release": 102,
    "change_timeout": 103,
    "change_status": 104,
    "allocate": 105,
    "set_status": 106,
    "insert": 107,
}
KERNEL = Kernel(**FUNCTIONS, module=0, status=128, timeout=8, state=224, mark=168, hertz=250, established=432_000)
END = (Label("release"), Label("go on"), leave())


def called(code: bytes) -> list[int]:
    """Numbers of the kernel's functions, in order."""
    steps = [code[at : at + 8] for at in range(0, len(code), 8)]
    return [struct.unpack("=i", step[4:])[0] for step in steps if step[:2] == b"\x85\x20"]


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: f"IPv{family.version}")
def test_every_function_of_the_facts_is_called_and_no_other(family: Family) -> None:
    code = assemble([*established(family, KERNEL), *seldom(family, KERNEL), *begun_anew(KERNEL), *END])
    assert set(called(code)) == set(FUNCTIONS.values())


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: f"IPv{family.version}")
def test_an_entry_gives_way_before_another_takes_its_place(family: Family) -> None:
    aside = called(assemble([*seldom(family, KERNEL), Label(f"established {family.version}"), *END]))
    names = {number: name for name, number in FUNCTIONS.items()}
    assert [names[number] for number in aside] == [
        "allocate",
        "set_status",
        "change_timeout",
        "release",
        "lookup",
        "release",
        "insert",
        "change_timeout",
    ]
