"""The two loops that put a view in force, against fakes of kernel and Envoy."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import pytest

from meshbuild import NODE, PEER_AUTH, RULE, attached, endpoint, endpoints, service, strict, view
from tandem.base.cell import Cell
from tandem.base.clock import FixedClock
from tandem.base.ids import NodeName
from tandem.base.problems import DriverError
from tandem.compile.envoy import compile_envoy
from tandem.drivers.link.fake import FakeLinks
from tandem.drivers.nft.fake import FakeNft
from tandem.drivers.nft.pods_watch import FakePodsWatch, PodChange
from tandem.drivers.nft.watch import Change, FakeWatch
from tandem.drivers.xds.board import Board, Stream
from tandem.drivers.xds.messages import Accepted, Action, Encoded, Refused, Request, Response
from tandem.drivers.xds.session import Session
from tandem.ir.fabric import AppProtocol, Node
from tandem.ir.mesh import Backend, Forward, Route, RouteTable
from tandem.ir.node import NodeView
from tandem.runtime import enforce
from tandem.runtime.captures import Captures
from tandem.runtime.drift import Drift
from tandem.runtime.enforce import EnvoyLoop, KernelLoop
from tandem.runtime.pod_drift import PodDrift
from tandem.runtime.views import SILENT, Numbered, Outcome, Views
from tandem.state.links import NodeNet
from tandem.state.ownership import TABLE
from tandem.state.xds import LISTENER, ORDER, ROUTE, SECRET, Resource, Snapshot

A = attached("a", "10.244.0.2")
B = attached("b", "10.244.0.3")
WEB = service("web", "10.96.0.1", ("http", 80, AppProtocol.HTTP))
ROUTED = RouteTable(
    namespace="shop",
    service="web",
    routes=(
        Route(
            name="shop/v/0",
            matches=(),
            action=Forward(backends=(Backend(namespace="shop", service="web"),)),
            origin=RULE,
        ),
    ),
)


@pytest.fixture(autouse=True)
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(enforce, "RETRY_SECONDS", 0.01)
    monkeypatch.setattr(enforce, "ENVOY_TIMEOUT", 0.2)


def numbered(number: int, *parts: Any) -> Numbered:
    return Numbered(number=number, view=view(*parts))


async def outcome_of(loop: KernelLoop | EnvoyLoop, holds: Callable[[Outcome], bool]) -> Outcome:
    async with asyncio.timeout(20):
        seen, value = await loop.outcome.after(-1)
        while not holds(value):
            seen, value = await loop.outcome.after(seen)
        for _ in range(2 * enforce.TURNS):
            await asyncio.sleep(0)  # what follows from it is told after it
        return value


def at(number: int) -> Callable[[Outcome], bool]:
    return lambda outcome: outcome.number >= number


# The kernel.


class Kernel:
    """A kernel loop over fakes, and what it told."""

    def __init__(self) -> None:
        self.nft, self.links, self.segment = FakeNft(), FakeLinks(), FakeNft()
        self.applied: list[tuple[int, NodeView | None, NodeView]] = []  # with the number in force
        self.shut, self.watch = FakeNft(), FakeWatch()
        self.drift = Drift(self.watch, self.shut, FixedClock())
        self.loop = KernelLoop(self.nft, self.links, self._applied, segment=self.segment, drift=self.drift)
        self.views: Views = Cell(None)

    def _applied(self, before: NodeView | None, now: NodeView) -> None:
        self.applied.append((self.loop.outcome.value.number, before, now))


def with_kernel(scene: Callable[[Kernel], Awaitable[None]]) -> None:
    async def play() -> None:
        kernel = Kernel()
        async with asyncio.TaskGroup() as tasks:
            running = tasks.create_task(kernel.loop.run(kernel.views)), tasks.create_task(kernel.drift.run())
            await scene(kernel)
            for task in running:
                task.cancel()

    asyncio.run(play())


def test_a_view_is_in_force_when_rules_and_addresses_are_in_the_kernel() -> None:
    async def scene(kernel: Kernel) -> None:
        kernel.views.put(numbered(3, A, WEB))
        assert await outcome_of(kernel.loop, at(3)) == Outcome(number=3)
        assert kernel.nft.read() is not None
        assert "10.244.0.1" in kernel.links.net.addresses
        assert kernel.applied == [(3, None, view(A, WEB))]

    with_kernel(scene)


def test_a_refusal_by_the_kernel_is_told_and_tried_again_until_it_holds() -> None:
    async def scene(kernel: Kernel) -> None:
        kernel.nft.fail_next(DriverError("no memory"))
        kernel.views.put(numbered(1, A))
        assert (await outcome_of(kernel.loop, lambda o: bool(o.failed))).failed == {"kernel": "no memory"}
        assert await outcome_of(kernel.loop, at(1)) == Outcome(number=1)

    with_kernel(scene)


def test_a_refused_link_change_holds_back_the_acknowledgement() -> None:
    async def scene(kernel: Kernel) -> None:
        kernel.links.fail_next(DriverError("no such device"), "apply_node")
        kernel.views.put(numbered(1, A))
        assert (await outcome_of(kernel.loop, lambda o: bool(o.failed))).number == 0
        await outcome_of(kernel.loop, at(1))
        assert kernel.links.calls.count("apply_node") == 2

    with_kernel(scene)


def test_a_device_that_the_kernel_refuses_does_not_hold_up_policy() -> None:
    async def scene(kernel: Kernel) -> None:
        kernel.links.fail_next(DriverError("device tandem-vx of kind vxlan: File exists"), "apply_node")
        kernel.views.put(numbered(1, A))
        assert (await outcome_of(kernel.loop, lambda o: bool(o.failed))).number == 0
        assert kernel.nft.read() is not None

    with_kernel(scene)


def test_a_node_that_is_on_no_network_of_this_one_is_told_and_all_else_is_in_force(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(enforce, "REACH_SECONDS", 0.01)

    async def scene(kernel: Kernel) -> None:
        far = Node(name=NodeName("far"), addresses=("203.0.113.9",), pod_cidrs=("10.244.9.0/24",))
        seen = msgspec.structs.replace(view(A), nodes={"far": far})
        kernel.views.put(Numbered(number=1, view=seen))
        told = (await outcome_of(kernel.loop, at(1))).failed
        hop = "its next hop 203.0.113.9 is on no network of this node"
        sentence = f"no route to 10.244.9.0/24: {hop}; the fabric routed needs every node on one L2"
        assert kernel.loop.far == tuple(told.values()) == (sentence,)
        assert kernel.nft.read() is not None
        kernel.links.networks = ("203.0.113.0/24",)
        assert await outcome_of(kernel.loop, lambda o: not o.failed) == Outcome(number=1)

    with_kernel(scene)


def test_what_others_took_away_of_the_nodes_net_is_put_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(enforce, "LOOK_SECONDS", 0.01)

    async def scene(kernel: Kernel) -> None:
        kernel.views.put(numbered(1, A))
        await outcome_of(kernel.loop, at(1))
        wanted, kernel.links.net = kernel.links.net, NodeNet()
        while kernel.links.net != wanted:  # noqa: ASYNC110 - the kernel tells nobody
            await asyncio.sleep(0.005)

    with_kernel(scene)


def test_the_table_of_the_bridge_comes_with_the_first_pod_on_it_and_goes_with_the_last() -> None:
    async def scene(kernel: Kernel) -> None:
        seen = view(A)
        on_bridge = tuple(msgspec.structs.replace(p, segment=True, mac="02:00:00:00:00:01") for p in seen.pods)
        kernel.views.put(Numbered(number=1, view=msgspec.structs.replace(seen, pods=on_bridge)))
        await outcome_of(kernel.loop, at(1))
        table = kernel.segment.read()
        assert table is not None
        assert table.family == "bridge"
        kernel.views.put(Numbered(number=2, view=seen))
        await outcome_of(kernel.loop, at(2))
        assert kernel.segment.read() is None

    with_kernel(scene)


def test_only_the_newest_view_is_put_in_force() -> None:
    async def scene(kernel: Kernel) -> None:
        for number in (1, 2, 3):
            kernel.views.put(numbered(number, *(A, B)[: number - 1]))
        await outcome_of(kernel.loop, at(3))
        assert [now for *_, now in kernel.applied] == [view(A, B)]

    with_kernel(scene)


def test_a_view_that_changes_nothing_in_the_kernel_is_acknowledged_without_a_transaction() -> None:
    async def scene(kernel: Kernel) -> None:
        kernel.views.put(numbered(1, A))
        await outcome_of(kernel.loop, at(1))
        kernel.views.put(numbered(2, A))
        await outcome_of(kernel.loop, at(2))
        assert kernel.nft.applied == 1
        assert kernel.links.calls.count("apply_node") == 1
        assert len(kernel.applied) == 1

    with_kernel(scene)


# Envoy.


class Envoy:
    """A fake Envoy on a board: it asks for everything and answers by `refuses` (name -> words)."""

    def __init__(self, board: Board, client: str = "envoy") -> None:
        self.board = board
        self.refuses: dict[str, str] = {}
        self.silent = False
        self.held: dict[tuple[str, str], Encoded] = {}
        self.stream: Stream = board.opened(client, Session(ORDER))
        for url in ORDER:
            self.stream.inbox.append(Request(type_url=url, subscribe=("*",), node=client))
        self.stream.wake.set()

    async def run(self, log: list[str]) -> None:
        while True:
            await self.stream.wake.wait()
            for response in self.board.note(self.stream, self._act(self.stream.step())):
                self._answer(response, log)

    def _act(self, actions: list[Action]) -> list[Action]:
        assert all(isinstance(a, Response | Accepted | Refused) for a in actions)
        return actions

    def _answer(self, response: Response, log: list[str]) -> None:
        if self.silent:
            return
        bad = {r.name: self.refuses[r.name] for r in response.resources if r.name in self.refuses}
        for resource in response.resources:
            if resource.name not in bad:
                self.held[response.type_url, resource.name] = resource
                log.append(f"+ {resource.name}")
        for name in response.removed:
            self.held.pop((response.type_url, name), None)
            log.append(f"- {name}")
        error = "; ".join(bad.values()) if bad else None
        self.stream.inbox.append(Request(type_url=response.type_url, nonce=response.nonce, error=error))
        self.stream.wake.set()


class Told(FakeNft):
    """A pod's table that writes into a log when it changes."""

    def __init__(self, netns: str, log: list[str]) -> None:
        super().__init__()
        self._netns, self._log = netns.rpartition("/")[2], log

    def apply(self, delta: Any) -> None:
        super().apply(delta)
        self._log.append(f"capture {self._netns}")

    def remove(self) -> None:
        super().remove()
        self._log.append(f"release {self._netns}")


class Mesh:
    """An Envoy loop over fakes, and what happened in which order."""

    def __init__(self) -> None:
        self.board = Board()
        self.log: list[str] = []
        self.tables: dict[str, Told] = {}
        self.watch = FakePodsWatch()
        self.drift = PodDrift(self.watch, FixedClock(), str.upper)
        self.captures = Captures(self._table, self.drift, self._deliver)
        self.beside: dict[tuple[str, str], str] = {}
        self.loop = EnvoyLoop("envoy", self.board, self.captures, beside=lambda: self.beside)
        self.views: Views = Cell(None)
        self.envoy = Envoy(self.board)

    async def _deliver(self, netns: str, versions: tuple[int, ...]) -> None:
        del netns, versions

    def _table(self, netns: str) -> Told:
        self.tables[netns] = Told(netns, self.log)
        return self.tables[netns]


def with_mesh(scene: Callable[[Mesh], Awaitable[None]]) -> None:
    async def play() -> None:
        mesh = Mesh()
        async with asyncio.TaskGroup() as tasks:
            running = [
                tasks.create_task(mesh.loop.run(mesh.views)),
                tasks.create_task(mesh.envoy.run(mesh.log)),
            ]
            await scene(mesh)
            for task in running:
                task.cancel()

    asyncio.run(play())


def test_traffic_is_captured_after_the_listeners_are_there() -> None:
    async def scene(mesh: Mesh) -> None:
        mesh.views.put(numbered(1, A))
        assert await outcome_of(mesh.loop, at(1)) == Outcome(number=1)
        assert mesh.log.index("capture a") > max(mesh.log.index("+ in/uid-a"), mesh.log.index("+ out/uid-a"))

    with_mesh(scene)


def test_traffic_is_released_before_the_listeners_go() -> None:
    """A pod that leaves the mesh while it runs."""

    async def scene(mesh: Mesh) -> None:
        mesh.views.put(numbered(1, A))
        await outcome_of(mesh.loop, at(1))
        left = msgspec.structs.replace(A, pod=msgspec.structs.replace(A.pod, meshed=False))
        mesh.views.put(numbered(2, left))
        await outcome_of(mesh.loop, at(2))
        assert mesh.log.index("release a") < mesh.log.index("- in/uid-a")
        assert mesh.tables[A.netns].read() is None

    with_mesh(scene)


def test_the_table_of_a_pod_that_is_gone_went_with_its_namespace() -> None:
    async def scene(mesh: Mesh) -> None:
        mesh.views.put(numbered(1, A))
        await outcome_of(mesh.loop, at(1))
        mesh.views.put(numbered(2))
        assert await outcome_of(mesh.loop, at(2)) == Outcome(number=2)
        assert "release a" not in mesh.log
        assert "- in/uid-a" in mesh.log

    with_mesh(scene)


def test_a_pod_outside_the_mesh_is_never_captured() -> None:
    async def scene(mesh: Mesh) -> None:
        mesh.views.put(numbered(1, attached("p", "10.244.0.9", meshed=False)))
        assert await outcome_of(mesh.loop, at(1)) == Outcome(number=1)
        assert (mesh.tables, mesh.log) == ({}, [])

    with_mesh(scene)


def test_what_envoy_refuses_is_told_by_manifest_and_holds_up_no_other() -> None:
    async def scene(mesh: Mesh) -> None:
        parts = (A, WEB, ROUTED, endpoints("web", endpoint(A, http=80)))
        (name,) = (n for n in compile_envoy(view(*parts)).resources[ROUTE] if n.startswith("rt/"))
        mesh.envoy.refuses[name] = f"route {name}: bad regex"
        mesh.views.put(numbered(1, *parts))
        outcome = await outcome_of(mesh.loop, at(1))
        assert set(outcome.failed) == {name}
        assert "bad regex" in outcome.failed[name]
        assert set(outcome.origins) == {RULE}
        assert (LISTENER, "out/uid-a") in mesh.envoy.held
        assert "capture a" in mesh.log

    with_mesh(scene)


def test_what_envoy_refuses_of_others_is_told_and_holds_up_nothing() -> None:
    async def scene(mesh: Mesh) -> None:
        mesh.envoy.refuses["PEERS"] = "PEERS: failed to load"
        mesh.board.publish("envoy", {SECRET: {"PEERS": Encoded("PEERS", "1", b"")}})
        mesh.beside = {(SECRET, "PEERS"): "1"}
        mesh.views.put(numbered(1, A))
        outcome = await outcome_of(mesh.loop, at(1))
        assert set(outcome.failed) == {"PEERS"}
        assert "failed to load" in outcome.failed["PEERS"]
        assert "capture a" in mesh.log

    with_mesh(scene)


def test_a_refusal_is_over_with_the_next_view_that_envoy_takes() -> None:
    async def scene(mesh: Mesh) -> None:
        mesh.envoy.refuses["in/uid-a"] = "in/uid-a: port in use"
        mesh.views.put(numbered(1, A))
        refused = await outcome_of(mesh.loop, at(1))
        assert "port in use" in refused.failed["in/uid-a"]
        mesh.envoy.refuses.clear()
        mesh.views.put(numbered(2, msgspec.structs.replace(A, pod=msgspec.structs.replace(A.pod, mtls=strict(0)))))
        assert await outcome_of(mesh.loop, at(2)) == Outcome(number=2)

    with_mesh(scene)


def test_a_refusal_of_a_listener_names_the_peerauthentication_behind_it() -> None:
    async def scene(mesh: Mesh) -> None:
        mesh.envoy.refuses["in/uid-a"] = "in/uid-a: no"
        mesh.views.put(numbered(1, attached("a", "10.244.0.2", mtls=strict(0))))
        assert set((await outcome_of(mesh.loop, at(1))).origins) == {PEER_AUTH}

    with_mesh(scene)


def test_what_protobuf_does_not_take_is_told_by_manifest_and_holds_up_no_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def compiled(of: NodeView) -> Snapshot:
        found = {url: dict(named) for url, named in compile_envoy(of).resources.items()}
        found[ROUTE]["bad"] = Resource(name="bad", body={"no_such_field": 1}, origins=frozenset({RULE}))
        return Snapshot(resources=found)

    async def scene(mesh: Mesh) -> None:
        mesh.views.put(numbered(1, A))
        outcome = await outcome_of(mesh.loop, at(1))
        assert set(outcome.failed) == {"bad"}
        assert "no_such_field" in outcome.failed["bad"]
        assert set(outcome.origins) == {RULE}
        assert (LISTENER, "out/uid-a") in mesh.envoy.held

    monkeypatch.setattr(enforce, "compile_envoy", compiled)
    with_mesh(scene)


def test_an_envoy_that_does_not_answer_is_told_and_traffic_is_captured_all_the_same() -> None:
    """Connections fail then, which is better than going round the mesh."""

    async def scene(mesh: Mesh) -> None:
        mesh.envoy.silent = True
        mesh.views.put(numbered(1, A))
        outcome = await outcome_of(mesh.loop, at(1))
        assert "has not accepted within" in outcome.failed[SILENT]
        assert "capture a" in mesh.log

    with_mesh(scene)


def test_a_capture_that_the_kernel_refuses_is_tried_again() -> None:
    async def scene(mesh: Mesh) -> None:
        table = Told(A.netns, mesh.log)
        table.fail_next(DriverError("namespace is busy"))
        mesh.captures._captured[A.container_id] = A.netns, table
        mesh.views.put(numbered(1, A))
        outcome = await outcome_of(mesh.loop, at(1))
        assert outcome.failed == {f"capture/{A.container_id}": "namespace is busy"}
        assert (await outcome_of(mesh.loop, lambda o: not o.failed)).number == 1
        assert table.read() is not None

    with_mesh(scene)


def test_a_changed_node_prefix_changes_what_is_exempt_from_capture() -> None:
    async def scene(mesh: Mesh) -> None:
        mesh.views.put(numbered(1, A))
        await outcome_of(mesh.loop, at(1))
        moved = msgspec.structs.replace(view(A), node=msgspec.structs.replace(NODE, pod_cidrs=("10.244.7.0/24",)))
        mesh.views.put(Numbered(number=2, view=moved))
        await outcome_of(mesh.loop, at(2))
        assert mesh.log.count("capture a") == 2
        assert "10.244.7.1" in str(mesh.tables[A.netns].read())

    with_mesh(scene)


async def put_back(mesh: Mesh) -> None:
    """Somebody changes the table of A; returns once that is repaired."""
    changed = Change(things=("chain mesh-out removed",), process="nft", pid=7)
    mesh.watch.happen(PodChange(netns=A.netns, table=TABLE, change=changed))
    async with asyncio.TaskGroup() as tasks, asyncio.timeout(3):
        watching = tasks.create_task(mesh.drift.run())
        while mesh.drift.status()["repaired"] < 1:  # noqa: ASYNC110
            await asyncio.sleep(0.001)
        watching.cancel()


def test_what_others_changed_does_not_wait_for_an_envoy_that_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(enforce, "ENVOY_TIMEOUT", 30.0)

    async def scene(mesh: Mesh) -> None:
        mesh.views.put(numbered(1, A))
        await outcome_of(mesh.loop, at(1))
        mesh.envoy.silent = True
        mesh.views.put(numbered(2, A, B))
        await asyncio.sleep(0.01)
        await put_back(mesh)
        assert mesh.loop.outcome.value.number == 1
        assert mesh.tables[A.netns].applied == 2

    with_mesh(scene)
