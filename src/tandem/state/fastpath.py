"""Which pods of a node may exchange packets by the fast path: what its driver compares and applies."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class FastEnd:
    """One address of a pod, and the host end of its link."""

    address: str
    host_ifname: str
    mac: str
    """Of the pod's end."""


FastPath = frozenset[FastEnd]
"""Empty: nothing goes the fast path, and nothing of it is in the kernel."""
