"""A FastPathDriver without a kernel: for tests of what is built on it. Passes the contract tests of the real one."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from tandem.base.problems import DriverError
from tandem.drivers.bpf.port import Delta, Held
from tandem.drivers.failing import Failing


@dataclass
class FakeLinks:
    """What outlives a driver: the links of a node, and those that have the filter of some driver."""

    there: set[str] = field(default_factory=set)
    filtered: set[str] = field(default_factory=set)


class FakeFastPath(Failing):
    """Holds what was applied to links that are there; `unable`: why such a kernel has no fast path."""

    def __init__(self, links: FakeLinks, unable: str = "") -> None:
        self._links = links
        self._held = Held()
        self.unable = unable

    async def read(self) -> Held:
        """What was applied, of links that are still there."""
        self.may_fail()
        earlier = frozenset(self._links.filtered & self._links.there) - self._held.links
        return replace(self._held, earlier=earlier)

    async def apply(self, delta: Delta) -> bool:
        """Detaching is always possible."""
        self.may_fail()
        held = self._held
        bare = bool(set(delta.detach) & self._links.there)
        self._links.filtered -= set(delta.detach)
        self._held = Held(ends=held.ends - set(delta.drop), links=held.links - set(delta.detach))
        if (delta.put or delta.attach) and self.unable:
            raise DriverError(self.unable)
        attached = {name for name in delta.attach if name in self._links.there}
        self._links.filtered |= attached
        ends = {end for end in delta.put if end.host_ifname in self._links.there}
        self._held = Held(ends=self._held.ends | ends, links=self._held.links | attached)
        return bare

    async def is_bare(self, host_ifname: str) -> bool:
        """As `filtered` says."""
        self.may_fail()
        return host_ifname in self._held.links & self._links.there - self._links.filtered

    async def packets(self) -> int:
        """None ever came."""
        self.may_fail()
        return 0
