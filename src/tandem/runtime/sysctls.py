"""Kernel settings as they were before the agent changed them, kept in the node's directory for `tandem down`."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Final, Protocol

import structlog

from tandem.base.files import PUBLIC, replace_file
from tandem.base.paths import NodeDir
from tandem.base.problems import DriverError
from tandem.drivers.link.settings import AS_PATH, SYSCTL

log = structlog.get_logger()

WANTED: Final = {"net.ipv4.ip_forward": "1"}
"""What a node needs."""
WANTED_FOR_FAST_PATH: Final = {"net.netfilter.nf_conntrack_tcp_be_liberal": "1"}
"""Connection tracking does not see each packet of a connection on the fast path: it must not judge sequence numbers."""
_CONNECTIONS_PER_PROCESSOR, _CONNECTIONS_AT_LEAST = 32_768, 131_072
"""conntrack-max-per-core and conntrack-min of kube-proxy."""
FORWARD_IPV6: Final = "net.ipv6.conf.all.forwarding"
"""With IPv6 this alone counts, not what each link has."""
_ROUTES: Final = Path("/proc/thread-self/net/ipv6_route")
_BY_ADVERTISEMENT: Final = 0x00050000
"""RTF_DEFAULT and RTF_ADDRCONF (linux/ipv6_route.h): a default route that a router told of."""
_CHECKS: Final = Path("/proc/sys/net/ipv4/conf")
_OURS: Final = ("td", "tandem")
"""How names of links of ours begin."""
_FILE: Final = "sysctls.json"


def wanted_for_ipv6() -> dict[str, str]:
    """What a node with IPv6 pods needs beside that, of the calling process's network namespace; in this order.

    A node that forwards forgets the default routes that routers told it of, unless it is told to keep them.
    """
    lines = _ROUTES.read_text(encoding="ascii").splitlines() if _ROUTES.exists() else []
    found = [line.split() for line in lines]
    learned = {row[9] for row in found if int(row[8], 16) & _BY_ADVERTISEMENT == _BY_ADVERTISEMENT}
    # As in sysctl(8), a dot in the name of an interface is written as a slash.
    keep = {f"net.ipv6.conf.{name.replace('.', '/')}.accept_ra": "2" for name in sorted(learned)}
    return {**keep, FORWARD_IPV6: "1"}


def wanted_of_links(names: Collection[str]) -> dict[str, str]:
    """What links that lead to others need."""
    return {f"net.ipv4.conf.{name.replace('.', '/')}.forwarding": "1" for name in names}


def wanted_for_connections(processors: int) -> dict[str, str]:
    """Room for as many tracked connections as kube-proxy makes by default, where there is less; in this order."""
    room = max(_CONNECTIONS_PER_PROCESSOR * processors, _CONNECTIONS_AT_LEAST)
    sizes = {"net.netfilter.nf_conntrack_max": room, "net.netfilter.nf_conntrack_buckets": room // 4}
    has = {name: SYSCTL / name.translate(AS_PATH) for name in sizes}
    # 0: as many as there is memory for.
    return {n: str(size) for n, size in sizes.items() if has[n].exists() and 0 < int(has[n].read_text()) < size}


def wanted_for_segment() -> dict[str, str]:
    """What a bridge of pods needs, of the calling process's network namespace; in this order.

    What pods send comes in by the bridge, what is for them leaves by their own links: that no path check allows, and of
    that of "all" links and a link's own the greater number counts. So each other link gets that of all for its own.
    """
    of_all = _check_of("all")
    if of_all <= 0:
        return {}
    others = sorted(p.name for p in _CHECKS.iterdir() if p.name != "all" and not p.name.startswith(_OURS))
    raised = [name.replace(".", "/") for name in others if 0 <= _check_of(name) < of_all]
    return {**{f"net.ipv4.conf.{name}.rp_filter": str(of_all) for name in raised}, "net.ipv4.conf.all.rp_filter": "0"}


def _check_of(link: str) -> int:
    """-1: it has gone meanwhile."""
    try:
        return int((_CHECKS / link / "rp_filter").read_text(encoding="ascii"))
    except OSError:
        return -1


def there(settings: Mapping[str, str]) -> dict[str, str]:
    """Without those of links that have gone."""
    return {name: value for name, value in settings.items() if (SYSCTL / name.translate(AS_PATH)).exists()}


class Sets(Protocol):
    """`LinkDriver`, as far as it is needed here."""

    async def read_sysctls(self, names: Collection[str]) -> dict[str, str]:
        """The values."""

    async def set_sysctls(self, wanted: Mapping[str, str]) -> dict[str, str]:
        """The values as they were."""


async def change(links: Sets, node: NodeDir, wanted: Mapping[str, str]) -> None:
    """Remember and set, in this order: an agent may be killed between the two.

    Raises DriverError where either cannot be done; what cannot be remembered is not changed.
    """
    before = await links.read_sysctls(wanted)
    theirs = {n: v for n, v in before.items() if v != wanted[n] and n in remembered(node)}
    if theirs:
        log.error("kernel settings changed by others, and set again", settings=theirs)
    try:
        remember(node, before)
    except OSError as error:
        what = f"{node.root / _FILE}: {error.strerror}: not changed, since it could not be set back later"
        raise DriverError(f"{what}: {', '.join(wanted)}") from error
    if any(before[name] != value for name, value in wanted.items()):
        await links.set_sysctls(wanted)


def remember(node: NodeDir, before: dict[str, str]) -> None:
    """Keep the first values ever seen of each setting: a restarted agent sees its own."""
    known = remembered(node)
    if known.keys() >= before.keys():
        return
    # Whole at any moment: an agent may be killed here.
    replace_file(node.root / _FILE, json.dumps({**before, **known}).encode(), mode=PUBLIC)


def remembered(node: NodeDir) -> dict[str, str]:
    """The values to restore; empty if none were changed."""
    path = node.root / _FILE
    before: dict[str, str] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    return before
