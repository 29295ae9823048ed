"""Pods are replaced, scaled and killed under load: not one request fails, and nobody sleeps in a preStop hook for it.

The applications die the moment that they are told to. Clients speak HTTP/1.1 over connections that they keep, HTTP/2,
and gRPC with streams; whatever is not a whole answer is a failure.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from e2e.lab import Lab, lab, until
from e2e.load import load, rpc, shop
from e2e.objects import Raw, deployment, virtual_service, web

pytestmark = pytest.mark.root


def versions(name: str, body: Raw, *, replicas: int = 3) -> Raw:
    made = deployment("shop", name, body, replicas=replicas)
    made["spec"]["strategy"] = {"rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}
    made["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] = 20
    return made


@pytest.fixture(scope="module")
def world() -> Iterator[Lab]:
    """A Service of HTTP and one of gRPC; clients of the mesh on both nodes."""
    with lab() as made:
        made.tandem("up", "--detach", "--nodes", "2", status=0)
        made.apply(*shop(versions("web", web("one")), versions("rpc", rpc("one"))))
        yield made


def pods(world: Lab, app: str) -> list[Any]:
    found = world.get("shop", "pods")["items"]
    return [p for p in found if p["metadata"]["labels"].get("app") == app]


def alone(world: Lab, name: str, number: int, body: str) -> Any:
    """Until so many pods, all of that body, are all there is of a Deployment."""

    def whole(found: list[Any]) -> bool:
        names = [p["spec"]["containers"][0]["env"][0]["value"] for p in found]
        return names == [body] * number and all("deletionTimestamp" not in p["metadata"] for p in found)

    return until(lambda: pods(world, name), whole, world.logs)


def test_a_rolling_update_loses_no_request(world: Lab) -> None:
    with load(world) as requests:
        world.apply(versions("web", web("two")), versions("rpc", rpc("two")))
        for name in ("web", "rpc"):
            alone(world, name, 3, "two")
    assert requests.failures == []
    assert min(requests.answers["one"], requests.answers["two"]) > 20


def test_scaling_down_and_up_loses_no_request(world: Lab) -> None:
    with load(world) as requests:
        for number in (1, 3):
            world.apply(versions("web", web("two"), replicas=number), versions("rpc", rpc("two"), replicas=number))
            for name in ("web", "rpc"):
                alone(world, name, number, "two")
    assert requests.failures == []
    assert requests.answers["two"] > 40


def test_deleted_pods_lose_no_request(world: Lab) -> None:
    with load(world) as requests:
        for name in ("web", "rpc"):
            world.delete("-n", "shop", "pod", pods(world, name)[0]["metadata"]["name"])
        world.settled()
    assert requests.failures == []


RETRIES: Raw = {"attempts": 5, "retryOn": "5xx,reset,connect-failure,refused-stream,unavailable,cancelled,internal"}


def test_killed_applications_lose_no_request_that_may_be_asked_again(world: Lab) -> None:
    for name in ("web", "rpc"):
        http: list[Raw] = [{"route": [{"destination": {"host": name}}], "retries": RETRIES}]
        world.apply(virtual_service("shop", name, http))
    with load(world) as requests:
        for name in ("web", "rpc"):
            victim = pods(world, name)[0]["metadata"]["name"]
            world.inside("shop", victim, "sh", "-c", "kill -9 -1")
        world.settled()
    assert [f for f in requests.failures if " 1 " not in f] == []
