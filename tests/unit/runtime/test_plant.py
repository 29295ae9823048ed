"""Which processes make a cluster, and when it is ready."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import pytest

from tandem.base.paths import RunDir
from tandem.cluster.networks import PodNetwork, ServiceNetwork
from tandem.runtime import underlay
from tandem.runtime.holdings import Limits
from tandem.runtime.plant import Networks, PortInUseError, check_port, node_names, tasks, unready
from tandem.runtime.underlay import NodeSeat

NODE: dict[str, Any] = {
    "name": "node-1",
    "ready": True,
    "agent": {"connected": True},
    "podCIDRs": ["10.244.0.0/24"],
    "envoy": {"ready": True},
    "dns": {"ready": True},
    "resources": {"refused": []},
}
POD = {"namespace": "shop", "name": "a", "ready": False, "phase": "Pending", "message": ""}


def status(**sections: Any) -> dict[str, Any]:
    return {"nodes": [NODE], "pods": [], "objects": [], "deployments": [], "statefulSets": [], **sections}


def test_a_port_in_use_is_told_with_its_cure() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(PortInUseError, match=f"port {port} is in use .*--api-port"):
            check_port(port)
    check_port(port)


DUAL = Networks(
    pods=PodNetwork.parse("fd00:10:244::/56,10.244.0.0/16"),
    services=ServiceNetwork.parse("fd00:10:96::/112,10.96.0.0/16"),
)


def test_control_comes_first_then_agent_and_runtime_of_each_node() -> None:
    run_dir = RunDir(Path("/run/tandem"))
    seats = [NodeSeat(name=n, netns=f"/run/netns/tandem-{n}", addresses=("198.18.116.11",)) for n in node_names(2)]
    made = tasks(run_dir, seats, api_port=7443)
    assert [(t.role, t.netns, t.log) for t in made] == [
        ("control", "", "control.log"),
        ("agent", "/run/netns/tandem-node-1", "nodes/node-1/agent.log"),
        ("runtime", "/run/netns/tandem-node-1", "nodes/node-1/runtime.log"),
        ("agent", "/run/netns/tandem-node-2", "nodes/node-2/agent.log"),
        ("runtime", "/run/netns/tandem-node-2", "nodes/node-2/runtime.log"),
    ]
    assert made[0].arguments[:2] == ("--api-port", "7443")
    assert made[2].arguments[-2:] == ("--addresses", "198.18.116.11")


def test_nodes_in_namespaces_of_their_own_reach_the_api_over_the_underlay() -> None:
    run_dir = RunDir(Path("/run/tandem"))
    seats = underlay.seats(node_names(2))
    control, _, runtime, *_ = tasks(run_dir, seats, api_port=7443)
    assert control.arguments[2:4] == ("--node-address", underlay.GATEWAY)
    assert str(run_dir.node_kubeconfig) in runtime.arguments


def test_one_node_lives_in_this_namespace_and_finds_its_own_address() -> None:
    made = tasks(RunDir(Path("/r")), [NodeSeat(name="node-1", netns="")], api_port=1)
    assert {t.netns for t in made} == {""}
    assert all("--addresses" not in t.arguments and "--node-address" not in t.arguments for t in made)
    assert str(RunDir(Path("/r")).kubeconfig) in made[2].arguments


def test_every_process_understands_its_arguments(monkeypatch: pytest.MonkeyPatch) -> None:
    """The command lines that are made here against the parsers of the processes."""
    from tandem.apps import agent, control, runtime

    seen: list[str] = []
    monkeypatch.setattr(runtime, "_FOR_TERMINALS", ())  # what it forbids itself to import stays importable here
    for module in (agent, control, runtime):
        target = "tandem.apps.process.until_told" if module is runtime else f"{module.__name__}.until_told"
        monkeypatch.setattr(target, lambda _run, name=module.__name__: seen.append(name))
    run_dir = RunDir(Path("/r"))
    mains = {"agent": agent.main, "control": control.main, "runtime": runtime.main}
    for task in tasks(run_dir, underlay.seats(("node-1",), (6, 4)), api_port=1, networks=DUAL):
        argv = task.argv(run_dir.root)
        monkeypatch.setattr("sys.argv", argv[argv.index("-m") + 1 :])
        mains[task.role]()
    assert seen == ["tandem.apps.control", "tandem.apps.agent", "tandem.apps.runtime"]


def test_all_ready_is_ready() -> None:
    assert unready(status(), nodes=1) == []


def test_a_node_that_has_not_registered_is_waited_for() -> None:
    assert unready(status(), nodes=3) == ["2 of 3 nodes have not registered"]


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"agent": {"connected": False}}, ": its agent is not connected"),
        ({"podCIDRs": []}, ": no pool has a block of pod addresses for it"),
        ({"envoy": {"ready": False}}, ": its Envoy is not ready"),
        ({"dns": {"ready": False}}, ": its DNS server is not ready"),
        ({"resources": {"refused": ["RouteTable x: bad", "more"]}}, ": RouteTable x: bad"),
        ({}, ""),
    ],
)
def test_an_unready_node_says_why(fields: dict[str, Any], why: str) -> None:
    assert unready(status(nodes=[{**NODE, "ready": False, **fields}]), nodes=1) == [f"node node-1 is not ready{why}"]


def test_an_unready_pod_says_why_and_finished_ones_hold_nobody_up() -> None:
    pods = [
        POD,
        {**POD, "name": "b", "message": "no address is free"},
        {**POD, "name": "c", "phase": "Succeeded"},
        {**POD, "name": "d", "phase": "Terminating"},
        {**POD, "name": "e", "ready": True},
    ]
    assert unready(status(pods=pods), nodes=1) == [
        "pod shop/a is Pending and not ready",
        "pod shop/b is Pending and not ready: no address is free",
    ]


def test_objects_deployments_and_stateful_sets_are_waited_for() -> None:
    sections = {
        "objects": [{"kind": "VirtualService", "namespace": "n", "name": "v", "programmed": False, "message": "wait"}],
        "deployments": [
            {"namespace": "n", "name": "d", "wanted": 2, "ready": 1},
            {"namespace": "n", "name": "e", "wanted": 0, "ready": 0},
        ],
        "statefulSets": [{"namespace": "n", "name": "s", "wanted": 3, "ready": 2}],
    }
    assert unready(status(**sections), nodes=1) == [
        "VirtualService n/v is not programmed: wait",
        "Deployment n/d has 1 of 2 replicas ready",
        "StatefulSet n/s has 2 of 3 replicas ready",
    ]


def test_what_was_applied_is_waited_for_until_control_has_heard_of_it() -> None:
    applied: list[dict[str, Any]] = [
        {"kind": kind, "apiVersion": version, "metadata": {"name": name, **namespace}}
        for kind, version, name, namespace in (
            ("Pod", "v1", "a", {"namespace": "shop"}),
            ("Pod", "v1", "b", {"namespace": "shop"}),
            ("Deployment", "apps/v1", "d", {"namespace": "shop"}),
            ("Gateway", "networking.istio.io/v1", "edge", {"namespace": "shop"}),
            ("Network", "tandem.io/v1", "default", {}),
            ("ConfigMap", "v1", "nobody-tells-of-it", {"namespace": "shop"}),
        )
    ]
    sections = {
        "pods": [{**POD, "ready": True}],
        "objects": [{"kind": "Network", "namespace": "", "name": "default", "programmed": True, "message": ""}],
    }
    assert unready(status(**sections), nodes=1, applied=applied) == [
        "control has not heard of Pod shop/b",
        "control has not heard of Deployment shop/d",
        "control has not heard of IstioGateway shop/edge",
    ]
    assert unready(status(**sections), nodes=1, applied=applied[:1]) == []


def test_control_learns_how_the_pods_addresses_are_shared_out() -> None:
    networks = Networks(pods=PodNetwork.parse("10.9.0.0/24", "29"))
    control, *_ = tasks(RunDir(Path("/r")), underlay.seats(("node-1",)), api_port=1, networks=networks)
    assert control.arguments[4:8] == ("--pod-cidr", "10.9.0.0/24", "--node-prefix", "29")


def test_agents_and_control_learn_how_long_addresses_wait() -> None:
    limits = Limits(cool_down=1.5, leak_grace=60, peers_wait=2)
    control, agent, _ = tasks(RunDir(Path("/r")), underlay.seats(("node-1",)), api_port=1, limits=limits)
    assert control.arguments[-2:] == ("--leak-grace", "60")
    assert agent.arguments[-6:] == ("--ip-cool-down", "1.5", "--peers-wait", "2", "--leak-grace", "60")


def test_both_families_reach_every_process() -> None:
    control, _, runtime = tasks(RunDir(Path("/r")), [NodeSeat(name="node-1", netns="")], api_port=1, networks=DUAL)
    assert control.arguments[-8:-2] == (
        *("--pod-cidr", "fd00:10:244::/56,10.244.0.0/16", "--node-prefix", "64,24"),
        *("--service-cidr", "fd00:10:96::/112,10.96.0.0/16"),
    )
    assert runtime.arguments[-4:] == ("--cluster-dns", "fd00:10:96::a,10.96.0.10", "--families", "6,4")
