"""What the program must know of this kernel: from its descriptions of types, its settings and its clock.

DriverError says in a sentence what a kernel lacks.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Final

from tandem.base.problems import DriverError
from tandem.drivers.bpf import calls
from tandem.drivers.bpf.btf import FUNCTION, Btf, BtfError
from tandem.drivers.bpf.tracking import Kernel

TYPES: Final = Path("/sys/kernel/btf")
TRACKING: Final = "nf_conntrack"
"""The module of connection tracking, where it is none of the kernel's own parts."""
SILENCE: Final = Path("/proc/sys/net/netfilter/nf_conntrack_tcp_timeout_established")
_SILENCE_SECONDS: Final = 432_000
"""What a kernel has that is told nothing else."""
_LONGEST: Final = 2_000_000
"""So that its milliseconds are a number of the program."""
_COARSE_CLOCK: Final = 6
"""CLOCK_MONOTONIC_COARSE, which moves with each jiffy."""


def read_kernel() -> tuple[Kernel, tuple[int, ...]]:
    """The facts, and the open descriptions of modules that the program needs; settings of the calling thread's node."""
    try:
        types, modules = _types()
        return _kernel(types, module=len(modules)), modules
    except FileNotFoundError as error:
        raise DriverError("the kernel does not describe its types (CONFIG_DEBUG_INFO_BTF)") from error
    except BtfError as error:
        raise DriverError(f"connection tracking is closed to programs: {error} (Linux 6.1 or newer)") from error


def _types() -> tuple[Btf, tuple[int, ...]]:
    whole = Btf((TYPES / "vmlinux").read_bytes())
    part = TYPES / TRACKING
    if not part.exists():
        return whole, ()
    return Btf(part.read_bytes(), whole), (calls.open_types(TRACKING),)


def _kernel(types: Btf, *, module: int) -> Kernel:
    return Kernel(
        lookup=types.number("bpf_skb_ct_lookup", FUNCTION),
        release=types.number("bpf_ct_release", FUNCTION),
        change_timeout=types.number("bpf_ct_change_timeout", FUNCTION),
        change_status=types.number("bpf_ct_change_status", FUNCTION),
        allocate=types.number("bpf_skb_ct_alloc", FUNCTION),
        set_status=types.number("bpf_ct_set_status", FUNCTION),
        insert=types.number("bpf_ct_insert_entry", FUNCTION),
        module=module,
        status=types.offset("nf_conn.status"),
        timeout=types.offset("nf_conn.timeout"),
        state=types.offset("nf_conn.proto.tcp.state"),
        mark=types.offset("nf_conn.mark"),
        hertz=round(1 / time.clock_getres(_COARSE_CLOCK)),
        established=min(_silence(), _LONGEST),
    )


def _silence() -> int:
    return int(SILENCE.read_text(encoding="ascii")) if SILENCE.exists() else _SILENCE_SECONDS


def close(modules: tuple[int, ...]) -> None:
    """Descriptions that a loaded program needs no longer."""
    for handle in modules:
        os.close(handle)
