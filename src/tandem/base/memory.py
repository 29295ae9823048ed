"""Memory that a C library has freed, given back to the machine: glibc keeps it for later use otherwise."""

from __future__ import annotations

import ctypes


def give_back() -> None:
    """After work that took much memory for a moment. Takes milliseconds; does nothing where libc has no such call."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
