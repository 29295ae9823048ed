"""A picture of the kernel and file-system state that Tandem could change, to compare before and after.

In: the machine. Out: sorted lines by topic; `difference` tells what one picture has and another has not.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from tandem.base import processes
from tandem.drivers.envoy import handover
from tandem.drivers.firewall.chains import lines
from tandem.drivers.firewall.real import Iptables
from tandem.runtime.supervisor import is_ours

Picture = Mapping[str, tuple[str, ...]]

SYSCTLS: Final = (
    "net/ipv4/ip_forward",
    "net/netfilter/nf_conntrack_tcp_be_liberal",
    "net/netfilter/nf_conntrack_max",
    "net/netfilter/nf_conntrack_buckets",
    *(f"net/ipv{v}/conf/{scope}/*" for v in (4, 6) for scope in ("all", "default", "lo")),
)
PLACES: Final = ("/opt/cni", "/etc/cni")
"""Where plugins are installed: the directories, and in them what has our name."""
_COMMANDS: Final = {
    "links": ["ip", "-json", "link"],
    "addresses": ["ip", "-json", "address"],
    "routes": ["ip", "-json", "route", "show", "table", "all"],
    "rules": ["ip", "-json", "rule"],
    "rules of IPv6": ["ip", "-6", "-json", "rule"],
    "neighbours": ["ip", "-json", "neighbour", "show", "nud", "permanent"],
    "neighbours of IPv6": ["ip", "-6", "-json", "neighbour", "show", "nud", "permanent"],
    "forwarding entries": ["bridge", "-json", "fdb", "show"],
    "queues": ["tc", "-json", "qdisc", "show"],
}


def picture(run_dir: Path) -> Picture:
    """Everything of `_COMMANDS`, namespaces, tables, settings, mounts, processes and files, as of now."""
    state: dict[str, tuple[str, ...]] = {topic: _entries(topic, argv) for topic, argv in _COMMANDS.items()}
    netns = Path("/run/netns")
    state["namespaces"] = tuple(sorted(p.name for p in netns.iterdir())) if netns.is_dir() else ()
    state["tables"] = tuple(sorted(_output(["nft", "list", "tables"]).splitlines()))
    state["chains of others"] = tuple(lines(Iptables().read().tables))
    state["sysctls"] = tuple(sorted(_settings()))
    state["mounts"] = tuple(sorted({m.split()[4] for m in Path("/proc/self/mountinfo").read_text().splitlines()}))
    state["processes"] = _processes(run_dir)
    installed = (p for place in PLACES for p in Path(place).rglob("*") if p.is_dir() or "tandem" in p.name)
    state["files"] = tuple(sorted(map(str, (*run_dir.rglob("*"), *installed))))
    state["memory"] = tuple(sorted(path.name for path in handover.MEMORY.glob("envoy_*")))
    return state


def difference(before: Picture, after: Picture) -> list[str]:
    """One line for each thing that is there after and was not before (`+`), or the other way round (`-`)."""
    lines = []
    for topic in sorted({*before, *after}):
        old, new = set(before.get(topic, ())), set(after.get(topic, ()))
        lines += [f"+ {topic}: {entry}" for entry in sorted(new - old)]
        lines += [f"- {topic}: {entry}" for entry in sorted(old - new)]
    return lines


def _settings() -> Iterator[str]:
    root = Path("/proc/sys")
    for path in (found for pattern in SYSCTLS for found in root.glob(pattern)):
        with suppress(OSError):  # some can only be written
            yield f"{path.relative_to(root)}={path.read_text().strip()}"


def _entries(topic: str, argv: list[str]) -> tuple[str, ...]:
    decoded: list[dict[str, Any]] = json.loads(_output(argv) or "[]")
    if topic == "links":
        return tuple(sorted(f"{e['ifname']} {e.get('operstate')} mtu {e.get('mtu')}" for e in decoded if e))
    if topic == "addresses":
        return tuple(
            sorted(f"{e['ifname']} {a['local']}/{a['prefixlen']}" for e in decoded if e for a in e["addr_info"] if a)
        )
    keep = (
        "dst",
        "gateway",
        "dev",
        "table",
        "priority",
        "src",
        "fwmark",
        "lladdr",
        "scope",
        "type",
        "mac",
        "ifname",
        "kind",
    )
    return tuple(sorted(" ".join(f"{k} {e[k]}" for k in keep if k in e) for e in decoded if e))


def _processes(run_dir: Path) -> tuple[str, ...]:
    """Those that belong to this run directory; another one on the same machine is not our business."""
    found: list[str] = []

    def ours(argv: list[str]) -> bool:
        if is_ours(argv, run_dir) or any(f"{run_dir}/nodes/" in argument for argument in argv):
            found.append(" ".join(argv))
        return False

    list(processes.find(ours))
    return tuple(sorted(found))


def _output(argv: list[str]) -> str:
    return subprocess.run(argv, capture_output=True, text=True, check=True).stdout
