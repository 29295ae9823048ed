"""Three nodes, of which one loses its processes or its cable: the others go on, and it comes back."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from typing import Any

import pytest

from e2e.lab import Lab, lab, until
from e2e.objects import idle, namespace, pod, service, web
from e2e.probing import probe
from tandem.base.digest import digest
from tandem.runtime.kernelstate import Picture

pytestmark = pytest.mark.root
LOST = "node-3"
CABLE = "tdul2"
POOL = "198.18.116.192/28"
"""On the underlay, of which this machine is a neighbour."""
BEFORE: list[Picture] = []


@pytest.fixture(scope="module")
def world() -> Iterator[Lab]:
    """`web` has an endpoint on each node; a caller on node-1, and one on the node that gets lost."""
    with lab() as made:
        BEFORE.append(made.picture())
        made.tandem("up", "--nodes", "3", "--fabric", "vxlan", "--lb-pool", POOL, "--detach", status=0)
        balanced = service("app", "balanced")
        balanced["spec"] |= {"type": "LoadBalancer", "loadBalancerIP": address_of(LOST), "selector": {"app": "web"}}
        made.apply(
            *namespace("app"),
            *namespace("mesh", mesh=True),
            *(pod("app", f"web-{n}", web(f"on-{n}"), labels={"app": "web"}, **on(n)) for n in (1, 2, 3)),
            service("app", "web"),
            balanced,
            pod("app", "caller", idle(), **on(1)),
            pod("app", "cut-off", idle(), **on(3)),
            *(pod("mesh", f"web-{n}", web(f"on-{n}"), labels={"app": "web"}, **on(n)) for n in (2, 3)),
            service("mesh", "web"),
            pod("mesh", "alone", web("alone"), **on(2)),
            service("mesh", "alone"),
            pod("mesh", "caller", idle(), **on(1)),
        )
        yield made


def on(node: int) -> dict[str, Any]:
    return {"nodeSelector": {"kubernetes.io/hostname": f"node-{node}"}}


def address_of(node: str) -> str:
    """An address of the pool for which this node answers while all three are ready."""
    names = [f"node-{n}" for n in (1, 2, 3)]
    hosts = map(str, ipaddress.ip_network(POOL).hosts())
    return next(a for a in hosts if min(names, key=lambda name: digest(f"{a}/{name}")) == node)


def holders(world: Lab, address: str) -> list[str]:
    """The nodes that answer for an address."""
    names = [f"node-{n}" for n in (1, 2, 3)]
    found = {n: world.run("ip", "-n", f"tandem-{n}", "-o", "address", "show").out for n in names}
    return [name for name, text in found.items() if f"{address}/32" in text]


def outside(world: Lab, address: str) -> int:
    """The status of curl from this machine, a neighbour of the nodes."""
    return world.run("curl", "-s", "-m", "1", "-o", "/dev/null", f"http://{address}/").status


def node_status(world: Lab, name: str = LOST) -> str:
    conditions = world.tandem("get", "node", name, "-o", "json", status=0).json()["status"]["conditions"]
    found: str = next(c["status"] for c in conditions if c["type"] == "Ready")
    return found


def endpoints(world: Lab, namespace_: str) -> dict[str, bool]:
    slices = world.get(namespace_, "endpointslices")["items"]
    return {
        e["targetRef"]["name"]: e["conditions"]["ready"]
        for s in slices
        for e in s["endpoints"]
        if "web" in e["targetRef"]["name"]
    }


def until_endpoints(world: Lab, namespace_: str, *, without: int = 0) -> None:
    nodes = (1, 2, 3) if namespace_ == "app" else (2, 3)
    wanted = {f"web-{n}": n != without for n in nodes}
    until(lambda: endpoints(world, namespace_), lambda found: found == wanted, world.logs)


def test_a_node_whose_cable_is_cut_leaves_the_services_and_comes_back(world: Lab) -> None:
    local = world.get("app", "pod", "web-3")["status"]["podIP"]
    announced = address_of(LOST)
    until(lambda: holders(world, announced), lambda found: found == [LOST], world.logs)
    until(lambda: outside(world, announced), lambda status: status == 0, world.logs)
    world.run("ip", "link", "set", CABLE, "down", status=0)
    until(lambda: node_status(world), lambda status: status == "Unknown", world.logs)
    until_endpoints(world, "app", without=3)
    until_endpoints(world, "mesh", without=3)
    moved = until(lambda: holders(world, announced), lambda found: found not in ([], [LOST]), world.logs)
    assert len(moved) == 1, "no two nodes answer"
    until(lambda: outside(world, announced), lambda status: status == 0, world.logs)
    with (
        probe(world, "app", "caller", kind="request", target="web:80/") as kernel,
        probe(world, "mesh", "caller", kind="request", target="web:80/") as mesh,
    ):
        kernel.more(30)
        mesh.more(30)
        assert set(kernel.outcomes) == set(mesh.outcomes) == {"200"}
    assert '"name": "on-3"' in world.curl("app", "cut-off", f"http://{local}:8080/").out, (
        "what is on it talks to itself"
    )
    messages = {p["message"] for p in world.status()["pods"] if not p["ready"]}
    assert messages == {f"node {LOST} is not heard of"}
    world.run("ip", "link", "set", CABLE, "up", status=0)
    until(lambda: node_status(world), lambda status: status == "True", world.logs)
    until(lambda: holders(world, announced), lambda found: found == [LOST], world.logs)
    until(lambda: outside(world, announced), lambda status: status == 0, world.logs)
    until_endpoints(world, "app")
    until_endpoints(world, "mesh")
    world.settled()


def test_a_node_that_loses_all_its_processes_gets_them_back_and_the_others_do_not_notice(world: Lab) -> None:
    def ours() -> set[int]:
        words = (f"/nodes/{LOST}/", f"--node {LOST}")
        return {pid for pid, line in world.processes().items() if any(w in f"{line} " for w in words)}

    roles = {pid for pid in ours() if any(w in world.processes()[pid] for w in ("envoy", "unbound", "tandem.apps."))}
    assert len(roles) == 4, "agent, runtime, Envoy, Unbound"
    with probe(world, "mesh", "caller", kind="request", target="alone:80/") as other:
        other.more(5, of="200")
        world.run("kill", "-9", *map(str, roles), status=0)
        other.more(10)
        until(lambda: roles & ours(), lambda left: not left)
        world.settled()
        other.more(5)
        assert set(other.outcomes) == {"200"}, other.tally()
    until_endpoints(world, "mesh")
    assert '"name"' in world.curl("mesh", "caller", "http://web/").out


def test_down_leaves_nothing_of_three_nodes_with_a_cable_cut_and_an_agent_dead(world: Lab) -> None:
    world.run("ip", "link", "set", CABLE, "down", status=0)
    world.kill("supervisor", "agent")
    done = world.tandem("down", status=0)
    assert world.left_since(BEFORE[0]) == [], done.text
