"""What nodes and controllers tell control, and what it tells others: names of containers, Events about objects."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from controlling import ControlLab, with_control
from tandem.base.ids import NodeName
from tandem.ir.names import Names
from tandem.model.kinds import BY_KIND
from tandem.runtime.reports import Report, encode
from unit.runtime.test_canaries import Scene, scene
from unit.runtime.test_control import CLUSTER, node, policy, routed

Events = set[tuple[str, str, str, str]]


async def events(lab: ControlLab) -> Events:
    """(about, type, reason, message) of each."""
    found, _ = await lab.kube.list(BY_KIND["Event"])
    return {(_about(e["involvedObject"]), e["type"], e["reason"], e["message"]) for e in found}


def _about(reference: dict[str, str]) -> str:
    return f"{reference['kind']} {reference.get('namespace', '')}/{reference['name']}"


def told(lab: ControlLab, *wanted: tuple[str, str, str, str]) -> Callable[[], Awaitable[bool]]:
    async def look() -> bool:
        return set(wanted) <= await events(lab)

    return look


def test_names_that_a_node_tells_reach_every_node_until_it_is_lost() -> None:
    """What is written in the Node outlives its agent, and control; a node that is lost answers for nothing."""

    async def scene(lab: ControlLab) -> None:
        first, second = lab.agent("n1"), lab.agent("n2")
        pairs = (("db.tandem", "10.244.0.8"), ("db.tandem", "10.244.0.9"))
        lab.control._report("n1", encode(Report(names=pairs)))

        async def told() -> bool:
            return second.of(Names) == {"n1": Names(node=NodeName("n1"), pairs=pairs)}

        await lab.until(told)
        first.leave()
        assert await told()
        lost = {"status": {"conditions": [{"type": "Ready", "status": "Unknown"}]}}
        await lab.kube.patch(BY_KIND["Node"], "", "n1", lost, subresource="status")

        async def nobody() -> bool:
            return not second.of(Names)

        await lab.until(nobody)
        lab.control._report("n1", encode(Report(names=())))

        async def clean() -> bool:
            return "tandem.io/network-names" not in (await lab.object("Node", "n1", ""))["metadata"]["annotations"]

        await lab.until(clean)

    with_control((node("n1"), node("n2")), scene)


def test_what_translation_refuses_becomes_an_event_once() -> None:
    bad = routed("web")
    bad["spec"]["http"][0]["route"][0]["destination"]["host"] = "nowhere"

    async def play(lab: ControlLab) -> None:
        async def refused() -> Events:
            return {e for e in await events(lab) if e[0] == "VirtualService shop/v"}

        ((_, kind, reason, message),) = await lab.until(refused)
        assert (kind, reason) == ("Warning", "HostNotFound")
        assert message.startswith("spec.http[0]")
        assert "nowhere" in message
        (event,) = (await lab.kube.list(BY_KIND["Event"], "shop"))[0]
        raw = await lab.object("VirtualService", "v")
        assert event["involvedObject"]["uid"] == raw["metadata"]["uid"]
        await lab.kube.create(BY_KIND["NetworkPolicy"], policy("another"))
        agent = lab.agent("n1")

        async def translated_again() -> bool:
            return "another" in str(agent.values)

        await lab.until(translated_again)
        await lab.control.events.settle()
        assert [e["count"] for e in (await lab.kube.list(BY_KIND["Event"], "shop"))[0]] == [1]

    with_control((*CLUSTER, bad), play)


def test_what_a_node_refuses_becomes_an_event_in_its_words() -> None:
    async def play(lab: ControlLab) -> None:
        lab.agent("n2")
        agent = lab.agent("n1", eager=False)
        agent.refuses["shop/web"] = "bad regex"
        agent.answer()
        await lab.until(told(lab, ("VirtualService shop/v", "Warning", "NotProgrammed", "node n1: bad regex")))

    with_control((*CLUSTER, routed("web")), play)


def test_the_steps_of_a_canary_become_events_and_a_roll_back_a_warning() -> None:
    async def play(s: Scene) -> None:
        await s.begun()
        await s.interval(good=10, bad=40)
        status = await s.settle(phase="RolledBack")
        about = "Canary shop/web"
        steps = [("Normal", h) for h in status["history"][:-1]] + [("Warning", status["history"][-1])]
        assert [h["reason"] for _, h in steps][:2] == ["Began", "StepBegan"]
        await s.lab.until(told(s.lab, *((about, kind, h["reason"], h["message"]) for kind, h in steps)))

    scene(play)
