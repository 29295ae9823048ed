"""What an Envoy and its successor find each other by: the base id, sockets and shared memory of hot restart.

The successor takes over the listening sockets of the one before through unix sockets, and both map one piece of shared
memory. Envoy finds the sockets by `--socket-path` and the memory by `--base-id`, which is machine-wide: here it follows
from where the node's directory lies, so that nodes of one machine do not meet and what a crash left can be found.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from tandem.base.digest import digest
from tandem.base.paths import NodeDir

MEMORY: Final = Path("/dev/shm")  # noqa: S108 - where shm_open of POSIX keeps it
_BASE_IDS: Final = 2**32 // 10
"""Envoy multiplies a base id by ten, within 32 bits."""


def arguments(paths: NodeDir, generation: int, linger: int) -> list[str]:
    """Command line of the Envoy that is the `generation`th to take over on this node; 0: the first, from nobody.

    `linger`: seconds that the one before may finish connections in, which are not handed over; then they end.
    """
    return [
        "--base-id",
        str(_base_id(paths)),
        "--restart-epoch",
        str(generation),
        "--socket-path",
        str(_sockets(paths)),
        "--parent-shutdown-time-s",
        str(linger),
        # Figures are counters that may begin anew; copying them costs the one before time again and again.
        "--skip-hot-restart-parent-stats",
    ]


def possible() -> bool:
    """False on a machine without shared memory: there an Envoy is ended before the next begins."""
    return os.access(MEMORY, os.W_OK | os.X_OK)


def forget(paths: NodeDir) -> None:
    """Remove what is left when the last Envoy of a node has ended, in any way."""
    (MEMORY / f"envoy_shared_memory_{_base_id(paths) * 10}").unlink(missing_ok=True)
    for socket in paths.root.glob(f"{_sockets(paths).name}_*"):
        socket.unlink(missing_ok=True)


def _sockets(paths: NodeDir) -> Path:
    return paths.root / "hot"


def _base_id(paths: NodeDir) -> int:
    # The same path may be on another disk in another mount namespace, but they share the memory. The directory itself
    # may be lost: it lay on the disk of the nearest that is left.
    there = next(path for path in (paths.root, *paths.root.parents) if path.exists())
    return int(digest(f"{paths.root}\0{there.stat().st_dev}", 12), 16) % _BASE_IDS
