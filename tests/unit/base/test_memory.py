"""Memory that is given back, and memory that the collector of cycles leaves alone."""

from __future__ import annotations

import ctypes
import gc
from pathlib import Path

from tandem.base.memory import give_back, spare_collector

BLOCK, BLOCKS = 64 << 10, 1000


def resident() -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmRSS")).split()[1]) << 10


def test_what_a_c_library_has_freed_leaves_the_process() -> None:
    libc = ctypes.CDLL(None)
    libc.malloc.restype = ctypes.c_void_p
    libc.free.argtypes = [ctypes.c_void_p]
    blocks = [libc.malloc(BLOCK) for _ in range(BLOCKS)]
    for block in blocks:
        ctypes.memset(block, 1, BLOCK)
    # The last block stays, so that the heap cannot shrink by itself.
    for block in blocks[:-1]:
        libc.free(block)
    before = resident()
    give_back()
    assert before - resident() > BLOCK * BLOCKS // 2
    libc.free(blocks[-1])


def test_what_there_was_is_not_looked_through_and_what_comes_is() -> None:
    kept = [[n] for n in range(1000)]
    try:
        spare_collector()
        later: list[object] = []
        looked = gc.get_objects()
        assert any(one is later for one in looked)
        assert not any(one is kept for one in looked)
    finally:
        gc.unfreeze()
