"""Where a Service leads, and the answer in one line; whole ways are in test_explain.py and test_edges.py."""

from __future__ import annotations

import msgspec

from builders import pod, service
from tandem.base.problems import Origin
from tandem.model.core import Pod
from tandem.model.meta import Condition
from tandem.model.world import World
from tandem.reference.request import Share
from tandem.views.parties import Party
from tandem.views.ways import Way, endpoints, headless, summary

RULE = Origin(kind="NetworkPolicy", namespace="default", name="deny")


def ready(name: str, ip: str, *, yes: bool = True) -> Pod:
    made = pod(name, ip=ip, labels={"app": "web"}, ports={"web": 8080})
    condition = Condition(type="Ready", status="True" if yes else "False")
    return msgspec.structs.replace(made, status=msgspec.structs.replace(made.status, conditions=(condition,)))


def way(address: str, *, allowed: bool) -> Way:
    by = () if allowed else (RULE,)
    return Way(destination="web", address=address, port=80, allowed=allowed, transport="mtls", decided_by=by, steps=())


def test_endpoints_are_the_ready_pods_at_the_port_that_is_meant() -> None:
    web = service("web", ports=[{"name": "http", "port": 80, "targetPort": "web"}], selector={"app": "web"})
    world = World.of([web, ready("a", "10.244.0.5"), ready("b", "10.244.0.6", yes=False), pod("c", ip="10.244.0.7")])
    share = Share(namespace="default", service="web", port=80)
    assert [(end.address, end.port) for end in endpoints(world, share, 4)] == [("10.244.0.5", 8080)]
    for other in ({"port": 81}, {"service": "none"}, {"labels": {"version": "v2"}}):
        assert endpoints(world, msgspec.structs.replace(share, **other), 4) == []


def test_a_pods_own_address_may_be_that_of_a_headless_service() -> None:
    web = service("web", ip="None", ports=[{"name": "http", "port": 80, "targetPort": 8080}], selector={"app": "web"})
    world = World.of([web, ready("a", "10.244.0.5")])
    found = headless(world, Party(label="a", address="10.244.0.5", port=8080))
    assert (found.service if found is not None else "") == "web"
    assert headless(world, Party(label="a", address="10.244.0.5", port=81)) is None


def test_the_answer_in_one_line() -> None:
    ends = Party(label="a"), Party(label="b")
    good, bad = way("10.0.0.1", allowed=True), way("10.0.0.2", allowed=False)
    assert summary(*ends, (good,), status=0) == "a to b: allowed, mtls"
    assert summary(*ends, (bad,), status=0) == "a to b: denied by NetworkPolicy default/deny"
    assert summary(*ends, (good, bad), status=0).startswith("a to b: denied for 1 of 2 endpoints by")
    assert summary(*ends, (), status=404) == "a to b: answered with 404 by the proxy"
    assert summary(*ends, (), status=0) == "a to b: nobody is there to answer"
