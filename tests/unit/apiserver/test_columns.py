"""Rows of kubectl get."""

from __future__ import annotations

from typing import Any

import pytest

from tandem.apiserver.columns import COLUMNS, age, pod_status, table
from tandem.apiserver.records import Record
from tandem.base.clock import parse_rfc3339
from tandem.model.kinds import BY_KIND, KINDS

BORN = "2026-01-31T12:00:00Z"
NOW = parse_rfc3339(BORN) + 90


def record(kind: str, **fields: Any) -> Record:
    meta = {"name": "x", "namespace": "d", "resourceVersion": "1", "creationTimestamp": BORN}
    return Record(BY_KIND[kind], {"kind": kind, "metadata": meta, **fields})


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-1, "0s"),
        (119, "119s"),
        (120, "2m"),
        (190, "3m10s"),
        (700, "11m"),
        (11_000, "3h3m"),
        (36_000, "10h"),
        (200_000, "2d"),
    ],
)
def test_ages_are_written_as_kubectl_does(seconds: float, text: str) -> None:
    assert age(seconds) == text


@pytest.mark.parametrize("kind", [k for k in KINDS if k.name != "GroupEvent"], ids=lambda k: k.name)
def test_every_kind_has_columns_that_bear_an_empty_object(kind: Any) -> None:
    """Events are stored, and shown, as those of the core group."""
    made = table(kind.name, [record(kind.kind)], NOW, version="5")
    names = [c["name"] for c in made["columnDefinitions"]]
    named = kind.kind != "Event"
    assert names[0] == ("Name" if named else "Last Seen")
    assert len(made["rows"][0]["cells"]) == len(names) == len(COLUMNS[kind.name]) + named


def test_an_events_row_tells_when_it_happened_last_and_to_whom() -> None:
    happened = {
        "involvedObject": {"kind": "Pod", "name": "web", "fieldPath": "spec.containers{c}"},
        "lastTimestamp": "2026-01-31T12:01:00Z",
        "type": "Warning",
        "reason": "BackOff",
        "message": "Back-off\n",
        "count": 3,
        "source": {"component": "tandem-runtime", "host": "n1"},
    }
    assert table("Event", [record("Event", **happened)], NOW, version="5")["rows"][0]["cells"] == [
        "30s", "Warning", "BackOff", "pod/web", "spec.containers{c}", "tandem-runtime, n1", "Back-off", "3", "x",
    ]  # fmt: skip


def test_a_pods_row() -> None:
    raw = {
        "spec": {"containers": [{}, {}], "nodeName": "n1"},
        "status": {
            "phase": "Running",
            "podIP": "10.244.0.5",
            "containerStatuses": [{"ready": True, "restartCount": 2}],
        },
    }
    assert table("Pod", [record("Pod", **raw)], NOW, version="5")["rows"][0]["cells"] == [
        "x", "1/2", "Running", 2, "90s", "10.244.0.5", "n1",
    ]  # fmt: skip


def test_a_pods_status_tells_why_it_waits() -> None:
    waiting = {"containerStatuses": [{"state": {"waiting": {"reason": "CrashLoopBackOff"}}}], "phase": "Running"}
    assert pod_status({"metadata": {}, "status": waiting}) == "CrashLoopBackOff"
    assert pod_status({"metadata": {"deletionTimestamp": BORN}, "status": waiting}) == "Terminating"
    assert pod_status({"metadata": {}}) == "Pending"


def test_whole_objects_are_put_in_when_asked_for() -> None:
    made = record("ConfigMap", data={"a": "b"})
    assert table("ConfigMap", [made], NOW, version="5", whole=True)["rows"][0]["object"] is made.raw
    assert table("ConfigMap", [made], NOW, version="5")["rows"][0]["object"]["kind"] == "PartialObjectMetadata"


def test_conditions_of_routes_come_from_their_parents() -> None:
    status = {"parents": [{"conditions": [{"type": "Accepted", "status": "True"}]}]}
    assert table("HTTPRoute", [record("HTTPRoute", status=status)], NOW, version="5")["rows"][0]["cells"][2] == "True"


def test_nodes_and_slices_are_summed_up() -> None:
    node = record("Node", status={"conditions": [{"type": "Ready", "status": "True"}]}, spec={"unschedulable": True})
    assert table("Node", [node], NOW, version="5")["rows"][0]["cells"][1] == "Ready,SchedulingDisabled"
    piece = record("EndpointSlice", endpoints=[{"addresses": [str(i)]} for i in range(5)], ports=[{"port": 80}])
    assert table("EndpointSlice", [piece], NOW, version="5")["rows"][0]["cells"][2:4] == ["80", "0,1,2 + 2 more..."]


@pytest.mark.parametrize(
    ("spec", "given", "external", "ports"),
    [
        ({"type": "ClusterIP", "ports": [{"port": 80}]}, [], "<none>", "80/TCP"),
        ({"type": "ClusterIP", "externalIPs": ["192.0.2.7"]}, [], "192.0.2.7", "<none>"),
        ({"type": "ExternalName", "externalName": "db.example"}, [], "db.example", "<none>"),
        ({"type": "NodePort", "ports": [{"port": 80, "nodePort": 30080}]}, [], "<none>", "80:30080/TCP"),
        ({"type": "LoadBalancer", "ports": [{"port": 53, "protocol": "UDP"}]}, [], "<pending>", "53/UDP"),
        (
            {"type": "LoadBalancer", "externalIPs": ["192.0.2.7"]},
            ["198.51.100.65", "2001:db8::1"],
            "198.51.100.65,2001:db8::1,192.0.2.7",
            "<none>",
        ),
    ],
)
def test_a_service_shows_where_it_is_reached_from_outside(
    spec: dict[str, Any], given: list[str], external: str, ports: str
) -> None:
    status = {"loadBalancer": {"ingress": [{"ip": address} for address in given]}}
    _, _, _, *cells = table("Service", [record("Service", spec=spec, status=status)], NOW, version="5")["rows"][0][
        "cells"
    ]
    assert cells[:2] == [external, ports]
