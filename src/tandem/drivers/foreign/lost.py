"""Namespaces of this machine that hold something of ours, found without any record: for a journal that was lost.

In: names below /run/netns and namespaces of processes. Out: a path for each that has a table or a routing rule of ours.
Nothing is changed here, and the calling process's own namespace is left out.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

from tandem.base.netns import in_netns
from tandem.base.problems import DriverError
from tandem.drivers.link import read
from tandem.drivers.link.netlink import Rtnl
from tandem.drivers.nft.real import listing
from tandem.state.nft import owns

OWN: Final = "/proc/self/ns/net"


def spaces_with_ours() -> list[str]:
    """Sorted paths."""
    found = []
    for path in _every_space():
        with suppress(DriverError, OSError):  # it ended meanwhile, or is none
            if _has_table(path) or in_netns(path, _has_rule):
                found.append(path)
    return sorted(found)


def _every_space() -> Iterator[str]:
    """One path for each namespace; a name that stays before one that goes with its process."""
    seen = {Path(OWN).stat().st_ino}
    named = Path("/run/netns")
    places = [*(named.iterdir() if named.is_dir() else ()), *Path("/proc").glob("[0-9]*/ns/net")]
    for place in places:
        with suppress(OSError):
            inode = place.stat().st_ino
            if inode not in seen:
                seen.add(inode)
                yield str(place)


def _has_table(path: str) -> bool:
    tables = (item["table"] for item in listing("list tables", path) if "table" in item)
    return any(owns(table["family"], table["name"]) for table in tables)


def _has_rule() -> bool:
    sock = Rtnl()
    try:
        return bool(read.marks(sock))
    finally:
        sock.close()
