"""The read models over HTTP."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette

from controlling import ControlLab, with_control
from tandem.model.meta import RawObject
from tandem.observe.flow import Flow, Layer, Party, Verdict
from tandem.runtime.api import ROOT, _follow, routes
from tandem.runtime.reports import Report, encode
from tandem.views.flows import Query

NODE: RawObject = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n1"}, "spec": {"podCIDR": "10.244.0.0/24"}}
POD: RawObject = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "web", "namespace": "shop", "uid": "u-web", "labels": {"tandem.io/mesh": "enabled"}},
    "spec": {"nodeName": "n1", "containers": [{"name": "c", "image": "host"}]},
    "status": {"phase": "Running", "podIP": "10.244.0.5", "podIPs": [{"ip": "10.244.0.5"}]},
}
BAD: RawObject = {
    "apiVersion": "networking.istio.io/v1",
    "kind": "VirtualService",
    "metadata": {"name": "bad", "namespace": "shop", "annotations": {"tandem.io/source": "bad.yaml:1"}},
    "spec": {"hosts": ["web"], "http": [{"route": [{"destination": {"host": "nowhere"}}]}]},
}
POLICY: RawObject = {
    "apiVersion": "networking.k8s.io/v1",
    "kind": "NetworkPolicy",
    "metadata": {"name": "p", "namespace": "shop"},
    "spec": {"podSelector": {}},
}


def client(lab: ControlLab | None) -> httpx.AsyncClient:
    app = Starlette(routes=routes(lambda: lab.control if lab is not None else None))
    return httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://test")


async def get(lab: ControlLab | None, view: str, **query: str) -> tuple[int, Any]:
    async with client(lab) as http:
        answer = await http.get(f"{ROOT}/{view}", params=query)
        return answer.status_code, answer.json()


def flow(number: int, verdict: Verdict = Verdict.ALLOWED, pod: str = "web", namespace: str = "shop") -> Flow:
    return Flow(
        time=float(number),
        node="n1",
        verdict=verdict,
        layer=Layer.L4,
        protocol="TCP",
        source=Party(address="10.0.0.1", pod=pod, namespace=namespace),
        destination=Party(address="10.0.0.2"),
        reporter="kernel",
    )


def test_before_control_has_seen_the_cluster_it_says_try_again() -> None:
    async def scene() -> None:
        for lab in (None, ControlLab()):
            code, answer = await get(lab, "status")
            assert code == 503
            assert "try again" in answer["message"]

    asyncio.run(scene())


def test_an_unknown_view_is_told_what_there_is() -> None:
    async def scene(lab: ControlLab) -> None:
        code, answer = await get(lab, "nonsense")
        assert code == 404
        assert answer["message"] == "no view named 'nonsense': status, flows, explain, addresses, counts"

    with_control((NODE,), scene)


def test_status_tells_how_far_nodes_and_objects_are() -> None:
    async def scene(lab: ControlLab) -> None:
        agent = lab.agent("n1", eager=False)
        lab.control.reports.add("n1", encode(Report(status={"pid": 7, "envoy": {"pid": 8, "ready": True}})))
        code, answer = await get(lab, "status")
        assert code == 200
        (node,) = answer["nodes"]
        assert (node["agent"], node["pods"]) == ({"connected": True, "pid": 7}, 1)
        assert node["resources"]["accepted"] == 0 < node["resources"]["sent"]
        objects = {o["name"]: o for o in answer["objects"]}
        assert not objects["p"]["programmed"]
        assert objects["p"]["message"] == "waiting for node n1"
        assert "nowhere" in objects["bad"]["message"]
        (pod,) = answer["pods"]
        assert (pod["mesh"], pod["identity"]) == (True, "spiffe://cluster.local/ns/shop/sa/default")
        assert {p["origin"]["name"] for p in answer["problems"]} >= {"bad"}
        agent.answer()
        _, answer = await get(lab, "status")
        assert {o["name"]: o["programmed"] for o in answer["objects"]} == {"p": True, "bad": False}
        (node,) = answer["nodes"]
        assert node["resources"]["accepted"] == node["resources"]["sent"]

    with_control((NODE, POD, BAD, POLICY), scene)


@pytest.mark.parametrize(
    ("query", "times"),
    [
        ({}, [1, 2, 3]),
        ({"denied": "true"}, [2]),
        ({"namespace": "bank"}, [3]),
        ({"pod": "web"}, [1, 2]),
        ({"last": "1"}, [3]),
        ({"last": "0"}, []),
        ({"last": "many"}, [1, 2, 3]),
        ({"denied": "true", "pod": "db"}, []),
    ],
)
def test_flows_are_those_that_were_asked_for(query: dict[str, str], times: list[int]) -> None:
    async def scene(lab: ControlLab) -> None:
        flows = (flow(1), flow(2, Verdict.DENIED), flow(3, pod="db", namespace="bank"))
        lab.control.reports.add("n1", encode(Report(flows=flows)))
        _, answer = await get(lab, "flows", **query)
        assert [f["time"] for f in answer["flows"]] == times

    with_control((NODE,), scene)


def test_followed_flows_come_as_they_happen_one_a_line() -> None:
    async def scene(lab: ControlLab) -> None:
        lab.control.reports.add("n1", encode(Report(flows=(flow(1),))))
        position, kept = lab.control.reports.since(0)
        lines = _follow(lab.control, Query(denied=True), position, [f for f in kept if f.verdict is Verdict.DENIED])
        reports = (Report(flows=(flow(2),)), Report(flows=(flow(3, Verdict.DENIED), flow(4, Verdict.DENIED))))
        for number, report in enumerate(reports):
            asyncio.get_running_loop().call_later(0.01 * number, lab.control.reports.add, "n1", encode(report))
        chunk = await asyncio.wait_for(anext(lines), 10)
        assert [json.loads(line)["time"] for line in chunk.splitlines()] == [3, 4]

    with_control((NODE,), scene)


def test_explain_answers_and_wrong_words_are_a_bad_request() -> None:
    async def scene(lab: ControlLab) -> None:
        code, answer = await get(lab, "explain", **{"from": "192.0.2.7", "to": "shop/web:80"})
        assert code == 200
        assert not answer["allowed"]
        assert [r["name"] for r in answer["decided_by"]] == ["p"]
        code, answer = await get(lab, "explain", **{"from": "shop/gone", "to": "shop/web:80"})
        assert (code, answer["reason"]) == (400, "BadRequest")
        assert answer["message"].startswith("no Pod shop/gone")

    with_control((NODE, POD, POLICY), scene)
