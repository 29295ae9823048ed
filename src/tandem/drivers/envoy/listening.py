"""Which TCP ports listen inside a network namespace: the kernel's own word on whether Envoy's listeners are there.

In: the path of a namespace. Out: families and port numbers. Envoy acknowledges a listener before it has
its certificate and routes, and listens only afterwards.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from tandem.base.netns import in_netns
from tandem.base.problems import DriverError

_LISTEN: Final = "0A"
_TABLES: Final = {4: Path("/proc/thread-self/net/tcp"), 6: Path("/proc/thread-self/net/tcp6")}


def listening(netns: str) -> frozenset[tuple[int, int]]:
    """Family (4 or 6) and port of sockets that LISTEN in that namespace; DriverError if it cannot be entered."""
    try:
        return in_netns(netns, _ports)
    except OSError as err:
        raise DriverError(f"network namespace {netns}: {err.strerror}") from err


def _ports() -> frozenset[tuple[int, int]]:
    found: set[tuple[int, int]] = set()
    for version, path in _TABLES.items():
        lines = path.read_text(encoding="ascii").splitlines()[1:] if path.exists() else []
        found.update(
            (version, int(row[1].rpartition(":")[2], 16)) for row in map(str.split, lines) if row[3] == _LISTEN
        )
    return frozenset(found)
