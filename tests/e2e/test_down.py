"""`tandem down` after anything: what it leaves is what was there before `tandem up`."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from itertools import cycle
from typing import Any

import pytest

from e2e.lab import RUN, Lab, Ran, lab, until
from e2e.objects import deployment, idle, namespace, pod, policy, service, web
from killing import killed_before
from tandem.runtime.kernelstate import Picture

pytestmark = pytest.mark.root
NETWORKS: Iterator[dict[str, Any]] = cycle(
    (
        {"fabric": "vxlan"},
        {"fabric": "bridge"},
        {"fabric": "routed", "encryption": {"type": "wireguard"}, "bgp": {"asNumber": 64512}},
    )
)
"""Each run has another; what it takes to end it is the same: devices, processes that hold one, routes of a daemon."""


@pytest.fixture(scope="module")
def world() -> Iterator[Lab]:
    with lab() as made:
        made.run("sysctl", "-qw", "net.ipv4.ip_forward=0", status=0)
        for place in ("/opt/cni", "/etc/cni"):  # of this world alone
            made.run("mkdir", "-p", place, status=0)
            made.run("mount", "-t", "tmpfs", "tmpfs", place, status=0)
        yield made


@pytest.fixture
def clean(world: Lab) -> Picture:
    """The picture before; then a run with pods in the mesh, outside of it and on the node's own network.

    The plugin is installed for other runtimes, and `down` is to take that away as well.
    """
    before = world.picture()
    network = next(NETWORKS)
    world.tandem("up", "--fabric", network["fabric"], "--detach", status=0)
    world.tandem("cni", "install", status=0)
    world.apply(
        {"apiVersion": "tandem.io/v1", "kind": "Network", "metadata": {"name": "default"}, "spec": network},
        *namespace("app", mesh=True),
        deployment("app", "web", web(), replicas=2),
        service("app", "web"),
        policy("app", "shut", "web", ingress=[]),
        pod("app", "outside", idle(), labels={"tandem.io/mesh": "disabled"}),
        pod("app", "host", idle(), hostNetwork=True),
    )
    made = " ".join(world.left_since(before))
    assert all(f"+ {topic}:" in made for topic in ("links", "routes", "tables", "files", "mounts", "processes")), made
    return before


def all_dead(world: Lab) -> None:
    world.kill("supervisor")
    world.kill("control", "agent", "runtime", "envoy")


def agent_dead_in_the_middle_of_add_on_a_full_disk(world: Lab) -> None:
    """The link is made, and the policy is not in the table."""
    with killed_before(world.seen_from_outside(world.pid("agent")), 0, only=lambda what: what == "netfilter") as watch:
        world.kill("supervisor")
        world.tandem("apply", "-f", "-", "--wait", "0", stdin=json.dumps(pod("app", "late", idle())), status=0)
        until(lambda: watch.killed, bool)
    world.fill_disk()


def agent_dead_in_the_middle_of_del(world: Lab) -> None:
    """The pod's end has another name, and everything of it is there."""
    with killed_before(world.seen_from_outside(world.pid("agent")), 0, only=lambda what: what == "netfilter") as watch:
        world.kill("supervisor")
        world.tandem("delete", "pod", "outside", "-n", "app", status=0)
        until(lambda: watch.killed, bool)


def all_dead_and_uninstalled(world: Lab) -> None:
    """`uninstall` needs nobody, and takes away all that `install` wrote."""
    assert any("tandem" in file for file in installed(world))
    all_dead(world)
    world.tandem("cni", "uninstall", status=0)
    assert installed(world) == []


def installed(world: Lab) -> list[str]:
    return [file for file in world.picture()["files"] if not file.startswith("/run/")]


def without_memory(world: Lab) -> None:
    (world.run_dir / "up.json").unlink()


def directory_lost_while_running(world: Lab) -> None:
    world.run("rm", "-rf", str(RUN))
    assert not (world.run_dir / "up.json").exists()


def all_dead_and_directory_lost(world: Lab) -> None:
    """As after a reboot, for other runtimes: they end what they had, and cannot begin anything."""
    all_dead(world)
    world.run("sh", "-c", f"umount -l {RUN}/nodes/*/netns/*; rm -rf {RUN}", status=0)
    assert plugin(world, "DEL").status == 0
    refused = plugin(world, "ADD")
    assert (refused.status, refused.json()["code"]) == (1, 11)


def plugin(world: Lab, verb: str) -> Ran:
    """The installed plugin, as another runtime executes it."""
    conflist = json.loads((world.root / "etc/cni/net.d/10-tandem.conflist").read_text())
    config = {**conflist["plugins"][0], "name": conflist["name"], "cniVersion": conflist["cniVersion"]}
    environment = ("CNI_CONTAINERID=c1", "CNI_IFNAME=eth0", "CNI_NETNS=/run/netns/c1", "CNI_PATH=/opt/cni/bin")
    where = "/opt/cni/bin/tandem-cni"
    return world.run("env", f"CNI_COMMAND={verb}", *environment, where, stdin=json.dumps(config))


CALAMITIES: tuple[Callable[[Lab], None], ...] = (
    lambda _: None,
    lambda world: world.kill("supervisor"),
    all_dead_and_uninstalled,
    agent_dead_in_the_middle_of_add_on_a_full_disk,
    agent_dead_in_the_middle_of_del,
    without_memory,
)
DEAD = ["nothing", "supervisor", "everything, and uninstalled", "agent in ADD", "agent in DEL", "up.json"]
LOSSES: tuple[Callable[[Lab], None], ...] = (directory_lost_while_running, all_dead_and_directory_lost)


@pytest.mark.parametrize("calamity", CALAMITIES, ids=DEAD)
def test_down_leaves_nothing_after_the_death_of(world: Lab, clean: Picture, calamity: Callable[[Lab], None]) -> None:
    calamity(world)
    done = world.tandem("down", status=0)
    world.make_room()
    assert world.left_since(clean) == [], done.text


@pytest.mark.parametrize("loss", LOSSES, ids=["living", "dead"])
def test_down_finds_everything_by_its_marks_when_the_run_directory_is_lost(
    world: Lab, clean: Picture, loss: Callable[[Lab], None]
) -> None:
    loss(world)
    done = world.tandem("down", status=0)
    # What a kernel setting was before stood in the directory: `down` says that it cannot know.
    left = [line for line in world.left_since(clean) if " sysctls:" not in line]
    assert left == [], done.text
    assert "note: net.ipv4.ip_forward" in done.out
    world.run("sysctl", "-qw", "net.ipv4.ip_forward=0", status=0)


def test_up_takes_over_from_a_run_that_died_and_lost_its_directory(world: Lab, clean: Picture) -> None:
    all_dead_and_directory_lost(world)
    again = world.tandem("up", "--detach", status=0)
    assert "earlier run" in again.err
    world.apply(*namespace("app", mesh=True), deployment("app", "web", web()), service("app", "web"))
    world.tandem("down", status=0)
    assert [line for line in world.left_since(clean) if " sysctls:" not in line] == []
    world.run("sysctl", "-qw", "net.ipv4.ip_forward=0", status=0)


def test_down_when_nothing_runs_is_fine(world: Lab) -> None:
    before = world.picture()
    world.tandem("down", status=0)
    world.tandem("down", "-o", "json", status=0)
    assert world.left_since(before) == []


def test_a_namespace_that_another_program_hid_is_told_and_stops_nothing_else(world: Lab, clean: Picture) -> None:
    # Whoever mounts over a shared directory hides nothing for good: what is unmounted above is unmounted below.
    world.run("sh", "-c", "mount --make-rprivate /run/netns; mount --rbind /run/netns /run/netns", status=0)
    ran = world.tandem("down", status=1)
    left = [line.partition("left: ")[2] for line in ran.out.splitlines() if "left: " in line]
    assert left
    assert all(line.startswith("/run/netns/tandem-") for line in left)
    assert {line.split()[1] for line in world.left_since(clean)} <= {"mounts:", "namespaces:"}
    world.run("sh", "-c", "umount -l /run/netns; umount -l /run/netns/*; rm /run/netns/*", status=0)
    world.tandem("down", status=0)
    assert world.left_since(clean) == []
