from __future__ import annotations

from typing import Any

import pytest

from tandem.cluster.endpoints import MANAGED_LABEL, MANAGER, SERVICE_LABEL, publish_endpoints
from tandem.cluster.writes import Create, Delete, Patch
from tandem.model.meta import Object
from tandem.model.parse import parse
from tandem.model.world import World


def service(**spec: Any) -> Object:
    body = {"selector": {"app": "web"}, "clusterIP": "10.96.0.9", "ports": [{"port": 80, "targetPort": 8080}], **spec}
    return parse(
        {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web", "namespace": "n", "uid": "s"}, "spec": body}
    )


def pod(
    name: str, ip: str = "10.244.0.2", *, ready: bool = True, phase: str = "Running", **more: dict[str, Any]
) -> Object:
    return parse(
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": name, "namespace": "n", "uid": name, "labels": {"app": "web"}, **more.get("meta", {})},
            "spec": {"nodeName": "node-1", "containers": [{"name": "c"}], **more.get("spec", {})},
            "status": {
                "phase": phase,
                "podIP": ip,
                "podIPs": [{"ip": ip}] if ip else [],
                "conditions": [{"type": "Ready", "status": str(ready)}],
                **more.get("status", {}),
            },
        }
    )


def created(*objects: Object) -> list[dict[str, Any]]:
    writes = publish_endpoints(World.of(objects))
    assert all(isinstance(w, Create) for w in writes)
    return [w.raw for w in writes if isinstance(w, Create)]


def one(*objects: Object) -> dict[str, Any]:
    (raw,) = created(*objects)
    return raw


def test_a_slice_names_service_manager_node_and_pod() -> None:
    raw = one(service(), pod("a"))
    assert raw["metadata"]["labels"] == {SERVICE_LABEL: "web", MANAGED_LABEL: MANAGER}
    assert raw["ports"] == [{"name": "", "port": 8080, "protocol": "TCP"}]
    assert raw["endpoints"] == [
        {
            "addresses": ["10.244.0.2"],
            "conditions": {"ready": True, "serving": True, "terminating": False},
            "targetRef": {"kind": "Pod", "namespace": "n", "name": "a", "uid": "a"},
            "nodeName": "node-1",
        }
    ]


@pytest.mark.parametrize(
    ("ready", "terminating", "publish", "want"),
    [
        (True, False, False, (True, True, False)),
        (False, False, False, (False, False, False)),
        (True, True, False, (False, True, True)),
        (False, True, False, (False, False, True)),
        (False, False, True, (True, False, False)),
        (True, True, True, (True, True, True)),
    ],
)
def test_conditions_are_those_of_kubernetes(
    *, ready: bool, terminating: bool, publish: bool, want: tuple[bool, bool, bool]
) -> None:
    meta = {"deletionTimestamp": "2026-01-01T00:00:00Z"} if terminating else {}
    raw = one(service(publishNotReadyAddresses=publish), pod("a", ready=ready, meta=meta))
    conditions = raw["endpoints"][0]["conditions"]
    assert (conditions["ready"], conditions["serving"], conditions["terminating"]) == want


def test_pods_without_address_and_finished_pods_are_left_out() -> None:
    assert one(service(), pod("a", ""), pod("b", phase="Failed"))["endpoints"] == []


def test_a_service_without_selector_has_no_slice_of_ours() -> None:
    assert created(service(selector={}), pod("a")) == []


def test_a_named_target_port_makes_a_slice_for_each_number() -> None:
    def named(number: int) -> dict[str, Any]:
        return {"containers": [{"name": "c", "ports": [{"name": "http", "containerPort": number}]}]}

    raws = created(
        service(ports=[{"name": "web", "port": 80, "targetPort": "http"}]),
        pod("a", "10.244.0.2", spec=named(8080)),
        pod("b", "10.244.0.3", spec=named(9090)),
        pod("c", "10.244.0.4"),
    )
    got = {tuple(p["port"] for p in r["ports"]): [e["targetRef"]["name"] for e in r["endpoints"]] for r in raws}
    assert got == {(): ["c"], (8080,): ["a"], (9090,): ["b"]}
    assert len({r["metadata"]["name"] for r in raws}) == 3


def test_two_families_make_a_slice_each() -> None:
    raws = created(
        service(clusterIPs=["10.96.0.9", "fd00::9"]),
        pod("a", status={"podIPs": [{"ip": "10.244.0.2"}, {"ip": "fd01::2"}]}),
    )
    assert {r["addressType"]: r["endpoints"][0]["addresses"] for r in raws} == {
        "IPv4": ["10.244.0.2"],
        "IPv6": ["fd01::2"],
    }


def test_a_slice_holds_at_most_a_hundred_endpoints() -> None:
    pods = [pod(f"p{i:03}", f"10.244.{i // 250}.{i % 250}") for i in range(205)]
    assert sorted(len(r["endpoints"]) for r in created(service(), *pods)) == [5, 100, 100]


def test_a_host_network_pod_is_an_endpoint_with_the_address_of_its_node() -> None:
    raw = one(service(), pod("a", "192.0.2.1", spec={"hostNetwork": True}))
    assert raw["endpoints"][0]["addresses"] == ["192.0.2.1"]


def test_an_equal_slice_is_not_written_again() -> None:
    objects = [service(), pod("a")]
    assert publish_endpoints(World.of([*objects, parse(one(*objects))])) == ()


def test_a_change_of_readiness_patches_the_endpoints_only() -> None:
    before = parse(one(service(), pod("a")))
    (write,) = publish_endpoints(World.of([service(), pod("a", ready=False), before]))
    assert isinstance(write, Patch)
    assert set(write.patch) == {"endpoints"}


def test_the_slices_of_a_removed_service_go() -> None:
    before = parse(one(service(), pod("a")))
    (write,) = publish_endpoints(World.of([pod("a"), before]))
    assert isinstance(write, Delete)


def test_slices_of_others_are_left_alone() -> None:
    raw = one(service(), pod("a"))
    raw["metadata"]["labels"][MANAGED_LABEL] = "somebody-else"
    assert publish_endpoints(World.of([parse(raw)])) == ()


def zoned(zone: str) -> Object:
    meta = {"name": "node-1", "labels": {"topology.kubernetes.io/zone": zone}}
    return parse({"apiVersion": "v1", "kind": "Node", "metadata": meta})


def test_endpoints_tell_their_zone_and_the_hints_that_the_service_asks_for() -> None:
    near = service(trafficDistribution="PreferClose")
    (write,) = publish_endpoints(World.of([near, pod("a"), zoned("z1")]))
    assert isinstance(write, Create)
    (endpoint,) = write.raw["endpoints"]
    assert (endpoint["zone"], endpoint["hints"]) == ("z1", {"forZones": [{"name": "z1"}]})
    known = [parse(write.raw)]
    assert publish_endpoints(World.of([near, pod("a"), zoned("z1"), *known])) == ()
    (patch,) = publish_endpoints(World.of([near, pod("a"), zoned("z2"), *known]))
    assert isinstance(patch, Patch)
    assert patch.patch["endpoints"][0]["hints"] == {"forZones": [{"name": "z2"}]}
