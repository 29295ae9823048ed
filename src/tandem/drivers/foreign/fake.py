"""The driver on a dictionary: refuses what the kernel refuses, changes nothing when it fails, fails on demand."""

from __future__ import annotations

from dataclasses import dataclass, field

from tandem.base.problems import DriverError
from tandem.drivers.foreign.port import ForeignDriver
from tandem.drivers.link.plan import undelivered
from tandem.drivers.link.port import NetnsError
from tandem.state.foreign import UNTOUCHED, Before, Redirection, Seen


@dataclass(slots=True)
class Space:
    """One namespace: addresses by interface, and the redirection that was prepared."""

    interfaces: dict[str, frozenset[str]] = field(default_factory=dict)
    prepared: set[Redirection] = field(default_factory=set)


class FakeForeign(ForeignDriver):
    """ForeignDriver without a kernel. Tests fill `spaces`, and look at `calls`."""

    def __init__(self, node_addresses: frozenset[str] = frozenset()) -> None:
        self.spaces: dict[str, Space] = {}
        self.calls: list[str] = []
        self._node_addresses = node_addresses
        self._failures: dict[str, DriverError] = {}

    def fail_next(self, error: DriverError, method: str) -> None:
        """Let the next call of a method raise this and do nothing."""
        self._failures[method] = error

    async def look(self, netns: str, ifname: str) -> Seen | None:
        """The interface as given."""
        self._called("look")
        addresses = self._at(netns).interfaces.get(ifname)
        return None if addresses is None else Seen(addresses=addresses, up=True, before=UNTOUCHED)

    async def node_addresses(self) -> frozenset[str]:
        """As given."""
        self._called("node_addresses")
        return self._node_addresses

    async def prepare(self, netns: str, wanted: Redirection) -> None:
        """Remember it."""
        self._called("prepare")
        self._at(netns).prepared.add(wanted)

    async def restore(self, netns: str, before: Before) -> None:
        """Forget it."""
        del before
        self._called("restore")
        if netns in self.spaces:
            self.spaces[netns].prepared.clear()

    async def check(self, netns: str, wanted: Redirection) -> tuple[str, ...]:
        """All or nothing."""
        self._called("check")
        if wanted in self._at(netns).prepared:
            return ()
        return undelivered(wanted.versions, frozenset(), frozenset())

    def _called(self, method: str) -> None:
        self.calls.append(method)
        if method in self._failures:
            raise self._failures.pop(method)

    def _at(self, netns: str) -> Space:
        if netns not in self.spaces:
            raise NetnsError(f"network namespace {netns!r}: No such file or directory")
        return self.spaces[netns]
