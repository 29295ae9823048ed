"""A world apart: it is apart, it ends with the block, and pods in it only sleep."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tandem.base.problems import DriverError
from tandem.runtime.apart import OUTSIDE, apart, at_rest

KNOCK = """
import socket, sys
try: socket.create_connection((sys.argv[1], 9), timeout=20)
except ConnectionRefusedError: print("refused")
"""


def ran(argv: list[str]) -> str:
    return subprocess.run(argv, check=True, capture_output=True, text=True).stdout


def test_it_has_an_empty_run_directory_and_a_network_of_its_own() -> None:
    mark = Path("/run/tandem-test-apart")
    with apart() as world:
        assert ran(world.enter("ls", "/run")) == "netns\n"
        assert [line.split(":")[1].strip() for line in ran(world.enter("ip", "-o", "link")).splitlines()] == ["lo"]
        assert ran(world.enter("pwd")) == f"{Path.cwd()}\n"
        ran(world.enter("touch", str(mark)))
        assert not mark.exists()
        process = subprocess.Popen(world.enter("sleep", "60"))
    assert process.wait(10) != 0
    assert not Path(f"/proc/{world.init}").exists()


def test_outside_is_a_machine_that_the_node_reaches_everything_by() -> None:
    with apart() as world:
        world.make_outside()
        for address in OUTSIDE:
            assert ran(world.enter(sys.executable, "-c", KNOCK, address)) == "refused\n"
        assert f"via {OUTSIDE[0]}" in ran(world.enter("ip", "route", "get", "192.0.2.1"))
        with pytest.raises(DriverError, match="File exists"):
            world.make_outside()
    assert "outside" not in ran(["ip", "netns"]).split()


SPEC: dict[str, Any] = {
    "containers": [
        {
            "name": "main",
            "image": "nginx",
            "ports": [{"name": "http", "containerPort": 80, "hostPort": 8080}],
            "readinessProbe": {"httpGet": {"port": 80}},
            "volumeMounts": [{"name": "v", "mountPath": "/v"}],
        }
    ],
    "initContainers": [{"name": "first", "image": "x"}],
    "volumes": [{"name": "v", "secret": {"secretName": "s"}}],
    "hostNetwork": True,
}
ASLEEP: dict[str, Any] = {
    "hostNetwork": True,
    "terminationGracePeriodSeconds": 0,
    "containers": [
        {
            "name": "main",
            "image": "host",
            "command": ["sleep", "infinity"],
            "ports": [{"name": "http", "containerPort": 80}],
        }
    ],
}


def test_pods_only_sleep_and_keep_what_policies_see() -> None:
    meta = {"name": "web", "labels": {"app": "web"}}
    pod = {"kind": "Pod", "metadata": meta, "spec": SPEC}
    deployment = {"kind": "Deployment", "spec": {"replicas": 2, "template": {"metadata": meta, "spec": SPEC}}}
    other = {"kind": "Service", "spec": {"selector": {}}}
    assert at_rest([pod, deployment, other]) == [
        {"kind": "Pod", "metadata": meta, "spec": ASLEEP},
        {"kind": "Deployment", "spec": {"replicas": 2, "template": {"metadata": meta, "spec": ASLEEP}}},
        other,
    ]


def test_ports_of_init_containers_have_names_too() -> None:
    spec = {"containers": [], "initContainers": [{"name": "a", "ports": [{"name": "x", "containerPort": 1}]}]}
    [pod] = at_rest([{"kind": "Pod", "spec": spec}])
    assert pod["spec"]["containers"][0]["ports"] == [{"name": "x", "containerPort": 1}]
