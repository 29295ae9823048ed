"""bpf(2) on the kernel of the machine: maps, programs, descriptions of types."""

from __future__ import annotations

import errno
import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tandem.drivers.bpf import calls
from tandem.drivers.bpf.assembler import R0, R1, assemble, leave, load, move

pytestmark = pytest.mark.root


@contextmanager
def opened(handle: int) -> Iterator[int]:
    try:
        yield handle
    finally:
        os.close(handle)


def test_elements_are_put_got_and_dropped() -> None:
    with opened(calls.make_map(calls.HASH, b"tandem_test", key=4, value=8, entries=2)) as handle:
        calls.put(handle, b"aaaa", b"12345678")
        calls.put(handle, b"aaaa", b"87654321")
        assert calls.get(handle, b"aaaa", 8) == b"87654321"
        calls.drop(handle, b"aaaa")
        calls.drop(handle, b"aaaa")
        with pytest.raises(OSError, match="No such file") as caught:
            calls.get(handle, b"aaaa", 8)
        assert caught.value.errno == errno.ENOENT


def test_a_full_map_refuses() -> None:
    with opened(calls.make_map(calls.HASH, b"tandem_test", key=4, value=4, entries=1)) as handle:
        calls.put(handle, b"aaaa", b"1111")
        with pytest.raises(OSError, match="too long") as caught:
            calls.put(handle, b"bbbb", b"1111")
        assert caught.value.errno == errno.E2BIG


def test_a_program_is_loaded_and_a_bad_one_refused_in_the_verifiers_words() -> None:
    with opened(calls.load_program(assemble([move(R0, 0), leave()]), b"tandem_test", b"GPL")) as handle:
        assert handle > 0
    with pytest.raises(OSError, match="invalid bpf_context access off=1000"):
        calls.load_program(assemble([load(R0, R1, 1000, 4), leave()]), b"tandem_test", b"GPL")


def test_the_kernels_types_are_open_by_their_name() -> None:
    with opened(calls.open_types("vmlinux")) as handle:
        assert "btf" in str(Path(f"/proc/self/fd/{handle}").readlink())
    with pytest.raises(OSError, match="No such file"):
        calls.open_types("none_such")


def test_a_map_per_processor_has_a_value_for_each() -> None:
    processors = os.sysconf("SC_NPROCESSORS_CONF")
    with opened(calls.make_map(calls.PER_CPU_ARRAY, b"tandem_test", key=4, value=8, entries=1)) as handle:
        values = calls.get(handle, struct.pack("=I", 0), 8 * processors)
        assert values == bytes(8 * processors)
