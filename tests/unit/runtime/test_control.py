"""The control plane over a fake API, with nodes that the tests play."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest

from controlling import CLOCK, ControlLab, with_control
from tandem.base.clock import rfc3339
from tandem.drivers.ca import wire as ca
from tandem.drivers.ca.keys import new_request
from tandem.ingest.errors import ApiError
from tandem.ir import announcement as calls
from tandem.ir import pieces
from tandem.ir.announcement import Announcement, decode_known
from tandem.ir.fabric import LocalPod, MeshConfig, Node, Service
from tandem.ir.mesh import RouteTable
from tandem.ir.policy import AddressGroup, PolicySet
from tandem.model.kinds import BY_KIND
from tandem.model.meta import RawObject
from tandem.observe.flow import Flow, Layer, Party, Verdict
from tandem.runtime import control
from tandem.runtime.draining import DRAINED
from tandem.runtime.reports import Report, encode
from working import calls_of

PROGRAMMED = {"type": "Programmed", "status": "True"}
PENDING = {"type": "Programmed", "status": "False"}


def node(name: str) -> RawObject:
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name},
        "spec": {"podCIDR": "10.244.0.0/24"},
        "status": {"addresses": [{"type": "InternalIP", "address": "192.0.2.1"}]},
    }


def pod(name: str, address: str, on: str = "n1", **metadata: Any) -> RawObject:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": "shop", "uid": f"u-{name}", "labels": {"app": name}, **metadata},
        "spec": {"nodeName": on, "serviceAccountName": name, "containers": [{"name": "c", "image": "host"}]},
        "status": {"phase": "Running", "podIP": address, "podIPs": [{"ip": address}]},
    }


def routed(*hosts: str, name: str = "v") -> RawObject:
    http = [{"route": [{"destination": {"host": hosts[0]}}]}]
    return {
        "apiVersion": "networking.istio.io/v1",
        "kind": "VirtualService",
        "metadata": {"name": name, "namespace": "shop"},
        "spec": {"hosts": list(hosts), "http": http},
    }


def policy(name: str = "p", **spec: Any) -> RawObject:
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": name, "namespace": "shop"},
        "spec": {"podSelector": {}, **spec},
    }


SHOP: RawObject = {
    "apiVersion": "v1",
    "kind": "Namespace",
    "metadata": {"name": "shop", "labels": {"tandem.io/mesh": "enabled"}},
}
SERVICE: RawObject = {
    "apiVersion": "v1",
    "kind": "Service",
    "metadata": {"name": "web", "namespace": "shop"},
    "spec": {
        "clusterIP": "10.96.0.20",
        "clusterIPs": ["10.96.0.20"],
        "selector": {"app": "web"},
        "ports": [{"name": "http", "port": 80}],
    },
}
WEB, FAR = pod("web", "10.244.0.5"), pod("far", "10.244.1.5", on="n2")
CLUSTER = (SHOP, node("n1"), node("n2"), WEB, FAR, SERVICE)


def piece(*addresses: str) -> RawObject:
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {"name": "web-1", "namespace": "shop", "labels": {"kubernetes.io/service-name": "web"}},
        "addressType": "IPv4",
        "endpoints": [
            {"addresses": [a], "conditions": {"ready": True}, "targetRef": {"kind": "Pod", "name": "web"}}
            for a in addresses
        ],
        "ports": [{"name": "http", "port": 80, "protocol": "TCP"}],
    }


@pytest.fixture(autouse=True)
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(control, "RETRY_SECONDS", 0.01)


# What nodes are sent.


def test_each_node_is_sent_its_own_pods_and_what_all_share() -> None:
    async def scene(lab: ControlLab) -> None:
        one, two = lab.agent("n1"), lab.agent("n2")
        assert set(one.of(LocalPod)) == {"u-web"}
        assert set(two.of(LocalPod)) == {"u-far"}
        for agent in (one, two):
            assert set(agent.of(Node)) == {"n1", "n2"}
            assert set(agent.of(Service)) == {"shop/web"}
            assert set(agent.of(MeshConfig)) == {"mesh"}

    with_control(CLUSTER, scene)


def test_a_stranger_is_sent_nothing() -> None:
    async def scene(lab: ControlLab) -> None:
        assert lab.agent("n9").values == {}

    with_control(CLUSTER, scene)


def test_a_change_sends_only_what_changed() -> None:
    async def scene(lab: ControlLab) -> None:
        agent = lab.agent("n1", eager=False)
        agent.answer()
        await lab.kube.create(BY_KIND["VirtualService"], routed("web"))

        async def sent() -> Any:
            return agent.open

        (update,) = await lab.until(sent)
        assert list(update.resources) == ["shop/web"]
        assert agent.of(RouteTable)["shop/web"].routes

    with_control(CLUSTER, scene)


def test_a_node_that_left_the_cluster_is_forgotten() -> None:
    async def scene(lab: ControlLab) -> None:
        lab.agent("n2")
        await lab.kube.delete(BY_KIND["Node"], "", "n2")

        async def gone() -> Any:
            return lab.control.ledger.nodes == ("n1",)

        await lab.until(gone)

    with_control(CLUSTER, scene)


# What becomes of objects.


def test_an_object_is_programmed_when_every_concerned_node_has_acknowledged() -> None:
    async def scene(lab: ControlLab) -> None:
        one, two = lab.agent("n1"), lab.agent("n2", eager=False)
        waiting = await lab.condition("VirtualService", "v", {**PENDING, "message": "waiting for node n2"})
        assert waiting["reason"] == "Pending"
        two.answer()
        done = await lab.condition("VirtualService", "v", PROGRAMMED)
        assert done["lastTransitionTime"] == rfc3339(CLOCK.now())
        assert one.open == []

    with_control((*CLUSTER, routed("web")), scene)


def test_a_node_that_is_away_is_named() -> None:
    async def scene(lab: ControlLab) -> None:
        lab.agent("n1")
        found = await lab.condition("NetworkPolicy", "p", PENDING)
        assert found["message"] == "node n2 is not connected"
        agent = lab.agent("n2")
        await lab.condition("NetworkPolicy", "p", PROGRAMMED)
        agent.leave()

    with_control((*CLUSTER, policy()), scene)


def test_a_refusal_reaches_the_object_in_the_nodes_words() -> None:
    async def scene(lab: ControlLab) -> None:
        lab.agent("n2")
        agent = lab.agent("n1", eager=False)
        agent.refuses["shop/web"] = "bad regex"
        agent.answer()
        await lab.condition("VirtualService", "v", {**PENDING, "message": "refused by node n1: bad regex"})
        assert lab.control.ledger.versions("n1")[2]

    with_control((*CLUSTER, routed("web")), scene)


def test_what_translation_refuses_is_not_accepted_and_says_why() -> None:
    async def scene(lab: ControlLab) -> None:
        lab.agent("n1")
        await lab.condition("VirtualService", "v", {"type": "Accepted", "status": "False"})
        key = ("VirtualService", "shop", "v")
        assert any(t.startswith("spec.http[0]") and "nowhere" in t for t in lab.control.errors_of(key))
        assert lab.control.errors_of(("VirtualService", "shop", "w")) == []

    bad = routed("web")
    bad["spec"]["http"][0]["route"][0]["destination"]["host"] = "nowhere"
    with_control((*CLUSTER, bad), scene)


def test_status_that_the_api_refused_is_written_again(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scene(lab: ControlLab) -> None:
        real = lab.kube.patch

        async def once(*_: Any, **__: Any) -> RawObject:
            monkeypatch.setattr(lab.kube, "patch", real)
            raise ApiError(500, "InternalError", "disk")

        monkeypatch.setattr(lab.kube, "patch", once)
        lab.agent("n1")
        lab.agent("n2")
        await lab.condition("NetworkPolicy", "p", PROGRAMMED)

    with_control((*CLUSTER, policy()), scene)


def test_an_object_that_was_deleted_meanwhile_is_no_failure() -> None:
    async def scene(lab: ControlLab) -> None:
        assert await lab.control._patch("NetworkPolicy", "shop", "gone", {}, subresource="status")

    with_control(CLUSTER, scene)


def test_status_that_is_right_is_not_written_again() -> None:
    async def scene(lab: ControlLab) -> None:
        for name in ("n1", "n2"):
            lab.agent(name)
        await lab.condition("NetworkPolicy", "p", PROGRAMMED)
        before = (await lab.object("NetworkPolicy", "p"))["metadata"]["resourceVersion"]
        lab.control._settled.set()
        lab.control.ledger.revision += 1
        await asyncio.sleep(0.02)
        assert (await lab.object("NetworkPolicy", "p"))["metadata"]["resourceVersion"] == before

    with_control((*CLUSTER, policy()), scene)


# Pods that go.


async def drained(lab: ControlLab) -> Any:
    return (await lab.object("Pod", "web"))["metadata"].get("annotations", {}).get(DRAINED)


def test_a_pod_is_drained_when_every_node_has_acknowledged_that_it_is_no_endpoint() -> None:
    async def scene(lab: ControlLab) -> None:
        one, two = lab.agent("n1"), lab.agent("n2", eager=False)
        two.answer()
        await lab.kube.delete(BY_KIND["Pod"], "shop", "web", grace_seconds=30)
        await asyncio.sleep(0.02)
        assert await drained(lab) is None
        two.turn()
        two.answer()
        await lab.kube.replace(BY_KIND["EndpointSlice"], piece())

        async def told() -> Any:
            return two.open

        await lab.until(told)
        await asyncio.sleep(0.02)
        assert await drained(lab) is None
        assert one.open == []
        two.answer()
        await lab.until(lambda: drained(lab))

    with_control((*CLUSTER, piece("10.244.0.5")), scene)


def test_a_node_that_is_away_holds_up_no_drain() -> None:
    async def scene(lab: ControlLab) -> None:
        lab.agent("n1")
        await lab.kube.delete(BY_KIND["Pod"], "shop", "web", grace_seconds=30)
        await lab.until(lambda: drained(lab))

    with_control(CLUSTER, scene)


def test_a_pod_that_stays_is_not_drained() -> None:
    async def scene(lab: ControlLab) -> None:
        lab.agent("n1")
        lab.agent("n2")
        await lab.condition("NetworkPolicy", "p", PROGRAMMED)
        assert await drained(lab) is None

    with_control((*CLUSTER, policy()), scene)


# Advice.


def test_advice_names_the_field_before_the_object_is_stored() -> None:
    async def scene(lab: ControlLab) -> None:
        (text,) = lab.control.advise(policy(ingress=[{"from": []}]))
        assert text.startswith("spec.ingress[0]")
        assert "every source" in text
        assert lab.control.advise(policy(ingress=[])) == []

    with_control(CLUSTER, scene)


def test_advice_is_about_the_object_itself_and_changes_nothing() -> None:
    async def scene(lab: ControlLab) -> None:
        assert lab.control.advise(routed("web", name="fine")) == []
        assert lab.control.advise(WEB) == []
        assert lab.control.advise({"kind": "Banana"}) == []
        assert {v.metadata.name for v in lab.control.world.objects() if v.kind == "VirtualService"} == {"v"}

    bad = routed("web")
    bad["spec"]["http"][0]["route"][0]["destination"]["host"] = "nowhere"
    with_control((*CLUSTER, bad), scene)


@pytest.mark.parametrize(
    "stored", [policy(podSelector={"matchLabels": {"app": "web"}}, ingress=[{"from": []}]), routed("web", name="more")]
)
def test_advice_costs_what_the_object_is_about_and_not_the_world(stored: RawObject) -> None:
    def work(pods: int) -> int:
        found = 0

        async def scene(lab: ControlLab) -> None:
            nonlocal found
            lab.control.advise(routed("web", name="first"))
            found = calls_of(lambda: lab.control.advise(stored))

        others = (pod(f"p{n}", f"10.244.{2 + (n >> 8)}.{n & 255}", "n2") for n in range(pods))
        with_control((*CLUSTER, *others), scene)
        return found

    assert work(160) <= work(40) * 1.5


def test_before_the_first_synchronisation_there_is_no_advice() -> None:
    async def scene() -> None:
        assert ControlLab(*CLUSTER).control.advise(policy(ingress=[{"from": []}])) == []

    asyncio.run(scene())


# What nodes ask and report.


def test_a_node_may_hold_the_identities_of_its_own_pods_only() -> None:
    async def scene(lab: ControlLab) -> None:
        identity = "spiffe://cluster.local/ns/shop/sa/web"
        _, request = new_request(identity)
        assert ca.decode_response(await lab.control._sign("n1", ca.encode(request))).chain
        with pytest.raises(PermissionError, match="node n2"):
            await lab.control._sign("n2", ca.encode(request))

    with_control(CLUSTER, scene)


def test_before_the_first_translation_nobody_is_signed_for() -> None:
    async def scene() -> None:
        _, request = new_request("spiffe://cluster.local/ns/shop/sa/web")
        with pytest.raises(PermissionError):
            await ControlLab().control._sign("n1", ca.encode(request))

    asyncio.run(scene())


def flow(source: Party, destination: Party) -> Flow:
    return Flow(
        time=1.0,
        node="n1",
        verdict=Verdict.DENIED,
        layer=Layer.L4,
        protocol="TCP",
        source=source,
        destination=destination,
        reporter="kernel",
    )


def test_ends_of_a_flow_get_the_names_that_their_addresses_have_in_the_cluster() -> None:
    async def scene(lab: ControlLab) -> None:
        far, known = Party(address="10.244.1.5", port=7), Party(address="10.244.0.5", pod="as told", namespace="n")
        lab.control._report("n1", encode(Report(flows=(flow(far, known), flow(Party(address="8.8.8.8"), Party())))))
        _, (first, second) = lab.control.reports.since(0)
        assert first.source == msgspec.structs.replace(far, namespace="shop", pod="far")
        assert first.destination == known
        assert second.source == Party(address="8.8.8.8")

    with_control(CLUSTER, scene)


def late(uid: str) -> RawObject:
    """A pod whose status has no address yet."""
    made = pod("late", "10.244.0.77")
    return {**made, "metadata": {**made["metadata"], "uid": uid}, "status": {"phase": "Pending"}}


@pytest.mark.parametrize("largest", [pieces.LARGEST, 1])
def test_an_announced_address_is_answered_when_every_node_has_it_in_force(
    largest: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pieces, "LARGEST", largest)  # of one address: the group is sent in pieces

    async def scene(lab: ControlLab) -> None:
        lab.agent("n1")
        far = lab.agent("n2", eager=False)
        assert far.of(MeshConfig)["mesh"].announces
        far.answer()
        request = calls.encode(Announcement(uid="u-late", addresses=("10.244.0.77",)))
        async with asyncio.TaskGroup() as tasks:
            asked = tasks.create_task(lab.control._announce("n1", request))

            async def sent() -> bool:
                return any("10.244.0.77" in group.addresses for group in far.of(AddressGroup).values())

            await lab.until(sent)
            await asyncio.sleep(0.02)
            assert not asked.done()
            far.answer()
            assert decode_known(await asked).groups == 1
        again = await lab.control._announce("n1", request)
        assert decode_known(again).groups == 1
        with pytest.raises(PermissionError, match="u-late"):
            await lab.control._announce("n2", request)

    with_control((*CLUSTER, late("u-late"), policy("p", ingress=[{"from": [{"podSelector": {}}]}])), scene)


def test_what_no_rule_is_about_is_answered_at_once() -> None:
    async def scene(lab: ControlLab) -> None:
        agent = lab.agent("n1", eager=False)
        assert not agent.of(MeshConfig)["mesh"].announces
        request = calls.encode(Announcement(uid="u-late", addresses=("10.244.0.77",)))
        assert decode_known(await lab.control._announce("n1", request)).groups == 0

    with_control((*CLUSTER, late("u-late")), scene)


def test_a_report_that_cannot_be_read_is_dropped() -> None:
    async def scene(lab: ControlLab) -> None:
        lab.control._report("n1", b"{")
        lab.control._report("n1", b'{"flows": 7}')
        assert lab.control.reports.since(0) == (0, ())

    with_control(CLUSTER, scene)


def test_a_policy_that_is_not_understood_isolates_says_so_and_opens_again() -> None:
    async def scene(lab: ControlLab) -> None:
        node = lab.agent("n1")
        lab.agent("n2")
        await lab.condition("NetworkPolicy", "q", {"type": "Accepted", "status": "False", "reason": "NotUnderstood"})
        found = await lab.object("NetworkPolicy", "q")
        (accepted,) = [c for c in found["status"]["conditions"] if c["type"] == "Accepted"]
        assert "spec.ingress[0].from[0].serviceSelector: unknown field" in accepted["message"]
        (pod,) = node.of(LocalPod).values()
        assert node.of(PolicySet)[pod.ingress].rules == ()
        await lab.kube.replace(BY_KIND["NetworkPolicy"], policy("q", ingress=[{}]))
        await lab.condition("NetworkPolicy", "q", {"type": "Accepted", "status": "True"})
        node.turn()
        (pod,) = node.of(LocalPod).values()
        assert len(node.of(PolicySet)[pod.ingress].rules) == 1

    closed = policy("q", ingress=[{"from": [{"serviceSelector": {}}]}])
    with_control((SHOP, node("n1"), node("n2"), pod("web", "10.244.0.2"), closed), scene)


def test_an_object_that_cannot_be_read_is_among_the_problems() -> None:
    async def scene(lab: ControlLab) -> None:
        seen = -1
        while True:
            seen, translation = await lab.control.translation.after(seen)
            if translation is not None:
                break
        assert [(p.at.kind, p.at.name, p.at.path, p.code) for p in translation.problems] == [
            ("Service", "web", "spec.ports", "NotUnderstood")
        ]

    broken = {**SERVICE, "spec": {"ports": 80}}
    with_control((SHOP, node("n1"), broken), scene)
