"""What a link driver does: `real.py` to the kernel, `fake.py` to a dictionary that refuses what the kernel refuses."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Protocol

from tandem.base.ids import ContainerId
from tandem.base.problems import DriverError
from tandem.state.links import NodeNet, PodLink


class LinkExistsError(DriverError):
    """The interface, its host end, or another container's interface is already there."""


class NetnsError(DriverError):
    """The path is no network namespace, is gone, or is the node's own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Owned:
    """Everything in the kernel that carries a mark of ours, as the kernel has it now; sorted."""

    links: tuple[str, ...] = ()
    """Names of host ends."""
    pins: tuple[ContainerId, ...] = ()
    addresses: tuple[str, ...] = ()
    routes: tuple[str, ...] = ()
    """Destinations of routes, without those that vanish with a link."""

    devices: tuple[str, ...] = ()
    """Names of a fabric's devices."""

    def __bool__(self) -> bool:
        return bool(self.links or self.pins or self.addresses or self.routes or self.devices)


class LinkDriver(Protocol):
    """Every method raises DriverError when the world refuses, and then has changed nothing."""

    async def underlay_mtu(self, address: str = "") -> int:
        """The MTU by which the node reaches others: of the interface with this address, else of the default route."""

    async def outward(self) -> tuple[str, ...]:
        """The links by which IPv4 comes from elsewhere, sorted: of default routes, and of routes to other nodes."""

    async def pin(self, container_id: ContainerId, netns: str) -> str:
        """Keep the namespace reachable at a path of ours, returned; at once if it is pinned already."""

    async def unpin(self, container_id: ContainerId) -> None:
        """Let go of the namespace; fine if it is not pinned."""

    async def create(self, link: PodLink, netns: str) -> None:
        """Make the pair, and all inside the pod; the host end stays down: nothing can be sent or received yet.

        LinkExistsError where the interface is there, or the namespace has one of another container's.
        """

    async def open(self, link: PodLink, netns: str) -> None:
        """Bring the host end up with its neighbour entries and host routes; returns when both ends can transmit."""

    async def capture(self, netns: str, versions: tuple[int, ...]) -> None:
        """Deliver what has LOCAL_MARKS inside, whatever its destination, for these families; fine if that is done."""

    async def remove(self, link: PodLink, netns: str) -> None:
        """Undo all of these, also when half done; fine if link or namespace are gone, or are another's."""

    async def cut(self, link: PodLink, netns: str) -> None:
        """Nothing can be sent or received any more, and the pod's interface name and rules are free, at once.

        `remove_all` takes away what remains. Fine if link or namespace are gone.
        """

    async def remove_all(self, host_ifnames: tuple[str, ...]) -> None:
        """Remove links that were cut, all at once; fine if some are gone."""

    async def check(self, link: PodLink, netns: str) -> tuple[str, ...]:
        """What differs between an open link as it should be and as the kernel has it, one sentence each."""

    async def hardware(self, link: PodLink, netns: str) -> tuple[str, int] | None:
        """MAC address and MTU of the end in the pod; None: one of the ends is missing."""

    async def repair(self, link: PodLink, netns: str) -> bool:
        """Put back what `check` misses, as `create` and `open` make it; what others added stays, but in its place.

        True if the pair was made anew, with an index of its own: one end was gone.
        """

    async def apply_node(self, net: NodeNet) -> tuple[str, ...]:
        """Make the node's addresses, routes and devices exactly these, as far as they are ours.

        Returns a sentence for each route that cannot be, because its next hop is on no network of this node; all else
        is in force then.
        """

    async def read_sysctls(self, names: Collection[str]) -> dict[str, str]:
        """Values of kernel settings (`net.ipv4.ip_forward`)."""

    async def set_sysctls(self, wanted: Mapping[str, str]) -> dict[str, str]:
        """Set kernel settings (`net.ipv4.ip_forward`); returns the values as they were, for setting them back."""

    async def list_owned(self) -> Owned:
        """Everything of ours, from the kernel alone."""

    async def alive(self) -> frozenset[ContainerId]:
        """Containers of which a link or a pinned namespace is in the kernel: after a reboot there is none."""

    async def sweep_pods(self, keep: frozenset[ContainerId]) -> Owned:
        """Remove links and pins of all containers but these; returns what it removed."""

    async def sweep(self) -> Owned:
        """Remove everything of ours, also with the journal lost; returns what it removed."""
