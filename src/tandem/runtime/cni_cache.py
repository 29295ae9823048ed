"""What runtimes that use libcni remember of their containers: `/var/lib/cni/results/NETWORK-CONTAINER-INTERFACE`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

from tandem.ipam.journal import Key

RESULTS: Final = Path("/var/lib/cni/results")


def sandbox_of(key: Key, results: Path = RESULTS) -> str:
    """The path of a container's network namespace; empty if no file of the cache says so."""
    container, ifname = key
    if not container or not ifname:
        return ""
    try:
        files = [f for f in results.iterdir() if f.name.endswith(f"-{container}-{ifname}")]
    except OSError:
        return ""
    found = (path for file in files if (path := _sandbox(file, ifname)))
    return next(found, "")


def _sandbox(file: Path, ifname: str) -> str:
    try:
        interfaces: list[dict[str, Any]] = json.loads(file.read_text())["result"]["interfaces"]
        return next((str(i["sandbox"]) for i in interfaces if i.get("name") == ifname and i.get("sandbox")), "")
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return ""
