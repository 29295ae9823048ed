"""A StatefulSet with real pods: one after the other, names that stay, and addresses that follow pods under them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Final

import pytest
import yaml

from e2e.lab import Lab, lab, until
from e2e.objects import Raw, deployment, idle, namespace, pod, service, web

pytestmark = pytest.mark.root

DOMAIN: Final = "db.app.svc.cluster.local"
SLOW: Final = ["sh", "-c", "echo $$$$ > /dev/shm/$NAME; sleep 2; exec /usr/bin/python3 /app/web.py"]
"""Not ready before two seconds have passed: times are told in whole ones."""


def database(replicas: int, **spec: Any) -> list[Raw]:
    """A StatefulSet `db` whose pods say their names, and the headless Service that governs it."""
    governing = service("app", "db", port=8080)
    governing["spec"]["clusterIP"] = "None"
    made = deployment("app", "db", web(), replicas=replicas)
    body = made["spec"]["template"]["spec"]["containers"][0]
    body["command"] = SLOW
    body["env"] = [{"name": "NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}]
    made["kind"] = "StatefulSet"
    made["spec"] |= {"serviceName": "db", **spec}
    return [governing, made]


@pytest.fixture(scope="module")
def world() -> Iterator[Lab]:
    with lab() as made:
        made.tandem("up", "--detach", "--nodes", "2", status=0)
        made.apply(*namespace("app"), pod("app", "client", idle()), *database(3), seconds=60)
        yield made


def pods(world: Lab) -> dict[str, Any]:
    """Those of the set by name, without those that are on their way out."""
    found = world.get("app", "pods")["items"]
    return {
        p["metadata"]["name"]: p
        for p in found
        if p["metadata"]["labels"].get("app") == "db" and "deletionTimestamp" not in p["metadata"]
    }


def ready(found: Any) -> str:
    """Since when it is; empty: it is not."""
    conditions = {c["type"]: c for c in found.get("status", {}).get("conditions", ())}
    return conditions["Ready"]["lastTransitionTime"] if conditions.get("Ready", {}).get("status") == "True" else ""


def all_ready(world: Lab, *names: str) -> dict[str, Any]:
    return until(lambda: pods(world), lambda seen: set(seen) == {*names} and all(map(ready, seen.values())), world.logs)


def address_of(world: Lab, name: str) -> str:
    """What the client's resolver says; empty: there is no such name."""
    return world.inside("app", "client", "getent", "ahostsv4", name).out.partition(" ")[0]


def speaks(world: Lab, name: str) -> str:
    """Which pod answers by this name; empty: none."""
    answer = world.curl("app", "client", f"http://{name}:8080/")
    return str(json.loads(answer.out.splitlines()[0])["name"]) if answer.status == 0 else ""


def test_each_pod_is_made_once_the_one_before_it_is_ready(world: Lab) -> None:
    found = all_ready(world, "db-0", "db-1", "db-2")
    for earlier, later in (("db-0", "db-1"), ("db-1", "db-2")):
        assert ready(found[earlier]) <= found[later]["metadata"]["creationTimestamp"]
        assert found[earlier]["metadata"]["creationTimestamp"] < found[later]["metadata"]["creationTimestamp"]


def test_each_pod_has_a_name_of_its_own_for_others_and_for_itself(world: Lab) -> None:
    found = all_ready(world, "db-0", "db-1", "db-2")
    for name, one in found.items():
        assert address_of(world, f"{name}.db") == one["status"]["podIP"]
        assert speaks(world, f"{name}.{DOMAIN}") == name
        assert world.inside("app", name, "hostname").out.strip() == name
        assert world.inside("app", name, "hostname", "-f").out.strip() == f"{name}.{DOMAIN}"
        back = world.inside("app", "client", "getent", "hosts", one["status"]["podIP"]).out.split()
        assert back[1:] == [f"{name}.{DOMAIN}"]
    everyone = world.inside("app", "client", "getent", "ahostsv4", "db").out.split()
    assert {one["status"]["podIP"] for one in found.values()} <= set(everyone)


def test_a_pod_that_is_deleted_comes_back_under_its_name_at_an_address_that_nobody_has_just_had(world: Lab) -> None:
    before = all_ready(world, "db-0", "db-1", "db-2")
    world.delete("-n", "app", "pod", "db-1")
    after = until(
        lambda: all_ready(world, "db-0", "db-1", "db-2"),
        lambda seen: seen["db-1"]["metadata"]["uid"] != before["db-1"]["metadata"]["uid"],
        world.logs,
    )
    addresses = {name: one["status"]["podIP"] for name, one in after.items()}
    assert addresses["db-1"] not in {one["status"]["podIP"] for one in before.values()}
    assert all(addresses[name] == before[name]["status"]["podIP"] for name in ("db-0", "db-2"))
    until(lambda: address_of(world, "db-1.db"), lambda found: found == addresses["db-1"], world.logs)
    assert speaks(world, "db-1.db") == "db-1"


def test_a_container_that_ends_begins_again_in_its_pod_at_the_same_address(world: Lab) -> None:
    before = all_ready(world, "db-0", "db-1", "db-2")["db-0"]
    world.inside("app", "db-0", "sh", "-c", "kill -9 $(cat /dev/shm/db-0)")  # which goes with its container

    def again(seen: dict[str, Any]) -> bool:
        return seen["db-0"]["status"]["containerStatuses"][0]["restartCount"] > 0 and bool(ready(seen["db-0"]))

    after = until(lambda: pods(world), again, world.logs)["db-0"]
    assert after["metadata"]["uid"] == before["metadata"]["uid"]
    assert after["status"]["podIP"] == before["status"]["podIP"] == address_of(world, "db-0.db")
    until(lambda: speaks(world, "db-0.db"), lambda name: name == "db-0", world.logs)


def test_who_asks_for_a_name_before_its_pod_is_ready_gets_it_where_the_service_publishes_it(world: Lab) -> None:
    """Peers of a database find each other before any of them is ready."""
    never = deployment("app", "early", idle(), replicas=1)
    never["kind"], never["spec"]["serviceName"] = "StatefulSet", "early"
    body = never["spec"]["template"]["spec"]["containers"][0]
    body["readinessProbe"] = {"exec": {"command": ["false"]}, "periodSeconds": 1}
    governing = service("app", "early", port=8080)
    governing["spec"] |= {"clusterIP": "None", "publishNotReadyAddresses": True}
    raw = "\n---\n".join(map(json.dumps, (governing, never)))
    world.tandem("apply", "-f", "-", stdin=raw, status=0)
    try:
        until(lambda: address_of(world, "early-0.early"), bool, world.logs)
    finally:
        world.delete("-n", "app", "statefulset", "early")
        world.delete("-n", "app", "service", "early")


def test_the_last_one_leaves_first_and_its_name_with_it_and_comes_back_in_order(world: Lab) -> None:
    all_ready(world, "db-0", "db-1", "db-2")
    seen: list[set[str]] = []

    def look() -> set[str]:
        seen.append(set(pods(world)))
        return seen[-1]

    world.tandem("apply", "-f", "-", stdin=yaml.safe_dump_all(database(1)), status=0)
    until(look, lambda found: found == {"db-0"}, world.logs)
    assert {"db-0", "db-2"} not in seen
    until(lambda: (address_of(world, "db-1.db"), address_of(world, "db-2.db")), lambda a: a == ("", ""), world.logs)
    assert address_of(world, "db-0.db")
    world.apply(*database(3), seconds=60)
    found = all_ready(world, "db-0", "db-1", "db-2")
    assert ready(found["db-1"]) <= found["db-2"]["metadata"]["creationTimestamp"]
    wanted = {name: one["status"]["podIP"] for name, one in found.items()}
    until(lambda: {name: address_of(world, f"{name}.db") for name in wanted}, lambda a: a == wanted, world.logs)


def test_with_parallel_nobody_waits(world: Lab) -> None:
    world.delete("-n", "app", "statefulset", "db")
    until(lambda: pods(world), lambda seen: not seen, world.logs)
    world.apply(*database(3, podManagementPolicy="Parallel"), seconds=60)
    found = all_ready(world, "db-0", "db-1", "db-2")
    assert max(one["metadata"]["creationTimestamp"] for one in found.values()) < min(map(ready, found.values()))
