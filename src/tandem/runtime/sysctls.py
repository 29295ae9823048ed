"""Kernel settings as they were before the agent changed them, kept in the node's directory for `tandem down`."""

from __future__ import annotations

import json
from typing import Final

from tandem.base.paths import NodeDir

WANTED: Final = {"net.ipv4.ip_forward": "1"}
"""What a node needs."""
_FILE: Final = "sysctls.json"


def remember(node: NodeDir, before: dict[str, str]) -> None:
    """Keep the first values ever seen: a restarted agent sees its own."""
    path = node.root / _FILE
    if not path.exists():
        path.write_text(json.dumps(before), encoding="utf-8")


def remembered(node: NodeDir) -> dict[str, str]:
    """The values to restore; empty if none were changed."""
    path = node.root / _FILE
    before: dict[str, str] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    return before
