"""The program as such: the kernel's verifier takes it, whatever the facts. What it does is shown with real packets in
tests/netns/test_fast_path_on_kernel.py."""

from __future__ import annotations

import os
from dataclasses import replace

import pytest

from tandem.drivers.bpf import calls, kernel
from tandem.drivers.bpf.program import END, LICENCE, Maps, compile_program

pytestmark = pytest.mark.root
MOST = 480
"""Instructions: it stays a thing that one can read."""


def test_the_verifier_takes_it_and_it_stays_small() -> None:
    facts, modules = kernel.read_kernel()
    maps = Maps(
        ends={v: calls.make_map(calls.HASH, b"t", key=k, value=END.size, entries=1) for v, k in ((4, 4), (6, 16))},
        count=calls.make_map(calls.PER_CPU_ARRAY, b"t", key=4, value=8, entries=1),
    )
    handles = [*maps.ends.values(), maps.count]
    try:
        code = compile_program(facts, maps)
        assert len(code) // 8 <= MOST
        handles.append(calls.load_program(code, b"t", LICENCE, modules))
        slower = compile_program(replace(facts, hertz=1000), maps)
        handles.append(calls.load_program(slower, b"t", LICENCE, modules))
        with pytest.raises(OSError, match=r"GPL|gpl"):
            calls.load_program(code, b"t", b"Apache-2.0", modules)
    finally:
        kernel.close(modules)
        for handle in handles:
            os.close(handle)


def test_functions_of_a_module_are_called_through_its_place_in_the_list() -> None:
    facts, modules = kernel.read_kernel()
    kernel.close(modules)
    code = compile_program(replace(facts, module=1), Maps(ends={4: 11, 6: 12}, count=13))
    calls_of_kernel = [code[i : i + 8] for i in range(0, len(code), 8) if code[i : i + 2] == b"\x85\x20"]
    assert len(calls_of_kernel) == 28
    assert {step[2:4] for step in calls_of_kernel} == {b"\x01\x00"}
