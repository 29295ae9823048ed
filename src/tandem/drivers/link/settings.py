"""Settings of the kernel under /proc/sys, of the namespace that the calling thread is in."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

SYSCTL: Final = Path("/proc/sys")
_AS_PATH: Final = str.maketrans("./", "/.")
"""sysctl(8): a dot parts names; one that belongs to an interface's name is written as a slash."""
# Replies to the node's 127.0.0.1, once translated back, may come in by this link; it goes when the link goes.
LOOPBACK_SETTINGS: Final = (("ipv4", "route_localnet", "1"),)
# With an address of IPv6, nothing is negotiated: no link-local one, no router is listened to, none is asked for.
PLAIN_IPV6: Final = (
    ("ipv6", "addr_gen_mode", "1"),
    ("ipv6", "accept_ra", "0"),
    ("ipv6", "accept_redirects", "0"),
    ("ipv6", "autoconf", "0"),
    ("ipv6", "dad_transmits", "0"),
    ("ipv6", "disable_ipv6", "0"),
)


def set_sysctls(wanted: Mapping[str, str]) -> dict[str, str]:
    """Set these by name; returns the values as they were."""
    before = {}
    for name, value in wanted.items():
        path = SYSCTL / name.translate(_AS_PATH)
        before[name] = path.read_text().strip()
        if before[name] != value:
            path.write_text(value)
    return before


def is_set(ifname: str, setting: tuple[str, str, str]) -> bool:
    """Whether a link has (family, name, value)."""
    family, name, value = setting
    try:
        return (SYSCTL / "net" / family / "conf" / ifname / name).read_text().strip() == value
    except FileNotFoundError:
        return False


def write_settings(ifname: str, settings: Iterable[tuple[str, str, str]]) -> None:
    """Give a link these: (family, name, value)."""
    for family, name, value in settings:
        # A kernel without IPv6 has no such file.
        with suppress(FileNotFoundError):
            (SYSCTL / "net" / family / "conf" / ifname / name).write_text(value)
