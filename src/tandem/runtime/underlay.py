"""Several nodes on one machine: a network namespace per node on one bridge, for `tandem up --nodes N`.

In: node names. Out: namespaces `/run/netns/tandem-node-*` that reach each other and the outside, and what to remove.
With one node nothing is made: the node is the machine itself, as on a real cluster.
"""

from __future__ import annotations

import socket
import subprocess
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Final

import structlog

from tandem.base.problems import DriverError
from tandem.drivers.firewall.chains import changes
from tandem.drivers.firewall.real import Iptables
from tandem.state.firewall import Accept
from tandem.state.ownership import LINK_ALIAS, NETNS_PREFIX
from tandem.workloads import netns

log = structlog.get_logger()

NETWORK: Final = IPv4Network("198.18.116.0/24")
"""From the range for tests between networks (RFC 2544), so that no network in use is hidden."""
NETWORK6: Final = IPv6Network("fd74:616e:6465:6d00::/64")
"""A unique local prefix (RFC 4193) of our own; made where pods have IPv6."""
GATEWAY: Final = str(next(NETWORK.hosts()))
"""This machine's own address on the underlay: the nodes' way out, and to the API server."""
BRIDGE: Final = "tandem-ul"
_LINK: Final = "tdul"
_TABLE: Final = "tandem-underlay"
_BY_BRIDGE: Final = (
    Accept(matches=("-i", BRIDGE), why="what nodes of this machine send"),
    Accept(matches=("-o", BRIDGE), why="what is for nodes of this machine"),
)
_FIRST: Final = 11
"""The number of the first node in both networks."""
_NETNS: Final = Path("/run/netns")
_FORWARD: Final = {
    4: (Path("/proc/sys/net/ipv4/ip_forward"), "ip_forward"),
    6: (Path("/proc/sys/net/ipv6/conf/all/forwarding"), "ip6_forward"),
}
"""By family: the setting, and the file of the run directory that keeps what it was."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeSeat:
    """Where a node lives: its network namespace (empty: this one) and its addresses on the underlay."""

    name: str
    netns: str
    addresses: tuple[str, ...] = ()
    """One of each family of the pods, by preference; empty: those that it finds itself."""


def seats(names: tuple[str, ...], families: tuple[int, ...] = (4,)) -> tuple[NodeSeat, ...]:
    """The seats of several nodes, in order: namespace path and underlay addresses."""
    return tuple(
        NodeSeat(
            name=name,
            netns=str(_NETNS / f"{NETNS_PREFIX}{name}"),
            addresses=tuple(_address(version, number) for version in families),
        )
        for number, name in enumerate(names, _FIRST)
    )


def _address(version: int, number: int) -> str:
    return str(NETWORK[number] if version == 4 else NETWORK6[number])


def exists() -> bool:
    """True while nodes live in namespaces of their own."""
    return bool(_spaces())


def left() -> tuple[str, ...]:
    """Names of the nodes whose namespaces are there, whatever files are."""
    return tuple(p.name.removeprefix(NETNS_PREFIX) for p in _spaces())


def build(nodes: tuple[NodeSeat, ...], run_dir: Path) -> None:
    """Make bridge, namespaces and links, and masquerade the nodes' traffic to the outside; raises DriverError.

    IPv4 is there always, because it leads to the API; IPv6 where the nodes have it. The machine must forward for its
    nodes; the settings as they were are kept in `run_dir`.
    """
    versions = (4, 6) if any(":" in address for node in nodes for address in node.addresses) else (4,)
    for version in versions:
        setting, file = _FORWARD[version]
        (run_dir / file).write_text(setting.read_text(encoding="ascii"), encoding="ascii")
        setting.write_text("1", encoding="ascii")
    _ip(
        f"link add {BRIDGE} type bridge",
        f"link set {BRIDGE} alias {LINK_ALIAS}underlay",
        *(_give(version, 1, BRIDGE) for version in versions),
        f"link set {BRIDGE} up",
    )
    for number, node in enumerate(nodes):
        link = f"{_LINK}{number}"
        namespace = Path(node.netns).name
        _make(Path(node.netns))
        _ip(
            f"link add {link} type veth peer name eth0 netns {namespace}",
            f"link set {link} alias {LINK_ALIAS}underlay master {BRIDGE} up",
        )
        _ip(
            "link set lo up",
            *(_give(version, _FIRST + number, "eth0") for version in versions),
            "link set eth0 up",
            *(f"route add default via {_address(version, 1)}" for version in versions),
            namespace=namespace,
        )
    rules = (
        f"table inet {_TABLE} {{ chain out {{ type nat hook postrouting priority srcnat;"
        f' ip saddr {NETWORK} oifname != "{BRIDGE}" masquerade\n'
        f' ip6 saddr {NETWORK6} oifname != "{BRIDGE}" masquerade\n }}\n }}\n'
    )
    _run(["nft", "-f", "-"], stdin=rules)
    for line in _open(_BY_BRIDGE):
        log.info("underlay", opened=line)


def _open(wanted: tuple[Accept, ...]) -> list[str]:
    """Let nodes through a chain FORWARD of others, as each node does for its pods; which were changed."""
    firewall, changed = Iptables(), []
    for table in firewall.read().tables:
        if text := changes(table, wanted):
            firewall.change(table, text)
            changed.append(table.shown)
    return changed


def _give(version: int, number: int, dev: str) -> str:
    """Without duplicate address detection: the address is usable at once."""
    if version == 4:
        return f"address add {_address(version, number)}/{NETWORK.prefixlen} dev {dev}"
    return f"address add {_address(version, number)}/{NETWORK6.prefixlen} dev {dev} nodad"


def remove(run_dir: Path) -> list[str]:
    """Take everything of the underlay away, whatever is left of it; returns what was removed."""
    removed = []
    for setting, file in _FORWARD.values():
        if (before := run_dir / file).exists():
            setting.write_text(before.read_text(encoding="ascii"), encoding="ascii")
    if _quiet(["nft", "delete", "table", "inet", _TABLE]):
        removed.append(f"table inet {_TABLE}")
    # A namespace takes its links with it, but some time after it was deleted: they are removed before.
    removed += [f"link {link}" for link in (BRIDGE, *_links()) if _quiet(["ip", "link", "delete", link])]
    try:
        removed += [f"rules of {chain}" for chain in _open(())]
    except DriverError as err:
        removed.append(f"left: rules in chains of others: {err}")
    return removed + [f"namespace {p.name}" for p in _spaces() if netns.remove(p)]


def _make(path: Path) -> None:
    """Not by `ip netns add`, which mounts /run/netns over itself and leaves it so. The thread ends in the new one."""
    with ThreadPoolExecutor(1) as thread:
        try:
            thread.submit(netns.create, path).result()
        except OSError as error:
            raise DriverError(f"network namespace {path}: {error.strerror}") from error


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
