"""What the driver does: `real.py` to the kernel, `fake.py` to a dictionary."""

from __future__ import annotations

from typing import Protocol

from tandem.state.foreign import Before, Redirection, Seen


class ForeignDriver(Protocol):
    """Every method raises DriverError when the world refuses; NetnsError for a path that is no namespace of a pod."""

    async def look(self, netns: str, ifname: str) -> Seen | None:
        """The interface as it is now; None if there is none of that name."""

    async def node_addresses(self) -> frozenset[str]:
        """Every address of the node itself."""

    async def prepare(self, netns: str, wanted: Redirection) -> None:
        """Deliver marked packets inside; fine if that is done already."""

    async def restore(self, netns: str, before: Before) -> None:
        """Take out everything that is ours, tables as well, of both families, and set back what was changed.

        Fine if nothing is there, or the namespace is gone.
        """

    async def check(self, netns: str, wanted: Redirection) -> tuple[str, ...]:
        """What of `prepare` is missing, one sentence each."""
