"""Whether anybody but us still has a container's network namespace: a path of the runtime's, or a process in it.

Our own pin keeps a namespace alive for ever, so that its being there says nothing.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Final

PROC: Final = Path("/proc")
Identity = tuple[int, int]
"""Device and inode of a namespace."""


def abandoned(namespaces: Iterable[tuple[str, str, str]]) -> frozenset[str]:
    """Of (container, the runtime's path, our pin) those containers whose namespace nobody has any more.

    Without a pin there is only the path to go by. Processes are looked at only if a path leads nowhere.
    """
    lost: dict[str, Identity | None] = {}
    kept: set[str] = set()
    for container, path, pin in namespaces:
        own, theirs = _identity(Path(pin)) if pin else None, _identity(Path(path)) if path else None
        if theirs is not None and (own is None or theirs == own):
            kept.add(container)
        else:
            lost[container] = own
    if lost:
        inhabited = _inhabited()
        kept |= {container for container, own in lost.items() if own is not None and own in inhabited}
    return frozenset(lost) - kept


def _identity(path: Path) -> Identity | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _inhabited() -> frozenset[Identity]:
    """The network namespaces of all processes but this one, whose threads visit namespaces of pods."""
    mine = str(os.getpid())
    processes = (entry for entry in PROC.iterdir() if entry.name.isdigit() and entry.name != mine)
    found = (_identity(process / "ns" / "net") for process in processes)
    return frozenset(one for one in found if one is not None)
