"""A link driver over a node and the namespaces of two pods: the fake, and the real one on the kernel."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from netns.podlab import lab, unmount_all
from tandem.drivers.link.fake import FakeLinks
from tandem.drivers.link.port import LinkDriver
from tandem.drivers.link.real import KernelLinks
from tandem.state.links import NodeNet, Route

NET = NodeNet(
    addresses=("10.244.0.1", "10.96.0.10", "fd00:10:244::1"),
    routes=(Route(prefix="10.244.0.0/24"), Route(prefix="fd00:10:244::/64")),
)

FORWARDING = {"net.ipv4.ip_forward": "1", "net.ipv6.conf.all.forwarding": "1"}
"""As on every node with pods of both families."""


@dataclass(frozen=True, slots=True)
class Case:
    """A driver over a node with two pods' namespaces; `play` runs a playbook and closes the driver."""

    make: Callable[[], LinkDriver]
    pods: tuple[str, str]
    node: str

    def play(self, book: Callable[[LinkDriver], Awaitable[None]]) -> None:
        async def main() -> None:
            driver = self.make()
            async with AsyncExitStack() as stack:
                if isinstance(driver, KernelLinks):
                    stack.push_async_callback(driver.close)
                await driver.set_sysctls(FORWARDING)
                await driver.apply_node(NET)
                await book(driver)

        asyncio.run(main())


@contextmanager
def case_of(which: str, tmp_path: Path) -> Iterator[Case]:
    """`fake` or `kernel`."""
    if which == "fake":
        fake = FakeLinks()
        fake.add_netns("/ns/1")
        fake.add_netns("/ns/2")
        yield Case(lambda: fake, ("/ns/1", "/ns/2"), "")
        return
    pins = tmp_path / "netns"
    with lab() as spaces:
        node, one, two = spaces.add("node"), spaces.add("one"), spaces.add("two")
        try:
            yield Case(lambda: KernelLinks(pins, node_netns=node), (one, two), node)
        finally:
            unmount_all(pins)
