"""Policy in a running cluster: first connections of pods, what ends, what is staged, what others change, figures."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest
import yaml

from e2e.lab import RUN, Lab, lab, until
from e2e.objects import Raw, container, idle, namespace, pod, policy, web

pytestmark = pytest.mark.root

FIRST = "/usr/bin/python3 -c 'import socket; socket.create_connection((\"{}\", 8080), 0.9).close()'"
"""One try, of less than the time after which TCP would try again."""
ENDED = {"Succeeded", "Failed"}
HOLD = """
import socket, sys
s = socket.create_connection((sys.argv[1], 8080)); s.settimeout(3)
while True:
    sys.stdin.readline()
    try:
        s.sendall(b"GET / HTTP/1.1\\r\\nhost: x\\r\\n\\r\\n")
        print("answered" if s.recv(4096) else "closed", flush=True)
    except OSError as error: print(type(error).__name__, flush=True)
"""


def on(number: int) -> Raw:
    return {"kubernetes.io/hostname": f"node-{number}"}


@pytest.fixture(scope="module")
def world() -> Iterator[Lab]:
    """Pod `far` on node-2 takes what is labelled `role: client`; `client` and `other` are on node-1."""
    with lab() as made:
        made.tandem("up", "--nodes", "2", "--peers-wait", "20", "--detach", status=0)
        made.apply(
            *namespace("plain"),
            pod("plain", "far", web("far"), nodeSelector=on(2)),
            pod("plain", "client", idle(), labels={"role": "client"}, nodeSelector=on(1)),
            pod("plain", "other", idle(), nodeSelector=on(1)),
            clients(),
        )
        yield made


def clients(**annotations: str) -> Raw:
    made = policy("plain", "clients", app="far")
    made["spec"]["ingress"] = [{"from": [{"podSelector": {"matchLabels": {"role": "client"}}}]}]
    made["metadata"]["annotations"] = annotations
    return made


def address(world: Lab, name: str) -> str:
    found: str = world.get("plain", "pod", name)["status"]["podIP"]
    return found


def phase_of(world: Lab, name: str) -> str:
    found: str = world.get("plain", "pod", name)["status"]["phase"]
    return found


def reaches(world: Lab, name: str) -> bool:
    return world.curl("plain", name, f"http://{address(world, 'far')}:8080/", "-m", "1").out.endswith("200")


def flows(world: Lab, *options: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = world.tandem("flows", *options, "-o", "json", status=0).json()["flows"]
    return found


def say(held: subprocess.Popen[str]) -> str:
    """One request over the connection that is held; what came of it."""
    assert held.stdin
    assert held.stdout
    held.stdin.write("\n")
    held.stdin.flush()
    return held.stdout.readline().strip()


def figures(world: Lab) -> dict[str, float]:
    """Of node-1's agent: name and labels, as they are written -> number."""
    argv = ("curl", "-s", "--unix-socket", f"{RUN}/nodes/node-1/metrics.sock", "http://node/metrics")
    lines = world.run(*argv, status=0).out.splitlines()
    return {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in lines if not line.startswith("#")}


def test_the_first_connection_of_a_pod_is_one_that_a_policy_of_another_node_allows(world: Lab) -> None:
    """It is made by the pod's first process at once; ADD has waited until the other node knew the address."""
    target = address(world, "far")
    for number in range(5):
        body = container("sh", "-c", FIRST.format(target))
        name = f"first-{number}"
        made = pod("plain", name, body, labels={"role": "client"}, nodeSelector=on(1), restartPolicy="Never")
        world.tandem("apply", "-f", "-", "--wait", "0", stdin=yaml.safe_dump(made), status=0)
        phase = until(partial(phase_of, world, name), ENDED.__contains__)
        assert phase == "Succeeded", f"{world.tandem('logs', '-n', 'plain', name).text}{flows(world)}"
    found = figures(world)
    assert found['tandem_cni_add_wait_seconds_count{what="peers"}'] >= 5
    assert found['tandem_cni_add_bound_hits_total{what="peers"}'] == 0


def test_a_change_ends_what_it_denies_within_a_second(world: Lab) -> None:
    with world.begin("plain", "client", "/usr/bin/python3", "-c", HOLD, address(world, "far"), stdin=True) as held:
        assert say(held) == "answered"
        nobody = policy("plain", "clients", app="far", ingress=[])
        world.tandem("apply", "-f", "-", "--wait", "0", stdin=yaml.safe_dump(nobody), status=0)
        begun = time.monotonic()
        until(partial(say, held), "answered".__ne__)
        sys.stderr.write(f"the last answer came {time.monotonic() - begun:.2f} s after the change was accepted\n")
        held.kill()

    def told() -> list[dict[str, Any]]:
        return [flow for flow in flows(world, "--denied") if "was ended" in flow["reason"]]

    ended = until(told, bool)
    assert ended[-1]["rules"][0]["name"] == "clients"
    world.apply(clients())
    until(lambda: reaches(world, "client"), bool, world.logs)


def test_what_a_staged_policy_would_deny_goes_on_and_is_told(world: Lab) -> None:
    staged = policy("plain", "nobody", app="client", egress=[])
    staged["metadata"]["annotations"] = {"tandem.io/staged": "true"}
    world.apply(staged)
    assert reaches(world, "client")
    (flow, *_) = until(lambda: flows(world, "--staged"), bool, world.logs)
    assert (flow["verdict"], flow["direction"]) == ("staged", "egress")
    assert [rule["name"] for rule in flow["rules"]] == ["nobody"]
    assert not [f for f in flows(world, "--denied") if "nobody" in str(f["rules"])]
    world.delete("networkpolicy", "nobody", "-n", "plain")


def test_what_others_change_is_repaired_and_told(world: Lab) -> None:
    agent = next(n for n in world.status()["nodes"] if n["name"] == "node-1")["agent"]["pid"]
    world.run("nsenter", f"--net=/proc/{agent}/ns/net", "nft", "flush", "ruleset", status=0)

    def drift() -> Any:
        return next(n for n in world.status()["nodes"] if n["name"] == "node-1")["drift"]

    told = until(drift, lambda found: found["found"] == found["repaired"] > 0, world.logs)
    assert told["newest"][-1]["by"] == "nft"
    assert "table inet tandem removed" in told["newest"][-1]["what"]
    assert (
        "rules and links of node-1 were changed by others: 1, repaired: 1; the last by nft"
        in world.tandem("status").out
    )
    assert figures(world)["tandem_drift_repaired_total"] == 1
    assert reaches(world, "client")
    assert not reaches(world, "other")


def test_each_rule_is_counted(world: Lab) -> None:
    assert reaches(world, "client")
    assert not reaches(world, "other")

    def described() -> str:
        return world.tandem("describe", "networkpolicy", "clients", "-n", "plain", status=0).out

    text = until(described, lambda found: "allowed  ingress" in found and "denied   ingress" in found, world.logs)
    assert "spec.ingress[0]" in text
    judged = {one["verdict"]: one["count"] for one in world.status()["policy"]}
    assert judged["allowed"] > 0
    assert judged["denied"] > 0
