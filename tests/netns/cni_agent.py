"""An agent for tests, as a process: `python cni_agent.py DIRECTORY NODE_NETNS STALL SIX`.

Real link driver, journal and socket; the node's policy and proxy are in force at once, except that STALL names a step
of ADD in which it stops for ever, so that a test can kill it there.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from tandem.base.ids import ContainerId, PodUid, SpiffeId
from tandem.base.paths import NodeDir
from tandem.compile.addresses import node_address
from tandem.drivers.foreign.real import KernelForeign
from tandem.drivers.link.real import KernelLinks
from tandem.ipam.journal import Attachment
from tandem.ipam.pool import Pool
from tandem.ipam.store import SqliteJournal
from tandem.ir.fabric import LocalPod
from tandem.podnet.leaving import Leaving
from tandem.podnet.results import Names
from tandem.podnet.socket import serve
from tandem.podnet.spool import Spool
from tandem.podnet.verbs import Aside, Settings, Verbs
from tandem.runtime.cni import remember
from tandem.state.links import HostSide, NodeNet, PodLink, Route

STALLED = "stalled"
"""File in the directory that appears when the stall is reached."""


class Stall:
    """Stops at one step."""

    def __init__(self, directory: Path, step: str) -> None:
        self._directory = directory
        self._step = step

    async def at(self, step: str) -> None:
        if step == self._step:
            (self._directory / STALLED).touch()
            await asyncio.Event().wait()


class AnyPod:
    """Knows every pod."""

    def __init__(self, stall: Stall, addresses: Pool) -> None:
        self._stall = stall
        self._addresses = addresses

    async def pod(self, uid: PodUid, namespace: str, name: str, timeout: float) -> LocalPod | None:  # noqa: ASYNC109
        del timeout
        identity = SpiffeId(f"spiffe://cluster.local/ns/{namespace}/sa/default")
        return LocalPod(uid=uid, namespace=namespace, name=name, service_account="default", identity=identity)

    def announces(self, attachment: Attachment) -> bool:
        del attachment
        return False

    async def announced(self, attachment: Attachment) -> None:
        del attachment
        await self._stall.at("announced")

    async def attached(self, attachment: Attachment) -> None:
        del attachment
        await self._stall.at("attached")

    def captured(self, container_id: ContainerId) -> bool:
        del container_id
        return False

    def renewed(self, attachment: Attachment) -> None:
        del attachment

    async def detached(self, attachment: Attachment) -> None:
        del attachment
        await self._stall.at("detached")

    async def check(self, attachment: Attachment) -> tuple[str, ...]:
        del attachment
        return ()

    def fit(self, host: HostSide) -> HostSide:
        return host

    async def degraded(self) -> tuple[str, ...]:
        return ()

    def pool(self) -> Pool:
        return self._addresses

    async def more(self, seconds: float) -> bool:
        del seconds
        return False


class StallingLinks(KernelLinks):
    """The real driver, with stalls behind its steps."""

    stall: Stall

    async def pin(self, container_id: ContainerId, netns: str) -> str:
        path = await super().pin(container_id, netns)
        await self.stall.at("pin")
        return path

    async def create(self, link: PodLink, netns: str) -> None:
        await super().create(link, netns)
        await self.stall.at("create")

    async def open(self, link: PodLink, netns: str) -> None:
        await super().open(link, netns)
        await self.stall.at("open")


async def main(directory: Path, node_netns: str, step: str, *, background: bool = False, six: str = "") -> None:
    """`background`: DEL answers early, as in a real agent, and not when everything is gone; `six`: a prefix of IPv6."""
    node = NodeDir(directory)
    stall = Stall(directory, step)
    links = StallingLinks(node.netns, node_netns=node_netns)
    links.stall = stall
    await links.set_sysctls({"net.ipv4.ip_forward": "1", **({"net.ipv6.conf.all.forwarding": "1"} if six else {})})
    prefixes = ("10.244.0.0/22", *([six] if six else []))
    own = tuple(map(node_address, prefixes))
    net = NodeNet(addresses=tuple(sorted((*own, "10.96.0.10"))), routes=tuple(Route(prefix=p) for p in prefixes))
    journal = SqliteJournal(node.journal)
    await remember(journal, links)
    await links.apply_node(net)
    settings = Settings(
        host=HostSide(node="node-1", sources=own, mtu=await links.underlay_mtu()),
        names=Names(dns_addresses=("10.96.0.10",), cluster_domain="cluster.local"),
    )
    aside = Aside(spool=Spool(node.root / "dels"))
    pods = AnyPod(stall, Pool.of(*prefixes))
    verbs = Verbs(journal, links, KernelForeign(node_netns), node=pods, settings=settings, aside=aside)
    if background:
        verbs.undoing.leaving = Leaving(journal, links, pods)
    assert await verbs.recover() == ()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(verbs.undoing.run())
        tasks.create_task(serve(verbs, node.cni_socket))


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2], sys.argv[3], six=sys.argv[4]))
