"""Processes that die at once (SIGKILL) while the cluster works: what is in force stays in force, and all comes back."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import pytest

from e2e.lab import Lab, Ran, lab, until
from e2e.objects import deployment, idle, namespace, pod, policy, service, virtual_service, web
from e2e.probing import Probe, probe
from killing import Row, Watch, killed_before

pytestmark = pytest.mark.root

SHUT = policy("app", "shut", "shut", ingress=[])


@pytest.fixture(scope="module")
def world() -> Iterator[Lab]:
    """`app` is in the mesh: client, web (2), shut (denied to all). `plain` is not: caller."""
    with lab() as made:
        made.tandem("up", "--detach", status=0)
        made.apply(
            *namespace("app", mesh=True),
            *namespace("plain"),
            SHUT,
            pod("app", "client", idle()),
            deployment("app", "web", web("web"), replicas=2),
            service("app", "web"),
            pod("app", "shut", web("shut")),
            service("app", "shut"),
            virtual_service("app", "web", [{"route": [{"destination": {"host": "web"}}]}]),
            pod("plain", "caller", idle()),
            pod("plain", "plainweb", web("plainweb")),
            service("plain", "plainweb"),
        )
        yield made


def works(world: Lab) -> None:
    """Until a request through the mesh and one through the kernel come back."""
    until(lambda: world.curl("app", "client", "http://web/").out, lambda out: out.endswith("\n200"), world.logs)
    until(lambda: world.curl("plain", "caller", "http://plainweb/").out, lambda out: out.endswith("\n200"), world.logs)


def address(world: Lab, namespace_: str, name: str) -> str:
    found: str = world.get(namespace_, "pod", name)["status"]["podIP"]
    return found


def ips(world: Lab, *argv: str) -> Any:
    return json.loads(world.run("ip", "-json", *argv, status=0).out or "[]")


def pins(world: Lab, *folders: str) -> list[int]:
    return [len(list((world.root / folder).iterdir())) for folder in folders]


def consistent(world: Lab) -> None:
    """Every pod has one address, link, pin and namespace, and nothing is there without a pod."""
    status = world.settled()
    pods = {p["address"] for p in status["pods"]}
    assert len(pods) == len(status["pods"])

    def state() -> dict[str, Any]:
        links = [link["ifname"] for link in ips(world, "link") if str(link.get("ifalias", "")).startswith("tandem:")]
        routes = {r["dst"] for r in ips(world, "route") if str(r.get("dev", "")).startswith("td")}
        return {
            "links": len(links),
            "routes": routes,
            "pins": pins(world, "run/netns", "run/tandem/nodes/node-1/netns", "run/tandem/nodes/node-1/pods"),
            "attachments": world.status()["nodes"][0].get("pods"),
        }

    wanted = {"links": len(pods), "routes": pods, "pins": [len(pods)] * 3, "attachments": len(pods)}
    until(state, lambda found: found == wanted, lambda: f"\nwanted {wanted}")


def never(probe_: Probe, word: str) -> None:
    assert word not in probe_.outcomes, probe_.tally()


def restarts(world: Lab) -> dict[str, int]:
    """Restart counts by pod uid and container."""
    found = {}
    for name in ("app", "plain"):
        for raw in world.get(name, "pods")["items"]:
            for container in raw["status"].get("containerStatuses", ()):
                found[raw["metadata"]["uid"]] = container["restartCount"]
    return found


def envoy_restarts(world: Lab) -> int:
    found: int = world.status()["nodes"][0]["envoy"]["restarts"]
    return found


def test_a_killed_envoy_is_restarted_and_requests_work_again(world: Lab) -> None:
    before, old = envoy_restarts(world), world.pid("envoy")
    target = f"{address(world, 'plain', 'plainweb')}:8080"
    with (
        probe(world, "app", "client", kind="keep", target="web:80/") as mesh,
        probe(world, "plain", "caller", kind="connect", target=target) as kernel,
        probe(world, "plain", "caller", kind="denied", target=f"{address(world, 'app', 'shut')}:8080") as denied,
    ):
        mesh.more(20, of="200")
        world.kill("envoy")
        world.back("envoy", old)
        until(lambda: envoy_restarts(world), lambda now: now == before + 1)
        mesh.more(20, of="200")
        denied.more(3)
        never(denied, "connected")
        assert set(kernel.outcomes) == {"connected"}
    works(world)
    consistent(world)


def test_policy_and_data_path_hold_while_the_agent_is_away_and_it_takes_over(world: Lab) -> None:
    """By address: names are answered by the agent itself, and so for a moment by nobody."""
    old, envoy = world.pid("agent"), world.pid("envoy")
    web_address = world.get("app", "service", "web")["spec"]["clusterIP"]
    with (
        probe(world, "app", "client", kind="request", target=f"{web_address}:80/") as mesh,
        probe(world, "plain", "caller", kind="denied", target=f"{address(world, 'app', 'shut')}:8080") as denied,
    ):
        mesh.more(10, of="200")
        world.kill("agent")
        mesh.more(20)
        world.back("agent", old)
        world.apply(pod("app", "later", web("later")), service("app", "later"))
        mesh.more(10)
        denied.more(5)
        never(denied, "connected")
        assert set(mesh.outcomes) == {"200"}, mesh.tally()
    assert world.pid("envoy") == envoy, "the new agent adopts the Envoy of the old one"
    until(lambda: world.curl("app", "client", "http://later/").out, lambda out: out.endswith("\n200"))
    world.delete("-n", "app", "pod", "later")
    works(world)
    consistent(world)


@pytest.mark.parametrize("spawned", [0, 1, 3])
def test_an_agent_killed_in_the_middle_of_adds_leaves_nothing_half_made(world: Lab, spawned: int) -> None:
    """`spawned`: how many more links the node has when the agent is killed."""
    name, old = f"burst{spawned}", world.pid("agent")
    count = len(ips(world, "link"))
    scaled = deployment("app", name, idle(), replicas=5)
    world.tandem("apply", "-f", "-", "--wait", "0", stdin=json.dumps(scaled), status=0)
    until(lambda: len(ips(world, "link")), lambda now: now >= count + spawned)
    world.kill("agent")
    world.back("agent", old)
    consistent(world)
    world.delete("-n", "app", "deployment", name)
    until(lambda: [p for p in world.status()["pods"] if name in p["name"]], lambda left: not left)
    consistent(world)
    works(world)


def rules(world: Lab) -> list[str]:
    """The node's tables without handles and counters, in an order of their own."""
    listing = json.loads(world.run("nft", "-s", "-j", "list", "ruleset", status=0).out)["nftables"]
    return sorted(json.dumps(_sorted(entry), sort_keys=True) for entry in listing)


def _sorted(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _sorted(v) for k, v in value.items() if k not in {"handle", "index"}}
    if isinstance(value, list):
        return sorted((_sorted(v) for v in value), key=lambda v: json.dumps(v, sort_keys=True))
    return value


def tells() -> Callable[[str], bool]:
    """Steps in which the agent tells the kernel's tables or Envoy something; messages in a row are one."""
    row = Row("sendmsg xds.sock")
    return lambda what: what.startswith(("netfilter", "sendmsg xds.sock")) and row(what)


def over(world: Lab, watch: Watch, wanted: list[str] | None = None) -> bool:
    """The agent was killed, or all is well, or the tables are as wanted."""
    return watch.killed or (world.settles() if wanted is None else rules(world) == wanted)


def test_an_agent_killed_before_anything_that_it_tells_tables_and_envoy_leaves_nothing_behind(world: Lab) -> None:
    """While a pod of the mesh comes and goes; `tests/netns/test_kill_sweep.py` sweeps every other step."""
    before, kills = rules(world), 0
    for step in itertools.count():
        name = f"swept{step}"
        raw, old = json.dumps(pod("app", name, web(name))), world.pid("agent")
        with killed_before(world.seen_from_outside(old), step, only=tells()) as came:
            world.tandem("apply", "-f", "-", "--wait", "0", stdin=raw, status=0)
            until(partial(over, world, came), bool, world.logs)
        old = world.back("agent", old) if came.killed else old
        world.settled()
        with killed_before(world.seen_from_outside(old), step, only=tells()) as went:
            world.delete("-n", "app", "pod", name)
            until(partial(over, world, went, before), bool, world.logs)
        if went.killed:
            world.back("agent", old)
        kills += came.killed + went.killed
        consistent(world)
        until(lambda: rules(world), lambda now: now == before, world.logs)
        if not came.killed and not went.killed:
            break
    assert kills >= 5
    works(world)


def test_the_data_path_goes_on_without_control_and_objects_are_programmed_when_it_is_back(world: Lab) -> None:
    old = world.pid("control")
    with (
        probe(world, "app", "client", kind="request", target="web:80/") as mesh,
        probe(world, "plain", "caller", kind="denied", target=f"{address(world, 'app', 'shut')}:8080") as denied,
    ):
        mesh.more(10, of="200")
        world.kill("control")
        mesh.more(10)
        world.back("control", old)
        status = world.settled()
        mesh.more(10)
        denied.more(5)
        never(denied, "connected")
        assert set(mesh.outcomes) == {"200"}, mesh.tally()
    assert {o["name"]: o["programmed"] for o in status["objects"]} == {"shut": True, "web": True}
    world.apply(pod("app", "afterwards", idle()))
    world.delete("-n", "app", "pod", "afterwards")
    consistent(world)


def test_pods_survive_the_runtime_and_are_adopted_without_a_restart(world: Lab) -> None:
    before, old = restarts(world), world.pid("runtime")
    processes = {pid for pid, command in world.processes().items() if "/app/web.py" in command}
    with probe(world, "app", "client", kind="request", target="web:80/") as mesh:
        mesh.more(5, of="200")
        world.kill("runtime")
        mesh.more(5)
        world.back("runtime", old)
        world.apply(pod("app", "adopted", idle()))
        mesh.more(5)
        assert set(mesh.outcomes) == {"200"}, mesh.tally()
    world.delete("-n", "app", "pod", "adopted")
    assert restarts(world) == before
    assert {pid for pid, command in world.processes().items() if "/app/web.py" in command} == processes
    consistent(world)


def test_pods_keep_network_policy_and_mesh_when_the_agents_journal_is_lost(world: Lab) -> None:
    old, had = world.pid("agent"), restarts(world)
    with (
        probe(world, "app", "client", kind="request", target="web:80/") as mesh,
        probe(world, "plain", "caller", kind="denied", target=f"{address(world, 'app', 'shut')}:8080") as denied,
    ):
        mesh.more(5, of="200")
        world.kill("agent")
        for path in (world.run_dir / "nodes" / "node-1").glob("ipam.db*"):
            path.unlink()
        world.back("agent", old)
        world.apply(pod("app", "after", idle()))
        mesh.more(10)
        denied.more(5)
        never(denied, "connected")
        assert set(mesh.outcomes) == {"200"}, mesh.tally()
    assert had.items() <= restarts(world).items()
    consistent(world)
    world.delete("-n", "app", "pod", "after")
    consistent(world)


def apply_large(world: Lab, number: int) -> Ran:
    meta = {"name": f"large{number}", "namespace": "plain"}
    raw = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": {"text": "x" * 900_000}}
    return world.tandem("apply", "-f", "-", "--wait", "5", stdin=json.dumps(raw))


def test_a_full_disk_ends_no_process_and_stops_no_traffic_and_all_goes_on_when_there_is_room(world: Lab) -> None:
    roles = ("supervisor", "control", "agent", "runtime", "envoy")
    before, had = {role: world.pid(role) for role in roles}, restarts(world)
    with probe(world, "app", "client", kind="request", target="web:80/") as mesh:
        world.fill_disk()
        mesh.more(10)
        # The API server's file may have room inside; some objects fit into that.
        assert any("database or disk is full" in apply_large(world, n).text for n in range(8))
        mesh.more(10)
        world.make_room()
        world.apply(pod("app", "late", idle()))
        assert set(mesh.outcomes) == {"200"}, mesh.tally()
    assert {role: world.pid(role) for role in roles} == before
    world.delete("-n", "app", "pod", "late")
    assert restarts(world) == had
    works(world)
    consistent(world)


def test_everything_killed_at_once_comes_back_by_itself_when_the_supervisor_lives(world: Lab) -> None:
    roles: Sequence[str] = ("control", "agent", "runtime", "envoy")
    old, before = {role: world.pid(role) for role in roles}, restarts(world)
    world.kill(*roles)
    for role in roles:
        world.back(role, old[role])
    world.settled()
    works(world)
    assert restarts(world) == before
    consistent(world)
