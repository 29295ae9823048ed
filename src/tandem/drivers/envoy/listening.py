"""Which TCP ports listen inside a network namespace: the kernel's own word on whether Envoy's listeners are there.

In: the path of a namespace. Out: port numbers. Envoy acknowledges a listener before it has its certificate and routes,
and listens only afterwards.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from tandem.base.netns import in_netns
from tandem.base.problems import DriverError

_LISTEN: Final = "0A"


def listening(netns: str) -> frozenset[int]:
    """Ports of IPv4 sockets in the state LISTEN in that namespace; raises DriverError if it cannot be entered."""
    try:
        return in_netns(netns, _ports)
    except OSError as err:
        raise DriverError(f"network namespace {netns}: {err.strerror}") from err


def _ports() -> frozenset[int]:
    rows = [line.split() for line in Path("/proc/thread-self/net/tcp").read_text(encoding="ascii").splitlines()[1:]]
    return frozenset(int(row[1].rpartition(":")[2], 16) for row in rows if row[3] == _LISTEN)
