"""Firewall over the commands of iptables(8), in the network namespace of the calling thread.

A table that is not there is not asked for: iptables-legacy would make it. Nothing is done by way of nftables itself:
what iptables has not written it may refuse to list.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Final

from tandem.base.addresses import FAMILIES, IPV4, IPV6
from tandem.base.problems import DriverError
from tandem.drivers.firewall.chains import PROGRAMS, Filter, parse
from tandem.drivers.firewall.port import Found
from tandem.drivers.nft import watch_wire
from tandem.drivers.nft.netlink import Netlink
from tandem.drivers.nft.real import Libnftables

PATIENCE: Final = 10.0
"""For a command, in seconds: iptables-legacy waits for a lock that others hold."""
_WAIT: Final = ("-w", "5")
_LEGACY: Final = {
    IPV4: Path("/proc/thread-self/net/ip_tables_names"),
    IPV6: Path("/proc/thread-self/net/ip6_tables_names"),
}
_SAYS: Final = {"nft": "(nf_tables)", "legacy": "(legacy)"}
"""In the version of a command that is not named by its kind."""
_TABLE: Final = "filter"


class Iptables:
    """The real one, of the namespace of the thread that asks first."""

    def __init__(self) -> None:
        self._netlink = Netlink()

    def read(self) -> Found:
        """Tables of iptables-nft that its command cannot read are left to whoever reads nftables."""
        tables: list[Filter] = []
        unread: list[str] = []
        for version in FAMILIES:
            if Libnftables(table=_TABLE, family="ip" if version == IPV4 else "ip6").present():
                tables += self._nft(version)
            if _TABLE in _legacy(version):
                try:
                    tables.append(_listed("legacy", version))
                except DriverError as err:
                    which = f"{PROGRAMS[version]}-legacy"
                    unread.append(f"chains of {which} may drop what pods send, and are not read: {err}")
        return Found(tables=tuple(tables), unread=tuple(unread))

    def _nft(self, version: int) -> list[Filter]:
        try:
            return [_listed("nft", version)]
        except DriverError:
            return []

    def change(self, table: Filter, text: str) -> None:
        """In one transaction; raises DriverError."""
        _run(f"{PROGRAMS[table.version]}", table.kind, "-restore", "--noflush", *_WAIT, given=text)

    def state(self) -> object:
        """The number of the namespace's generation of nftables, and the tables of iptables-legacy."""
        return self._generation(), tuple(_legacy(version) for version in FAMILIES)

    def _generation(self) -> int:
        try:
            (answer,) = self._netlink.ask(watch_wire.ask(), bool)
        except OSError:
            return 0
        found = watch_wire.generation(answer)
        return found.number if found is not None else 0


def _legacy(version: int) -> tuple[str, ...]:
    try:
        return tuple(_LEGACY[version].read_text(encoding="ascii").split())
    except OSError:
        return ()  # a kernel without it


def _listed(kind: str, version: int) -> Filter:
    return parse(_run(PROGRAMS[version], kind, "", *_WAIT, "-S"), kind=kind, version=version)


def _run(program: str, kind: str, suffix: str, *words: str, given: str = "") -> str:
    """What the command prints; raises DriverError."""
    command = _command(program, kind) + suffix
    try:
        done = subprocess.run(
            [command, *words], input=given, capture_output=True, text=True, check=False, timeout=PATIENCE
        )
    except (OSError, subprocess.TimeoutExpired) as err:
        raise DriverError(f"{command}: {err}") from err
    if done.returncode:
        raise DriverError(f"{command}: {done.stderr.strip() or done.returncode}")
    return done.stdout


def _command(program: str, kind: str) -> str:
    """`iptables-nft`, or `iptables` where that is it; raises DriverError."""
    named = f"{program}-{kind}"
    if shutil.which(named):
        return named
    try:
        told = subprocess.run([program, "-V"], capture_output=True, text=True, check=False, timeout=PATIENCE).stdout
    except OSError:
        told = ""
    if _SAYS[kind] not in told:
        raise DriverError(f"there is no {named} on this machine")
    return program
