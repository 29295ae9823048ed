"""`tandem up` without its paint: which processes make a cluster on this machine, and how to wait for it.

In: node names and a run directory. Out: the tasks of the supervisor; readiness with reasons.
"""

from __future__ import annotations

import socket
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from tandem.base.paths import RunDir
from tandem.cluster.networks import PODS, SERVICES, PodNetwork, ServiceNetwork
from tandem.model.kinds import PROGRAMMED, name_of
from tandem.model.meta import RawObject
from tandem.runtime import underlay
from tandem.runtime.holdings import LIMITS, Limits
from tandem.runtime.supervisor import Task
from tandem.runtime.underlay import NodeSeat

_TOLD: Final = {"Pod": "pods", "Deployment": "deployments", "StatefulSet": "statefulSets"}
"""Kinds that have a section of the status of their own, beside those that can be programmed."""


class PortInUseError(ValueError):
    """The API server's port is taken."""


def check_port(port: int) -> None:
    """Raise PortInUseError if nothing can listen on the loopback port."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as err:
            raise PortInUseError(f"port {port} is in use on 127.0.0.1: choose another with --api-port") from err


def node_names(count: int) -> tuple[str, ...]:
    """`node-1` to `node-N`."""
    return tuple(f"node-{i}" for i in range(1, count + 1))


@dataclass(frozen=True, slots=True, kw_only=True)
class Networks:
    """Every address of the cluster."""

    pods: PodNetwork = PODS
    services: ServiceNetwork = SERVICES


USUAL: Final = Networks()


def tasks(
    run_dir: RunDir,
    seats: Iterable[NodeSeat],
    *,
    api_port: int,
    networks: Networks = USUAL,
    limits: Limits = LIMITS,
) -> tuple[Task, ...]:
    """API server with control, then agent and runtime of each node."""
    places = tuple(seats)
    apart = any(seat.netns for seat in places)  # nodes in namespaces of their own reach the API over the underlay
    reach = ("--node-address", underlay.GATEWAY) if apart else ()
    pods, dns = networks.pods, ",".join(networks.services.dns_addresses)
    families = ",".join(map(str, pods.families))
    shares = ("--pod-cidr", ",".join(pods.cidrs), "--node-prefix", ",".join(map(str, pods.node_prefixes)))
    services = ("--service-cidr", ",".join(networks.services.cidrs))
    grace = ("--leak-grace", f"{limits.leak_grace:g}")
    control = ("--api-port", str(api_port), *reach, *shares, *services, *grace)
    made = [Task(role="control", arguments=control, log=run_dir.control_log.name)]
    kubeconfig = run_dir.node_kubeconfig if apart else run_dir.kubeconfig
    for seat in places:
        node = run_dir.node(seat.name).root.relative_to(run_dir.root)
        given = ("--addresses", ",".join(seat.addresses)) if seat.addresses else ("--families", families)
        runtime = ("--node", seat.name, "--kubeconfig", str(kubeconfig), "--cluster-dns", dns, *given)
        waits = ("--ip-cool-down", f"{limits.cool_down:g}", "--peers-wait", f"{limits.peers_wait:g}", *grace)
        agent = ("--node", seat.name, *waits, *(("--metrics", limits.metrics) if limits.metrics else ()))
        made.append(Task(role="agent", arguments=agent, log=str(node / "agent.log"), netns=seat.netns))
        made.append(Task(role="runtime", arguments=runtime, log=str(node / "runtime.log"), netns=seat.netns))
    return tuple(made)


def unready(status: Mapping[str, Any], *, nodes: int, applied: Iterable[RawObject] = ()) -> list[str]:
    """Why the cluster is not ready yet, one line each, from `tandem status -o json`; empty when it is.

    `applied`: objects that the API has, and of which control hears later; those that are told of have to be there.
    """
    lines = [f"node {n['name']} is not ready{_why(n)}" for n in status["nodes"] if not n["ready"]]
    if len(status["nodes"]) < nodes:
        lines.append(f"{nodes - len(status['nodes'])} of {nodes} nodes have not registered")
    lines += [
        f"pod {p['namespace']}/{p['name']} is {p['phase']} and not ready"
        + (f": {p['message']}" if p["message"] else "")
        for p in status["pods"]
        if not p["ready"] and p["phase"] not in {"Succeeded", "Terminating"}
    ]
    lines += [
        f"{o['kind']} {o['namespace']}/{o['name']} is not programmed: {o['message']}"
        for o in status["objects"]
        if not o["programmed"]
    ]
    lines += [
        f"{kind} {o['namespace']}/{o['name']} has {o['ready']} of {o['wanted']} replicas ready"
        for kind in ("Deployment", "StatefulSet")
        for o in status[_TOLD[kind]]
        if o["ready"] < o["wanted"]
    ]
    return [*lines, *_unheard(status, applied)]


def _unheard(status: Mapping[str, Any], applied: Iterable[RawObject]) -> Iterator[str]:
    told = {(o["kind"], o["namespace"], o["name"]) for o in status["objects"]}
    told |= {(kind, o["namespace"], o["name"]) for kind, key in _TOLD.items() for o in status[key]}
    for raw in applied:
        kind, meta = name_of(raw), raw["metadata"]
        namespace, name = meta.get("namespace", ""), meta.get("name")
        if kind in (*_TOLD, *PROGRAMMED) and name and (kind, namespace, name) not in told:
            yield f"control has not heard of {kind} {f'{namespace}/' if namespace else ''}{name}"


def _why(node: Mapping[str, Any]) -> str:
    if not node["agent"]["connected"]:
        return ": its agent is not connected"
    if not node["podCIDRs"]:
        return ": no pool has a block of pod addresses for it"
    if not node["envoy"].get("ready"):
        return ": its Envoy is not ready"
    if not node["dns"]["ready"]:
        return ": its DNS server is not ready"
    refused = node["resources"]["refused"]
    return f": {refused[0]}" if refused else ""
