"""The value behind `tandem status`."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from builders import pod
from tandem.base.problems import Origin, Problem, Severity
from tandem.model import core
from tandem.model.meta import Condition, Meta
from tandem.model.world import World
from tandem.views.health import Delivery, Membership, ObjectState, status

READY = (Condition(type="Ready", status="True"),)
NODE = core.Node(
    api_version="v1",
    kind="Node",
    metadata=Meta(name="n1"),
    spec=core.NodeSpec(pod_cidr="10.244.0.0/24"),
    status=core.NodeStatus(
        addresses=(
            core.NodeAddress(type="Hostname", address="n1"),
            core.NodeAddress(type="InternalIP", address="192.0.2.1"),
        ),
        conditions=READY,
    ),
)
GOOD = Delivery(connected=True, sent=3, accepted=3)
REPORT = {
    "pid": 7,
    "envoy": {"pid": 8, "version": "1.40.0", "ready": True, "restarts": 1},
    "dns": {"pid": 9, "version": "1.17.1", "ready": True, "adopted": False, "restarts": 0},
}
NOTHING: dict[str, Any] = {"deliveries": {}, "reports": {}, "memberships": {}, "objects": (), "problems": ()}


def node(world: World, **parts: Any) -> dict[str, Any]:
    (found,) = status(world, **(NOTHING | parts))["nodes"]
    return dict(found)


def test_a_node_is_ready_when_kubelet_agent_envoy_and_dns_are_and_nothing_is_refused() -> None:
    found = node(World.of([NODE]), deliveries={"n1": GOOD}, reports={"n1": REPORT})
    assert found["ready"]
    assert (found["address"], found["addresses"]) == ("192.0.2.1", ["192.0.2.1"])
    assert found["agent"] == {"connected": True, "pid": 7}
    assert (found["envoy"], found["dns"]) == (REPORT["envoy"], REPORT["dns"])
    assert found["resources"] == {"sent": 3, "accepted": 3, "refused": []}


@pytest.mark.parametrize(
    ("conditions", "delivery", "report"),
    [
        ((), GOOD, REPORT),
        (READY, msgspec.structs.replace(GOOD, connected=False), REPORT),
        (READY, msgspec.structs.replace(GOOD, refused=("RouteTable a: bad",)), REPORT),
        (READY, GOOD, {**REPORT, "envoy": {"pid": 0, "ready": False}}),
        (READY, GOOD, {**REPORT, "dns": {"pid": 0, "ready": False}}),
        (READY, GOOD, {**REPORT, "bgp": {"pid": 0, "ready": False, "sessions": []}}),
        (READY, GOOD, {**REPORT, "encryption": {"ready": False, "peers": []}}),
        (READY, GOOD, {}),
    ],
    ids=["kubelet", "agent", "refused", "Envoy", "DNS", "BGP", "encryption", "never reported"],
)
def test_one_thing_that_is_missing_makes_it_unready(
    conditions: tuple[Condition, ...], delivery: Delivery, report: dict[str, Any]
) -> None:
    sick = msgspec.structs.replace(NODE, status=msgspec.structs.replace(NODE.status, conditions=conditions))
    assert not node(World.of([sick]), deliveries={"n1": delivery}, reports={"n1": report})["ready"]


def test_a_node_that_nobody_heard_of_has_every_field() -> None:
    found = node(World.of([NODE]))
    assert found["agent"] == {"connected": False, "pid": 0}
    assert found["envoy"] == {"pid": 0, "version": "", "ready": False, "restarts": 0}
    assert found["dns"] == {"pid": 0, "version": "", "ready": False, "adopted": False, "restarts": 0}
    assert (found["certificates"], found["problems"]) == ([], [])
    assert (found["network"]["fabric"], found["network"]["paths"]) == ("", [])


def test_finished_pods_are_not_counted_at_their_node() -> None:
    world = World.of([NODE, pod("a", node="n1"), pod("b", node="n1", phase="Failed"), pod("c", node="n2")])
    assert node(world)["pods"] == 1


def only_pod(one: core.Pod, member: Membership | None = None) -> dict[str, Any]:
    memberships = {one.metadata.uid: member} if member is not None else {}
    (found,) = status(World.of([one]), **(NOTHING | {"memberships": memberships}))["pods"]
    return dict(found)


def test_a_pod_outside_the_mesh_shows_no_identity() -> None:
    identity = "spiffe://cluster.local/ns/n/sa/s"
    assert only_pod(pod("a"), Membership(identity=identity, meshed=True))["identity"] == identity
    found = only_pod(pod("a"), Membership(identity=identity, meshed=False))
    assert (found["mesh"], found["identity"]) == (False, "")
    assert not only_pod(pod("a"))["mesh"]


def test_a_deleted_pod_is_terminating() -> None:
    one = pod("a")
    gone = msgspec.structs.replace(one, metadata=msgspec.structs.replace(one.metadata, deletion_timestamp="2026"))
    assert only_pod(gone)["phase"] == "Terminating"


def test_a_pod_says_why_it_waits() -> None:
    one = pod("a", phase="Pending")
    waiting = (Condition(type="PodScheduled", status="False", message="no node has room"),)
    told = msgspec.structs.replace(one, status=msgspec.structs.replace(one.status, conditions=waiting))
    assert only_pod(told)["message"] == "no node has room"


@pytest.mark.parametrize(
    ("observed", "ready", "updated", "shown"), [(1, 2, 2, 2), (1, 2, 1, 1), (0, 2, 2, 0)], ids=["done", "mixed", "old"]
)
def test_a_deployment_counts_ready_pods_of_its_newest_template(
    observed: int, ready: int, updated: int, shown: int
) -> None:
    made = core.Deployment(
        api_version="apps/v1",
        kind="Deployment",
        metadata=Meta(name="d", namespace="n", generation=1),
        spec=core.DeploymentSpec(replicas=2),
        status=core.DeploymentStatus(observed_generation=observed, ready_replicas=ready, updated_replicas=updated),
    )
    (found,) = status(World.of([made]), **NOTHING)["deployments"]
    assert found == {"namespace": "n", "name": "d", "wanted": 2, "ready": shown}


def test_problems_and_objects_are_json_ready() -> None:
    at = Origin(kind="VirtualService", namespace="n", name="v", path="spec.http[0]", source="v.yaml:9")
    problems = (
        Problem(at=at, code="SubsetNotFound", text="no subset v1"),
        Problem(at=Origin(kind="A", name="x"), code="C", text="t", severity=Severity.WARNING),
    )
    state = ObjectState(kind="VirtualService", namespace="n", name="v", programmed=False, message="refused")
    found = status(World.of([]), **(NOTHING | {"problems": problems, "objects": (state,)}))
    msgspec.json.encode(found)
    assert found["objects"][0]["message"] == "refused"
    assert found["problems"][0]["origin"] == {
        "kind": "VirtualService",
        "namespace": "n",
        "name": "v",
        "path": "spec.http[0]",
        "source": "v.yaml:9",
    }
    assert "source" not in found["problems"][1]["origin"]
    assert found["problems"][1]["severity"] == "warning"
