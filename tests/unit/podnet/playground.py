"""A node for the verbs without kernel, control or Envoy: fakes, a recording Node, requests as a runtime makes them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from tandem.base.ids import ContainerId, PodUid, SpiffeId
from tandem.base.problems import DriverError
from tandem.drivers.foreign.fake import FakeForeign, Space
from tandem.drivers.link.fake import FakeLinks
from tandem.ipam.journal import Attachment, Journal, MemoryJournal
from tandem.ipam.pool import Pool
from tandem.ir.fabric import LocalPod
from tandem.podnet.request import Request, VerbError
from tandem.podnet.results import Names
from tandem.podnet.verbs import Settings, Verbs
from tandem.state.links import HostSide

KEY = (ContainerId("c1"), "eth0")
STEPS = ["pin", "attached", "create", "open"]
NETNS = "/run/netns/pod"
ARGS = "IgnoreUnknown=1;K8S_POD_NAMESPACE=shop;K8S_POD_NAME=web;K8S_POD_UID=uid-1"
CONFIG = {"cniVersion": "1.1.0", "name": "tandem", "type": "tandem-cni", "socket": "/s"}
SETTINGS = Settings(
    host=HostSide(node="node-1", sources=("10.244.0.1",), mtu=1400),
    names=Names(dns_addresses=("10.96.0.10",), cluster_domain="cluster.local"),
    cool_down=0,
)


class RecordingNode:
    """Node: knows one pod; remembers what is in force, and what it was asked, in order with the link driver's calls."""

    def __init__(self, calls: list[str]) -> None:
        self.calls = calls
        self.addresses = Pool.of("10.244.0.0/29")
        self.supply: Callable[[], bool] = lambda: False
        """Brings more addresses, or cannot."""
        self.pods = {"uid-1": local_pod()}
        self.in_force: dict[ContainerId, Attachment] = {}
        self.peers = asyncio.Event()
        """Peers know whoever is announced once this is set, as it is."""
        self.peers.set()
        self.has_policies = False
        """Peers are told of addresses."""
        self.known: set[ContainerId] = set()
        """What peers know."""
        self.failures: dict[str, DriverError] = {}
        self.damage: list[str] = []
        self.turned: set[ContainerId] = set()
        """Whose traffic goes to Envoy."""
        self.troubles: list[str] = []

    async def pod(self, uid: PodUid, namespace: str, name: str, timeout: float) -> LocalPod | None:  # noqa: ASYNC109
        del timeout
        found = [p for p in self.pods.values() if (p.uid == uid if uid else (p.namespace, p.name) == (namespace, name))]
        return found[0] if found else None

    def announces(self, attachment: Attachment) -> bool:
        del attachment
        return self.has_policies

    async def announced(self, attachment: Attachment) -> None:
        await self.peers.wait()
        self.known.add(attachment.container_id)

    async def attached(self, attachment: Attachment) -> None:
        self._called("attached")
        self.in_force[attachment.container_id] = attachment

    def captured(self, container_id: ContainerId) -> bool:
        return container_id in self.turned

    def renewed(self, attachment: Attachment) -> None:
        self.in_force[attachment.container_id] = attachment

    async def detached(self, attachment: Attachment) -> None:
        self._called("detached")
        self.in_force.pop(attachment.container_id, None)

    async def check(self, attachment: Attachment) -> tuple[str, ...]:
        return () if attachment.container_id in self.in_force else tuple(self.damage)

    def fit(self, host: HostSide) -> HostSide:
        return host

    async def degraded(self) -> tuple[str, ...]:
        return tuple(self.troubles)

    def pool(self) -> Pool:
        return self.addresses

    async def more(self, seconds: float) -> bool:
        del seconds
        return self.supply()

    def _called(self, method: str) -> None:
        self.calls.append(method)
        if method in self.failures:
            raise self.failures.pop(method)


def local_pod() -> LocalPod:
    return LocalPod(
        uid=PodUid("uid-1"),
        namespace="shop",
        name="web",
        service_account="default",
        identity=SpiffeId("spiffe://cluster.local/ns/shop/sa/default"),
    )


class Playground:
    """One node; `restart` is a new agent over the same kernel and journal."""

    def __init__(self, journal: Journal | None = None) -> None:
        self.links = FakeLinks(mtu=1400)
        self.links.add_netns(NETNS)
        self.journal: Journal = MemoryJournal() if journal is None else journal
        self.foreign = FakeForeign(frozenset({"10.88.0.1"}))
        self.foreign.spaces[NETNS] = Space()
        self.node = RecordingNode(self.links.calls)
        self.verbs = Verbs(self.journal, self.links, self.foreign, node=self.node, settings=SETTINGS)

    def restart(self) -> None:
        self.node = RecordingNode(self.links.calls)
        self.verbs = Verbs(self.journal, self.links, self.foreign, node=self.node, settings=SETTINGS)

    async def add(self, container: str = "c1", **change: Any) -> dict[str, Any]:
        result = await self.verbs.run(request("ADD", container, **change))
        assert result is not None
        return result

    async def delete(self, container: str = "c1", **change: Any) -> None:
        assert await self.verbs.run(request("DEL", container, **change)) is None

    async def check(self, previous: Mapping[str, Any] | None, container: str = "c1", **change: Any) -> None:
        more = {} if previous is None else {"prevResult": previous}
        assert await self.verbs.run(request("CHECK", container, config=CONFIG | more, **change)) is None

    async def code(self, verb: str, container: str = "c1", **change: Any) -> int:
        """The error code of a verb that must fail."""
        try:
            await self.verbs.run(request(verb, container, **change))
        except VerbError as error:
            return int(error.code)
        raise AssertionError(f"{verb} did not fail")

    def is_clean(self) -> bool:
        """Nothing of ours is left anywhere."""
        pods = [n for path, n in self.links.namespaces.items() if path == NETNS]
        in_pods = any(n.ends or n.marks or n.local_tables for n in pods)
        left = (self.links.hosts, self.links.pins, self.journal.all(), set(self.journal.taken()), self.node.in_force)
        return not any(left) and not in_pods


def request(verb: str, container: str = "c1", **change: Any) -> Request:
    fields: dict[str, Any] = {
        "verb": verb,
        "container_id": ContainerId(container),
        "ifname": "eth0",
        "netns": NETNS,
        "args": ARGS,
        "config": CONFIG,
    }
    return Request(**(fields | change))


class Killed(BaseException):
    """The agent dies here: nothing of it runs afterwards."""


def kill_at(ground: Playground, step: str, *, before: bool) -> None:
    owner: Any = ground.node if step in {"attached", "detached"} else ground.links
    method = getattr(owner, step)

    async def dying(*args: Any) -> Any:
        if not before:
            await method(*args)
        raise Killed

    setattr(owner, step, dying)


def revive(ground: Playground, step: str) -> None:
    if step not in {"attached", "detached"}:
        delattr(ground.links, step)
    ground.restart()


def behind_another_plugin(ground: Playground) -> None:
    """The namespace has an interface of another plugin; our pin is another path to it."""
    ground.foreign.spaces[NETNS].interfaces["eth0"] = frozenset({"10.88.0.2"})
    ground.foreign.spaces["/pins/c1"] = ground.foreign.spaces[NETNS]


def run(play: Callable[[Playground], Awaitable[None]], ground: Playground | None = None) -> Playground:
    """The ground after the play."""
    ground = Playground() if ground is None else ground

    async def main() -> None:
        await play(ground)

    asyncio.run(main())
    return ground


def fail(ground: Playground, step: str, error: DriverError | None = None) -> None:
    """The next call of this step is refused."""
    error = error or DriverError(f"{step} refused")
    if step in {"attached", "detached"}:
        ground.node.failures[step] = error
    else:
        ground.links.fail_next(error, step)
