"""Several nodes on one machine: a network namespace per node on one bridge, for `tandem up --nodes N`.

In: node names. Out: namespaces `/run/netns/tandem-node-*` that reach each other and the outside, and what to remove.
With one node nothing is made: the node is the machine itself, as on a real cluster.
"""

from __future__ import annotations

import socket
import subprocess
from dataclasses import dataclass
from ipaddress import IPv4Network
from pathlib import Path
from typing import Final

from tandem.base.problems import DriverError
from tandem.state.ownership import LINK_ALIAS, NETNS_PREFIX

NETWORK: Final = IPv4Network("198.18.116.0/24")
"""From the range for tests between networks (RFC 2544), so that no network in use is hidden."""
GATEWAY: Final = str(next(NETWORK.hosts()))
"""This machine's own address on the underlay: the nodes' way out, and to the API server."""
BRIDGE: Final = "tandem-ul"
_LINK: Final = "tdul"
_TABLE: Final = "tandem-underlay"
_NETNS: Final = Path("/run/netns")
_FORWARD: Final = Path("/proc/sys/net/ipv4/ip_forward")
_FORWARD_FILE: Final = "ip_forward"


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeSeat:
    """Where a node lives: its network namespace (empty: this one) and its address on the underlay."""

    name: str
    netns: str
    address: str


def seats(names: tuple[str, ...]) -> tuple[NodeSeat, ...]:
    """The seats of several nodes, in order: namespace path and underlay address."""
    hosts = list(NETWORK.hosts())
    return tuple(
        NodeSeat(name=name, netns=str(_NETNS / f"{NETNS_PREFIX}{name}"), address=str(hosts[10 + i]))
        for i, name in enumerate(names)
    )


def exists() -> bool:
    """True while nodes live in namespaces of their own."""
    return bool(_spaces())


def left() -> tuple[str, ...]:
    """Names of the nodes whose namespaces are there, whatever files are."""
    return tuple(p.name.removeprefix(NETNS_PREFIX) for p in _spaces())


def build(nodes: tuple[NodeSeat, ...], run_dir: Path) -> None:
    """Make bridge, namespaces and links, and masquerade the nodes' traffic to the outside; raises DriverError.

    The machine must forward for its nodes; the setting as it was is kept in `run_dir`.
    """
    (run_dir / _FORWARD_FILE).write_text(_FORWARD.read_text(encoding="ascii"), encoding="ascii")
    _FORWARD.write_text("1", encoding="ascii")
    _ip(
        f"link add {BRIDGE} type bridge",
        f"link set {BRIDGE} alias {LINK_ALIAS}underlay",
        f"address add {GATEWAY}/{NETWORK.prefixlen} dev {BRIDGE}",
        f"link set {BRIDGE} up",
    )
    for number, node in enumerate(nodes):
        link = f"{_LINK}{number}"
        namespace = Path(node.netns).name
        _run(["ip", "netns", "add", namespace])
        _ip(
            f"link add {link} type veth peer name eth0 netns {namespace}",
            f"link set {link} alias {LINK_ALIAS}underlay master {BRIDGE} up",
        )
        _ip(
            "link set lo up",
            f"address add {node.address}/{NETWORK.prefixlen} dev eth0",
            "link set eth0 up",
            f"route add default via {GATEWAY}",
            namespace=namespace,
        )
    rules = (
        f"table ip {_TABLE} {{ chain out {{ type nat hook postrouting priority srcnat;"
        f' ip saddr {NETWORK} oifname != "{BRIDGE}" masquerade\n }}\n }}\n'
    )
    _run(["nft", "-f", "-"], stdin=rules)


def remove(run_dir: Path) -> list[str]:
    """Take everything of the underlay away, whatever is left of it; returns what was removed."""
    removed = []
    before = run_dir / _FORWARD_FILE
    if before.exists():
        _FORWARD.write_text(before.read_text(encoding="ascii"), encoding="ascii")
    if _quiet(["nft", "delete", "table", "ip", _TABLE]):
        removed.append(f"table ip {_TABLE}")
    # A namespace takes its links with it, but some time after it was deleted: they are removed before.
    removed += [f"link {link}" for link in (BRIDGE, *_links()) if _quiet(["ip", "link", "delete", link])]
    return removed + [f"namespace {p.name}" for p in _spaces() if _quiet(["ip", "netns", "delete", p.name])]


def _spaces() -> list[Path]:
    return sorted(_NETNS.glob(f"{NETNS_PREFIX}node-*")) if _NETNS.is_dir() else []


def _links() -> list[str]:
    return sorted(name for _, name in socket.if_nameindex() if name.startswith(_LINK))


def _ip(*commands: str, namespace: str = "") -> None:
    enter = ["-n", namespace] if namespace else []
    _run(["ip", *enter, "-batch", "-"], stdin="".join(f"{c}\n" for c in commands))


def _run(argv: list[str], *, stdin: str = "") -> None:
    done = subprocess.run(argv, input=stdin, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise DriverError(f"{' '.join(argv)}: {done.stderr.strip()}")


def _quiet(argv: list[str]) -> bool:
    return subprocess.run(argv, capture_output=True, check=False).returncode == 0
