"""What people ask of a node's addresses, over the courier's socket. The verbs of CNI go to `Verbs`.

RELEASE takes an address back; SHARE lets a directory of `host-local` and the node know of each other's addresses from
now on. In: requests. Out: the answers of the verbs, or what was released or shared. The socket is root's alone.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, Protocol

from tandem.base.ids import ContainerId
from tandem.base.problems import DriverError
from tandem.ipam.hostlocal import HostLocal
from tandem.ipam.journal import Attachment
from tandem.ipam.shared import HeldError, SharedJournal
from tandem.podnet.leaks import Ends, Leaks
from tandem.podnet.request import Code, Request, VerbError
from tandem.podnet.theirs import Theirs

RELEASE: Final = "RELEASE"
SHARE: Final = "SHARE"


Keep = Callable[[tuple[HostLocal, ...]], None]
"""Remembers the directories for the next start."""


class Runs(Protocol):
    """`Verbs`, as far as it is needed here."""

    async def run(self, request: Request) -> dict[str, Any] | None:
        """One verb; raises VerbError."""


class Desk(Runs, Ends, Protocol):
    """Both of its sides."""


class Upkeep:
    """One per node, in front of the verbs."""

    def __init__(self, verbs: Desk, journal: SharedJournal, leaks: Leaks, theirs: Theirs, keep: Keep) -> None:
        self._verbs = verbs
        self._journal = journal
        self._leaks = leaks
        self._theirs = theirs
        self._keep = keep

    async def run(self, request: Request) -> dict[str, Any] | None:
        """One request; raises VerbError."""
        if request.verb == RELEASE:
            return await self._release(request)
        if request.verb == SHARE:
            return self._share(request)
        return await self._verbs.run(request)

    async def _release(self, request: Request) -> dict[str, Any]:
        address, force = _address(request.config.get("address")), request.config.get("force") is True
        holder = next((a for a in self._journal.all() if address in a.addresses), None)
        if holder is None and address in self._journal.others():
            return self._release_theirs(address, force=force)
        if holder is None:
            raise VerbError(Code.ADDRESS_REFUSED, f"address {address} is not in use on this node")
        container = holder.container_id
        if not force and await self._leaks.is_live(container):
            what = f"address {address} is in use by {_name(holder)} (container {container}), which lives"
            raise VerbError(Code.ADDRESS_LIVE, f"{what}; delete the pod, or take its network away with --force")
        interfaces = self._journal.of(container)
        failed = await self._verbs.end(container, lambda: self._may_end(container, force=force))
        if failed:
            raise VerbError(Code.TRY_AGAIN, f"address {address} is not released: {failed[0]}", "; ".join(failed))
        if self._journal.get(holder.key) is not None:
            raise VerbError(Code.ADDRESS_LIVE, f"address {address} has come to life meanwhile; nothing was released")
        return {"container": container, "addresses": [a for one in interfaces for a in one.addresses]}

    def _release_theirs(self, address: str, *, force: bool) -> dict[str, Any]:
        key = self._journal.others()[address]
        if not force:
            what = f"address {address} is held by host-local for container {key[0]}"
            raise VerbError(Code.ADDRESS_LIVE, f"{what}; let its runtime delete it, or take it away with --force")
        self._theirs.give_back(address, key)
        return {"container": key[0], "addresses": [address]}

    def _share(self, request: Request) -> dict[str, Any]:
        path = Path(str(request.config.get("directory") or ""))
        if not path.is_absolute() or not path.is_dir():
            raise VerbError(Code.BAD_CONFIG, f"directory: {str(path)!r} is no directory of a network of host-local")
        directory = HostLocal(path)
        try:
            held = sorted(directory.held())
            self._journal.share(directory)
            self._keep(self._journal.directories)
        except (DriverError, HeldError, OSError) as error:
            raise VerbError(Code.ADDRESS_REFUSED, f"{path} is not shared: {error}") from None
        return {"directory": str(path), "addresses": held}

    async def _may_end(self, container: ContainerId, *, force: bool) -> bool:
        return force or not await self._leaks.is_live(container)


def _address(value: Any) -> str:
    try:
        return str(ipaddress.ip_address(value))
    except ValueError:
        raise VerbError(Code.BAD_CONFIG, f"address: an IP address, not {value!r}") from None


def _name(holder: Attachment) -> str:
    return f"{holder.namespace}/{holder.pod_name}".lstrip("/")
