"""kubectl inside the pods of two nodes: programs, ports and logs."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from subprocess import Popen

import pytest
import yaml

from e2e.lab import RUN, Lab, Ran, lab, until
from e2e.objects import container, idle, namespace, pod, web

pytestmark = pytest.mark.root

KUBECTL = ("kubectl", f"--kubeconfig={RUN}/kubeconfig", "-n", "mesh")


@pytest.fixture(scope="module")
def world() -> Iterator[Lab]:
    """Pod `near` runs on node-1, `far` on node-2."""
    with lab() as made:
        made.tandem("up", "--nodes", "2", "--detach", status=0)
        made.apply(
            *namespace("mesh", mesh=True),
            pod("mesh", "near", idle(), nodeSelector={"kubernetes.io/hostname": "node-1"}),
            pod("mesh", "far", web("far"), nodeSelector={"kubernetes.io/hostname": "node-2"}),
        )
        yield made


def kubectl(world: Lab, *arguments: str, stdin: str = "", status: int | None = None) -> Ran:
    return world.run(*KUBECTL, *arguments, stdin=stdin, status=status)


@contextmanager
def begun(world: Lab, *arguments: str) -> Iterator[Popen[str]]:
    """Killed afterwards, if it goes on: what enters the world is its parent, and would leave it behind."""
    client = world.start(*KUBECTL, *arguments)
    try:
        yield client
    finally:
        words = " ".join((*KUBECTL[1:], *arguments))
        for pid, command in world.processes().items():
            if command.endswith(words) and "nsenter" not in command:
                world.run("kill", "-9", str(pid))
        client.communicate(timeout=60)


def line(client: Popen[str]) -> str:
    assert client.stdout is not None
    return client.stdout.readline()


def without(world: Lab, command: str) -> None:
    """Wait until it does not run."""
    until(lambda: list(world.processes().values()), lambda found: not any(c.endswith(command) for c in found))


@pytest.mark.parametrize("name", ["near", "far"])
def test_a_program_runs_where_the_container_does(world: Lab, name: str) -> None:
    address = world.get("mesh", "pod", name)["status"]["podIP"]
    ran = kubectl(world, "exec", name, "--", "sh", "-c", "hostname; ip -o -4 address show eth0; exit 9", status=9)
    assert ran.out.startswith(f"{name}\n")
    assert f" {address}/" in ran.out
    assert kubectl(world, "exec", "-i", name, "--", "cat", stdin="through\n", status=0).out == "through\n"


def test_it_has_the_containers_namespaces_and_capabilities_and_no_descriptor_more(world: Lab) -> None:
    look = "for n in net mnt uts ipc pid; do readlink /proc/$1/ns/$n; done; grep ^Cap /proc/$1/status"
    script = f"set -- $(pgrep -o -x sleep); {look}; echo --; set -- $$; {look}; echo --; ls /proc/self/fd"
    theirs, own, descriptors = kubectl(world, "exec", "near", "--", "sh", "-c", script, status=0).out.split("--\n")
    assert theirs == own
    assert descriptors.split() == ["0", "1", "2", "3"]  # the last is that of `ls`, on the folder


def test_what_was_started_ends_with_the_client_or_the_pod(world: Lab) -> None:
    with begun(world, "exec", "far", "--", "sh", "-c", "echo begun; sleep 4321") as client:
        assert line(client) == "begun\n"
        until(lambda: list(world.processes().values()), lambda found: "sleep 4321" in found)
    without(world, "sleep 4321")
    world.apply(pod("mesh", "brief", idle()))
    with begun(world, "exec", "brief", "--", "sh", "-c", "echo begun; exec sleep 4322") as client:
        assert line(client) == "begun\n"
        world.delete("pod", "brief", "-n", "mesh")
        _, err = client.communicate(timeout=60)
        assert "exit code 137" in err
    without(world, "sleep 4322")


def test_who_attaches_takes_part_in_the_containers_own_process(world: Lab) -> None:
    """Which goes on without him, and while the runtime is killed; with `kubectl run -i` it ends with its input."""
    script = 'while read line; do echo "got $line"; done; exec sleep 60'
    world.apply(pod("mesh", "reader", {**container("sh", "-c", script), "stdin": True}))
    pid = world.get("mesh", "pod", "reader")["status"]["containerStatuses"][0]["containerID"]
    for number in range(2):
        with begun(world, "attach", "-i", "reader") as client:
            assert client.stdin is not None
            client.stdin.write(f"line-{number}\n")
            client.stdin.flush()
            while (said := line(client)) != f"got line-{number}\n":
                assert said, "the client has ended"
        old = world.pid("runtime")
        world.kill("runtime")
        world.back("runtime", old)
    world.settled()
    assert world.get("mesh", "pod", "reader")["status"]["containerStatuses"][0]["containerID"] == pid
    assert kubectl(world, "logs", "reader", status=0).out == "got line-0\ngot line-1\n"
    overrides = {
        "spec": {
            "containers": [{"name": "once", "image": "host", "command": ["cat"], "stdin": True, "stdinOnce": True}]
        }
    }
    once = ("run", "once", "-i", "--rm", "--restart=Never", "--image=host", f"--overrides={json.dumps(overrides)}")
    assert "through\n" in kubectl(world, *once, stdin="through\n", status=0).out
    refused = kubectl(world, "attach", "-i", "near")
    assert "has no stdin: its spec does not say `stdin: true`" in refused.text


def test_a_port_is_forwarded_to_a_pod_of_another_node(world: Lab) -> None:
    with begun(world, "port-forward", "pod/far", ":8080") as client:
        port = re.findall(r"127\.0\.0\.1:(\d+) -> 8080", line(client))[0]
        answer = world.run("curl", "-s", "-m", "10", f"http://127.0.0.1:{port}/", status=0)
        assert answer.json()["name"] == "far"


def test_logs_are_followed_and_begin_where_they_are_told_to(world: Lab) -> None:
    script = "echo first; echo second; until [ -e /go ]; do sleep 0.1; done; echo third; sleep infinity"
    world.apply(pod("mesh", "talker", container("sh", "-c", script)))
    assert kubectl(world, "logs", "talker", "--tail=1", status=0).out == "second\n"
    with begun(world, "logs", "-f", "talker", "--since=1h", "--timestamps") as client:
        assert [re.sub(r"^\S+Z ", "", line(client)) for _ in range(2)] == ["first\n", "second\n"]
        kubectl(world, "exec", "talker", "--", "touch", "/go", status=0)
        assert line(client).endswith(" third\n")


def test_what_becomes_of_a_pod_and_of_a_policy_is_told_by_events(world: Lab) -> None:
    """Of one that fails its probe, ends and is started again; of one that no node takes; of a route to nowhere."""
    script = "until [ -e /go ]; do sleep 0.1; done; exit 3"
    readiness = {"exec": {"command": ["test", "-e", "/ready"]}, "periodSeconds": 1}
    route = {"hosts": ["far"], "http": [{"route": [{"destination": {"host": "nowhere"}}]}]}
    objects = (
        pod("mesh", "shaky", {**container("sh", "-c", script), "readinessProbe": readiness}),
        pod("mesh", "homeless", idle(), nodeSelector={"kubernetes.io/hostname": "elsewhere"}),
        {
            "apiVersion": "networking.istio.io/v1",
            "kind": "VirtualService",
            "metadata": {"name": "lost", "namespace": "mesh"},
            "spec": route,
        },
    )
    world.tandem("apply", "-f", "-", stdin=yaml.safe_dump_all(objects), status=0)

    def reasons(name: str) -> set[str]:
        selector = f"involvedObject.name={name}"
        found = kubectl(world, "get", "events", "--field-selector", selector, "-o", "json", status=0).json()["items"]
        return {f"{e['type']} {e['reason']}" for e in found}

    begun_ = {"Normal Scheduled", "Normal Created", "Normal Started", "Warning Unhealthy"}
    until(lambda: reasons("shaky"), lambda found: begun_ <= found, world.logs)
    kubectl(world, "exec", "shaky", "--", "touch", "/ready", "/go", status=0)
    until(lambda: reasons("shaky"), lambda found: "Warning BackOff" in found, world.logs)
    until(lambda: reasons("homeless"), lambda found: "Warning FailedScheduling" in found, world.logs)
    until(lambda: reasons("lost"), lambda found: "Warning HostNotFound" in found, world.logs)
    described = kubectl(world, "describe", "pod", "shaky", status=0).out
    assert re.search(r"Warning +BackOff +.*tandem-runtime +Back-off restarting failed container", described)
    ours = world.tandem("describe", "pod", "shaky", "-n", "mesh", status=0).out
    assert re.search(r"Normal  Scheduled  tandem-control: Successfully assigned mesh/shaky to node-\d", ours)
    kubectl(world, "delete", "virtualservice", "lost", status=0)
    kubectl(world, "delete", "pod", "shaky", "homeless", "--grace-period=1", status=0)
    until(
        lambda: kubectl(world, "describe", "node", "node-1", status=0).out, lambda said: "Starting the process" in said
    )


def test_a_server_that_was_killed_ends_what_its_clients_ran(world: Lab) -> None:
    with begun(world, "exec", "near", "--", "sh", "-c", "echo begun; sleep 4324 & trap '' PIPE; wait") as client:
        assert line(client) == "begun\n"
        old = world.pid("control")
        world.kill("control")
        world.back("control", old)
        without(world, "sleep 4324")
    until(lambda: kubectl(world, "exec", "near", "--", "echo", "again").out, lambda out: out == "again\n")


def test_it_all_goes_when_the_cluster_does(world: Lab) -> None:
    """The last of the module."""
    with begun(world, "exec", "near", "--", "sh", "-c", "echo begun; sleep 4323") as client:
        assert line(client) == "begun\n"
        world.tandem("down", status=0)
        client.communicate(timeout=60)
    without(world, "sleep 4323")
