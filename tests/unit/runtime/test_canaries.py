"""The loop over a fake API: what nodes tell becomes status; what is not heard holds; what others write is respected."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import msgspec
import pytest

from controlling import ControlLab, with_control
from tandem.base.clock import FixedClock
from tandem.ir.tally import Tallies, Tally
from tandem.model.canary import COMMAND, Canary
from tandem.model.gateways import CONTROLLER
from tandem.model.kinds import BY_KIND
from tandem.model.meta import RawObject
from tandem.runtime.canaries import PATIENCE, CanaryLoop
from tandem.runtime.reports import Report, encode
from unit.runtime.test_control import SHOP, node, pod

PORTS = [{"name": "http", "port": 80, "targetPort": 8080}]


def service(name: str) -> RawObject:
    spec = {"clusterIP": "10.96.0.9", "selector": {"app": name}, "ports": PORTS}
    meta = {"name": name, "namespace": "shop"}
    return {"apiVersion": "v1", "kind": "Service", "metadata": meta, "spec": spec}


def members(name: str, *addresses: str) -> RawObject:
    labels = {"kubernetes.io/service-name": name}
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {"name": f"{name}-1", "namespace": "shop", "labels": labels},
        "addressType": "IPv4",
        "ports": [{"name": "http", "port": 8080, "protocol": "TCP"}],
        "endpoints": [{"addresses": [a], "conditions": {"ready": True}} for a in addresses],
    }


CANARY: RawObject = {
    "apiVersion": "tandem.io/v1",
    "kind": "Canary",
    "metadata": {"name": "web", "namespace": "shop"},
    "spec": {
        "service": "web",
        "stable": {"service": "v1"},
        "canary": {"service": "v2"},
        "steps": [{"weight": 20}, {"weight": 60}],
        "analysis": {"interval": "10s", "minRequests": 10},
    },
}
OBJECTS = (
    SHOP,
    node("n1"),
    node("n2"),
    pod("a", "10.244.0.2"),
    pod("b", "10.244.1.2", on="n2"),
    *map(service, ("web", "v1", "v2")),
    members("v1", "10.244.0.7"),
    members("v2", "10.244.0.8"),
    CANARY,
)


class Scene:
    """Two nodes with clients; `hear` is a report of what they have counted since they began."""

    def __init__(self, lab: ControlLab) -> None:
        self.lab = lab
        self.clock = FixedClock()
        self.loop = CanaryLoop(lab.control, self.clock)
        self.agents = {name: lab.agent(name) for name in ("n1", "n2")}
        self.epochs = {"n1": "e", "n2": "e"}
        self.counted: dict[str, dict[str, Tally]] = {"n1": {}, "n2": {}}

    def hear(self, *nodes: str, good: int = 0, bad: int = 0) -> None:
        for name in nodes or ("n1", "n2"):
            sums = self.counted[name]
            for version, failed in (("shop/v1", 0), ("shop/v2", bad)):
                more = Tally(requests=good + failed, failed=failed, latencies={1: good + failed})
                sums[version] = sums.get(version, Tally()).plus(more)
            tallies = Tallies(epoch=self.epochs[name], counted={"shop/web": dict(sums)})
            self.lab.control.reports.add(name, encode(Report(tallies=tallies)))

    async def settle(self, **wanted: Any) -> Mapping[str, Any]:
        """Look until the status is as wanted, without any time going by."""

        async def look() -> Any:
            await self.loop.settle()
            status = (await self.lab.object("Canary", "web")).get("status", {})
            return status if wanted.items() <= status.items() else None

        found: Mapping[str, Any] = await self.lab.until(look)
        return found

    async def rest(self) -> Mapping[str, Any]:
        """What the status is after many looks in which nothing comes."""
        for _ in range(20):
            await self.loop.settle()
            for agent in self.lab.agents:
                agent.turn()
            await asyncio.sleep(0.001)
        found: Mapping[str, Any] = (await self.lab.object("Canary", "web"))["status"]
        return found

    async def begun(self) -> None:
        """The first step is in force on both nodes, and its first interval has begun."""
        self.hear()
        await self.settle(weight=20)
        await self.in_force()

    async def in_force(self) -> None:
        """The weight of the status is what both nodes have, and the loop knows it."""

        async def look() -> bool:
            await self.loop.settle()
            verdict = self.lab.control.ledger.verdict(("Canary", "shop", "web"))
            known = self.lab.control.translated.get(Canary, "shop", "web")
            raw = await self.lab.object("Canary", "web")
            same = known is not None and known.metadata.resource_version == raw["metadata"]["resourceVersion"]
            return same and verdict is not None and verdict.ok

        await self.lab.until(look)
        await self.loop.settle()

    async def interval(self, *heard: str, **did: int) -> None:
        """So long nodes count; then they are heard once more."""
        if all(agent.eager for agent in self.agents.values()):
            await self.in_force()
        self.hear(*heard, **did)
        await self.loop.settle()
        self.clock.advance(10 + PATIENCE)
        self.hear(*heard)


def scene(play: Callable[[Scene], Awaitable[None]], objects: tuple[RawObject, ...] = OBJECTS) -> None:
    async def with_lab(lab: ControlLab) -> None:
        await play(Scene(lab))

    with_control(objects, with_lab)


def test_good_intervals_lead_to_the_promotion_and_each_weight_reaches_the_tables() -> None:
    async def play(s: Scene) -> None:
        await s.begun()
        await s.interval(good=50)
        await s.settle(weight=60)
        await s.interval(good=50)
        found = await s.settle(weight=100, phase="Promoted")
        assert found["canaryFigures"]["requests"] == 100
        condition = await s.lab.condition("Canary", "web", {"type": "Promoted", "status": "True"})
        assert condition["reason"] == "Promoted"

    scene(play)


def test_failures_of_one_node_are_enough_to_go_back_within_the_interval() -> None:
    async def play(s: Scene) -> None:
        await s.begun()
        await s.interval("n1", good=5, bad=20)
        found = await s.settle(phase="RolledBack")
        assert (found["weight"], found["reason"]) == (0, "SuccessRateTooLow")

    scene(play)


def test_a_node_that_is_not_heard_holds_it() -> None:
    async def play(s: Scene) -> None:
        await s.begun()
        await s.interval("n1", good=500)
        assert (await s.settle(reason="NodesSilent"))["weight"] == 20
        s.agents["n2"].leave()
        s.clock.advance(10 + PATIENCE)
        s.hear("n1", good=500)
        assert (await s.rest())["weight"] == 20

    scene(play)


EDGE: tuple[RawObject, ...] = (
    node("n3"),
    {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "GatewayClass",
        "metadata": {"name": "tandem"},
        "spec": {"controllerName": CONTROLLER},
    },
    {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "Gateway",
        "metadata": {"name": "edge", "namespace": "shop"},
        "spec": {
            "gatewayClassName": "tandem",
            "addresses": [{"type": "IPAddress", "value": "192.0.2.65"}],
            "listeners": [{"name": "http", "port": 80, "protocol": "HTTP"}],
        },
    },
    {
        "apiVersion": "tandem.io/v1",
        "kind": "LoadBalancerPool",
        "metadata": {"name": "default"},
        "spec": {"addresses": ["192.0.2.64/28"]},
    },
)
TO_WEB: RawObject = {
    "apiVersion": "gateway.networking.k8s.io/v1",
    "kind": "HTTPRoute",
    "metadata": {"name": "web", "namespace": "shop"},
    "spec": {"parentRefs": [{"name": "edge"}], "rules": [{"backendRefs": [{"name": "web", "port": 80}]}]},
}


@pytest.mark.parametrize("sends", [True, False])
def test_a_node_that_serves_gateways_is_waited_for_where_they_send_to_the_service(*, sends: bool) -> None:
    """It has no pod of the mesh: requests come there from outside alone."""

    async def play(s: Scene) -> None:
        s.agents["n3"] = s.lab.agent("n3")
        s.epochs["n3"], s.counted["n3"] = "e", {}
        s.hear("n1", "n2", "n3")
        await s.settle(weight=20)
        await s.in_force()
        await s.interval(good=50)
        if sends:
            assert "n3" in (await s.settle(reason="NodesSilent"))["message"]
            s.hear("n3")
            await s.interval("n1", "n2", "n3", good=50)
        await s.settle(weight=60)

    scene(play, (*OBJECTS, *EDGE, *((TO_WEB,) if sends else ())))


def test_an_agent_that_began_anew_holds_it_for_that_interval_alone() -> None:
    async def play(s: Scene) -> None:
        await s.begun()
        s.epochs["n2"], s.counted["n2"] = "another", {}
        await s.interval(good=50)
        assert (await s.settle(reason="NodesSilent"))["weight"] == 20
        await s.interval(good=50)
        await s.settle(weight=60)

    scene(play)


def test_too_few_requests_make_the_interval_longer() -> None:
    async def play(s: Scene) -> None:
        await s.begun()
        await s.interval(good=3)
        assert (await s.settle(reason="TooFewRequests"))["weight"] == 20
        assert (await s.rest())["canaryFigures"]["requests"] == 6
        s.hear(good=3)
        await s.settle(weight=60)

    scene(play)


def test_control_that_begins_anew_goes_on_where_it_was() -> None:
    async def play(s: Scene) -> None:
        await s.begun()
        await s.interval(good=50)
        before = await s.settle(weight=60)
        s.loop = CanaryLoop(s.lab.control, s.clock)
        s.hear()
        kept = ("revision", "phase", "weight", "step", "stepStarted", "history")
        now = await s.rest()
        assert [now[k] for k in kept] == [before[k] for k in kept]
        await s.interval(good=50)
        await s.settle(phase="Promoted")

    scene(play)


def test_weights_that_a_node_has_not_in_force_are_not_judged_as_good() -> None:
    async def play(s: Scene) -> None:
        s.agents["n2"].eager = False
        s.hear()
        await s.settle(weight=20)
        await s.interval(good=50)
        assert (await s.settle(reason="NotInForce"))["weight"] == 20
        s.agents["n2"].eager = True
        s.agents["n2"].answer()
        await s.interval(good=50)
        await s.settle(weight=60)

    scene(play)


def test_a_command_is_done_and_taken_away() -> None:
    async def play(s: Scene) -> None:
        await s.begun()
        note = {"metadata": {"annotations": {COMMAND: "pause"}}}
        await s.lab.kube.patch(BY_KIND["Canary"], "shop", "web", note)
        found = await s.settle(phase="Paused", weight=20)
        assert found["reason"] == "PausedByHand"

        async def gone() -> bool:
            await s.loop.settle()
            raw = await s.lab.object("Canary", "web")
            return COMMAND not in raw["metadata"].get("annotations", {}) and "command" not in raw["status"]

        await s.lab.until(gone)
        await s.lab.kube.patch(BY_KIND["Canary"], "shop", "web", {"metadata": {"annotations": {COMMAND: "resume"}}})
        await s.settle(phase="Progressing", weight=20)

    scene(play)


def test_one_that_is_refused_says_so_and_waits() -> None:
    async def play(s: Scene) -> None:
        found = await s.settle(reason="Refused")
        assert (found["phase"], found["weight"]) == ("Waiting", 0)
        assert "no Service shop/v2" in found["message"]

    without = tuple(o for o in OBJECTS if o["metadata"]["name"] not in {"v2", "v2-1"})
    scene(play, without)


def test_the_status_keeps_what_it_was_written_with() -> None:
    async def play(s: Scene) -> None:
        await s.begun()
        await s.lab.condition("Canary", "web", {"type": "Programmed", "status": "True"})
        raw = await s.lab.object("Canary", "web")
        assert {c["type"] for c in raw["status"]["conditions"]} >= {"Accepted", "Programmed", "Progressing"}
        assert [e["reason"] for e in raw["status"]["history"]] == ["Began", "StepBegan"]
        assert msgspec.json.decode(msgspec.json.encode(raw["status"]))["stepStarted"].endswith("Z")

    scene(play)


@pytest.mark.parametrize("seconds", [86_400.0, -86_400.0])
def test_a_clock_that_is_set_neither_ends_a_step_nor_keeps_it(seconds: float) -> None:
    async def play(s: Scene) -> None:
        await s.begun()
        s.clock.set_by(seconds)
        await s.rest()
        assert (await s.settle(weight=20))["phase"] == "Progressing"
        await s.interval(good=50)
        await s.settle(weight=60)
        s.clock.set_by(seconds)
        await s.in_force()
        s.clock.advance(10 * 60 + 1)
        found = await s.settle(phase="RolledBack")
        assert found["reason"] == "ProgressDeadlineExceeded"

    scene(play)


def test_what_was_before_this_control_is_told_by_the_wall_clock() -> None:
    async def play(s: Scene) -> None:
        await s.begun()
        s.clock.advance(9 * 60)
        s.loop = CanaryLoop(s.lab.control, s.clock)
        s.hear()
        assert (await s.rest())["phase"] == "Progressing"
        s.clock.advance(61)
        assert (await s.settle(phase="RolledBack"))["reason"] == "ProgressDeadlineExceeded"

    scene(play)


def test_a_version_whose_endpoints_have_gone_is_not_kept_for_want_of_requests() -> None:
    async def play(s: Scene) -> None:
        await s.begun()
        await s.interval()
        await s.settle(reason="TooFewRequests")
        slice_ = BY_KIND["EndpointSlice"]
        for _ in range(2):  # away for less than an interval: a pod was replaced
            await s.lab.kube.patch(slice_, "shop", "v2-1", {"endpoints": []})
            await s.lab.until(lambda: _members(s, 0))
            await s.rest()
            s.clock.advance(9)
            assert (await s.rest())["phase"] == "Progressing"
            await s.lab.kube.patch(slice_, "shop", "v2-1", {"endpoints": members("v2", "10.244.0.8")["endpoints"]})
            await s.lab.until(lambda: _members(s, 1))
            await s.rest()
        await s.lab.kube.patch(slice_, "shop", "v2-1", {"endpoints": []})
        await s.lab.until(lambda: _members(s, 0))
        await s.rest()
        s.clock.advance(10)
        found = await s.settle(phase="RolledBack")
        assert (found["weight"], found["reason"]) == (0, "NoEndpoints")
        assert found["message"] == "the canary has had no ready endpoint for 10s"

    scene(play)


async def _members(s: Scene, count: int) -> bool:
    translation = s.lab.control.translation.value
    return translation is not None and len(translation.endpoints["shop/v2"].endpoints) == count
