"""What people ask of a node's addresses, over the courier's socket: to release one. The verbs of CNI go to `Verbs`.

In: requests. Out: the answers of the verbs; of RELEASE, what was released. The socket is root's alone.
"""

from __future__ import annotations

import ipaddress
from typing import Any, Final, Protocol

from tandem.base.ids import ContainerId
from tandem.ipam.store import Attachment, Journal
from tandem.podnet.leaks import Ends, Leaks
from tandem.podnet.request import Code, Request, VerbError

RELEASE: Final = "RELEASE"


class Runs(Protocol):
    """`Verbs`, as far as it is needed here."""

    async def run(self, request: Request) -> dict[str, Any] | None:
        """One verb; raises VerbError."""


class Desk(Runs, Ends, Protocol):
    """Both of its sides."""


class Upkeep:
    """One per node, in front of the verbs."""

    def __init__(self, verbs: Desk, journal: Journal, leaks: Leaks) -> None:
        self._verbs = verbs
        self._journal = journal
        self._leaks = leaks

    async def run(self, request: Request) -> dict[str, Any] | None:
        """One request; raises VerbError."""
        if request.verb == RELEASE:
            return await self._release(request)
        return await self._verbs.run(request)

    async def _release(self, request: Request) -> dict[str, Any]:
        address, force = _address(request.config.get("address")), request.config.get("force") is True
        holder = next((a for a in self._journal.all() if address in a.addresses), None)
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

    async def _may_end(self, container: ContainerId, *, force: bool) -> bool:
        return force or not await self._leaks.is_live(container)


def _address(value: Any) -> str:
    try:
        return str(ipaddress.ip_address(value))
    except ValueError:
        raise VerbError(Code.BAD_CONFIG, f"address: an IP address, not {value!r}") from None


def _name(holder: Attachment) -> str:
    return f"{holder.namespace}/{holder.pod_name}".lstrip("/")
