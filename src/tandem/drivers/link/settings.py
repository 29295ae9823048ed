"""Settings of the kernel under /proc/sys, of the namespace that the calling thread is in."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

from tandem.base.addresses import IPV4, IPV6
from tandem.state.links import PodLink

SYSCTL: Final = Path("/proc/sys")
AS_PATH: Final = str.maketrans("./", "/.")
"""sysctl(8): a dot parts names; one that belongs to an interface's name is written as a slash."""
# Replies to the node's 127.0.0.1, once translated back, may come in by this link; it goes when the link goes.
LOOPBACK_SETTINGS: Final = (("ipv4", "route_localnet", "1"),)
# Envoy delivers to the application from the client's address: a reverse path check would drop that.
NO_PATH_CHECK: Final = (("ipv4", "rp_filter", "0"),)
# With an address of IPv6, nothing is negotiated: no link-local one, no router is listened to, none is asked for.
PLAIN_IPV6: Final = (
    ("ipv6", "addr_gen_mode", "1"),
    ("ipv6", "accept_ra", "0"),
    ("ipv6", "accept_redirects", "0"),
    ("ipv6", "autoconf", "0"),
    ("ipv6", "dad_transmits", "0"),
    ("ipv6", "disable_ipv6", "0"),
)
# A bridge answers for pods of the node that are not on it.
PROXY_NDP: Final = ("ipv6", "proxy_ndp", "1")
FORWARDS: Final = {IPV4: ("ipv4", "forwarding", "1"), IPV6: ("ipv6", "forwarding", "1")}

Setting = tuple[str, str, str]
"""Family, name and value of a link's setting."""


def pod_settings(link: PodLink) -> dict[str, tuple[Setting, ...]]:
    """What links inside a pod have, by name. Of two path checks, that of "all" and its own, the stricter one counts."""
    wanted: dict[str, tuple[Setting, ...]] = dict.fromkeys(("all", "lo", link.ifname), NO_PATH_CHECK)
    if IPV6 in link.versions:
        wanted[link.ifname] += PLAIN_IPV6
        wanted["lo"] += PLAIN_IPV6[-1:]
    return wanted


def host_settings(link: PodLink) -> dict[str, tuple[Setting, ...]]:
    """What the node's end has, and the node. That of "all" is first: the kernel gives it to every link.

    What comes in by a link without forwarding is for the node alone; with IPv6 the node's own setting counts.
    """
    way = link.bridge or link.host_ifname
    wanted: dict[str, tuple[Setting, ...]] = {"all": tuple(FORWARDS[version] for version in link.versions)}
    wanted[link.host_ifname] = NO_PATH_CHECK + (PLAIN_IPV6 if IPV6 in link.versions else ())
    if IPV4 in link.versions:
        wanted[way] = (*wanted.get(way, ()), FORWARDS[IPV4])
    if link.bridge:
        wanted["all"] += NO_PATH_CHECK
        wanted[way] = (*wanted.get(way, ()), *NO_PATH_CHECK, *((PROXY_NDP,) if IPV6 in link.versions else ()))
    return wanted


def unmet(wanted: Mapping[str, Iterable[Setting]]) -> tuple[str, ...]:
    """A sentence for each setting of a link that has another value; what the kernel lacks cannot be wrong."""
    return tuple(
        f"{ifname} has the setting {name} {value} of {family}, not {setting[2]}"
        for ifname, settings in wanted.items()
        for setting in settings
        for family, name in (setting[:2],)
        if (value := _value(ifname, setting)) not in {setting[2], ""}
    )


def read_sysctls(names: Iterable[str]) -> dict[str, str]:
    """The values of these."""
    return {name: (SYSCTL / name.translate(AS_PATH)).read_text().strip() for name in names}


def set_sysctls(wanted: Mapping[str, str]) -> dict[str, str]:
    """Set these by name; returns the values as they were."""
    before: dict[str, str] = {}
    for name, value in wanted.items():
        before |= read_sysctls([name])
        if before[name] != value:
            (SYSCTL / name.translate(AS_PATH)).write_text(value)
    return before


def is_set(ifname: str, setting: Setting) -> bool:
    """Whether a link has it."""
    return _value(ifname, setting) == setting[2]


def _value(ifname: str, setting: Setting) -> str:
    """Empty: there is no such link, or the kernel lacks the setting."""
    family, name, _ = setting
    try:
        return (SYSCTL / "net" / family / "conf" / ifname / name).read_text().strip()
    except FileNotFoundError:
        return ""


def write_settings(ifname: str, settings: Iterable[Setting]) -> None:
    """Give a link these."""
    for family, name, value in settings:
        # A kernel without IPv6 has no such file.
        with suppress(FileNotFoundError):
            (SYSCTL / "net" / family / "conf" / ifname / name).write_text(value)


def put_back(wanted: Mapping[str, Iterable[Setting]]) -> None:
    """Give links what they lack of these, in their order."""
    for ifname, settings in wanted.items():
        write_settings(ifname, [setting for setting in settings if not is_set(ifname, setting)])
