"""Records of names that begin with `*.` -> a response policy zone, which is how Unbound answers for all below. Pure.

A zone of its own (draft-vixie-dnsop-dns-rpz, section 4.1.1): the longest wildcard decides, names with a record of their
own are not touched, nor is the name that the wildcard is below. Unbound loads it from a file as the user that it runs
as, who may not look into the agent's directories, so the file lies beside them. Its serial says what is in it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from tandem.base.digest import digest
from tandem.base.paths import NodeDir
from tandem.state.dns import TTL, Record

ZONE: Final = "wildcards.tandem"
TAG: Final = "pods"
"""Of the clients that the zone is for: the node asks what others say."""
MODE: Final = 0o644
_DIRECTORY: Final = Path("/run")
_SERIAL: Final = re.compile(rf"^{re.escape(ZONE)}\.\s+serial (\d+)", re.MULTILINE)


def is_wildcard(record: Record) -> bool:
    """Whether it is about all names below one."""
    return record.name.startswith("*.")


def file_of(node: NodeDir) -> Path:
    """Where the zone of a node lies."""
    return _DIRECTORY / f"tandem-wildcards-{digest(str(node.root), 12)}"


def forget(node: NodeDir) -> None:
    """Leave nothing of it."""
    file_of(node).unlink(missing_ok=True)


def zone_text(records: Iterable[Record], domain: str) -> str:
    """The zone's file. Names of the cluster (`domain`, with its dot) are left alone, whatever covers them."""
    lines = [f"{record.name[:-1]} {TTL} {record.kind} {record.data}" for record in sorted(records)]
    own = [f"{name} {TTL} CNAME rpz-passthru." for name in (domain[:-1], f"*.{domain[:-1]}")] if domain else []
    body = "".join(f"{line}\n" for line in (*own, *lines))
    return f"$ORIGIN {ZONE}.\n@ {TTL} SOA ns.{ZONE}. hostmaster.{ZONE}. {_serial(body)} 7200 1800 86400 {TTL}\n{body}"


def held(zones: str, text: str) -> frozenset[Record] | None:
    """What a server answers that lists these zones and has loaded, or has still to load, this file.

    None: it has loaded something else.
    """
    head, _, body = text.partition(f" {TTL}\n")
    loaded = _SERIAL.search(zones)
    if not head.startswith("$ORIGIN") or loaded is None or int(loaded[1]) != _serial(body):
        return None
    words = (line.split() for line in body.splitlines())
    return frozenset(Record(f"{name}.", kind, data) for name, _, kind, data in words if kind != "CNAME")


def _serial(body: str) -> int:
    return int(digest(body, 8), 16)
