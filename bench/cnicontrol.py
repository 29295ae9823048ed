"""A stand-in for control in `bench/cni.py`: serves the agent one node, its pods, a policy and Services, and no more.

In: run directory, number of Services, number of pods. Out: delta ADS on the control socket. It uses control's own
server and wire types, so the agent is the real one; an API server would share the measured CPUs and is no part of ADD.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from tandem.base.ids import NodeName, PodUid, PolicySetId, SpiffeId
from tandem.base.paths import RunDir
from tandem.base.problems import Origin
from tandem.drivers.xds.client import REPORTS
from tandem.drivers.xds.messages import Encoded
from tandem.drivers.xds.server import XdsServer
from tandem.ir import wire
from tandem.ir.fabric import AppProtocol, Endpoint, Endpoints, LocalPod, MeshConfig, Node, Service, ServicePort
from tandem.ir.policy import Anyone, PolicySet, Rule, Side

NODE = NodeName("bench")
OPEN = PolicySetId("ps-bench")


def resources(pods: int) -> dict[str, wire.Value]:
    """Mesh, node, policy and pods by resource name."""
    found: dict[str, wire.Value] = {
        "mesh": MeshConfig(
            trust_domain="cluster.local",
            roots_pem="",
            cluster_domain="cluster.local",
            dns_addresses=("10.96.0.10",),
            service_cidrs=("10.96.0.0/16",),
        ),
        NODE: Node(name=NODE, addresses=("192.0.2.1",), pod_cidrs=("10.244.0.0/20",)),
    }
    origin = Origin(kind="NetworkPolicy", namespace="bench", name="all")
    rule = Rule(origin=origin, peers=(Anyone(),), ports=())
    found[OPEN] = PolicySet(id=OPEN, side=Side.INGRESS, rules=(rule,), isolated_by=(origin,))
    for n in range(pods):
        uid = PodUid(f"uid-{n}")
        identity = SpiffeId("spiffe://cluster.local/ns/bench/sa/default")
        found[uid] = LocalPod(
            uid=uid, namespace="bench", name=f"p{n}", service_account="default", identity=identity, ingress=OPEN
        )
    return found


def fronts(services: int) -> dict[str, tuple[Service, Endpoints]]:
    """Services of one port, each with two endpoints elsewhere in the cluster."""
    found = {}
    port = ServicePort(name="web", port=80, protocol="TCP", app=AppProtocol.TCP)
    for n in range(services):
        name = f"s{n}"
        address = f"10.96.{1 + n // 250}.{1 + n % 250}"
        service = Service(namespace="bench", name=name, cluster_ips=(address,), ports=(port,))
        ends = tuple(
            Endpoint(address=f"10.{245 + k}.{n // 250}.{1 + n % 250}", ports=(("web", 8080),)) for k in range(2)
        )
        found[f"bench/{name}"] = (service, Endpoints(namespace="bench", service=name, endpoints=ends))
    return found


async def serve(run_dir: Path, services: int, pods: int) -> None:
    """Publish everything once, then stay."""
    server = XdsServer(RunDir(run_dir).control_socket, tuple(wire.TYPES))
    server.add_push(REPORTS, lambda _node, _data: None)
    published: dict[str, dict[str, Encoded]] = {url: {} for url in wire.TYPES}

    def put(name: str, value: wire.Value) -> None:
        data = wire.encode(value)
        published[wire.URLS[type(value)]][name] = Encoded(name, wire.version(data), data)

    for name, value in resources(pods).items():
        put(name, value)
    for name, (service, endpoints) in fronts(services).items():
        put(name, service)
        put(name, endpoints)
    server.publish(NODE, published)
    await server.start()
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(serve(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])))
