"""`python -m tandem.apps.control`: the embedded API server and control, one process.

In: `--run-dir DIR --api-port N`, the pods' addresses. Out: a kubeconfig, an API on loopback, a socket for the agents;
until SIGTERM.
"""

from __future__ import annotations

import argparse
import asyncio
from dataclasses import dataclass
from pathlib import Path

from tandem.apiserver.app import build_app
from tandem.apiserver.credentials import lasting_certificate, lasting_token
from tandem.apiserver.expiry import Expiry
from tandem.apiserver.kubeconfig import write_kubeconfig
from tandem.apiserver.server import listen, serve_on
from tandem.apiserver.store import Store
from tandem.apps.process import until_told
from tandem.base.clock import SystemClock
from tandem.base.paths import SYSTEM_ROOTS, RunDir
from tandem.cluster.classes import first_class
from tandem.cluster.networks import POD_NETWORK, SERVICE_NETWORK, PodNetwork, ServiceNetwork
from tandem.cluster.nodes import first_pools
from tandem.drivers.xds.server import XdsServer
from tandem.ingest.images import load_images
from tandem.ingest.kube import KubeClient
from tandem.ir import wire
from tandem.model.meta import RawObject
from tandem.model.schema import inert
from tandem.runtime.api import routes
from tandem.runtime.authority import has_roots
from tandem.runtime.canaries import CanaryLoop
from tandem.runtime.cluster import GRACE, ClusterLoop, Shares
from tandem.runtime.control import Control
from tandem.runtime.inside import Pods
from tandem.runtime.lifecycle import LifecycleLoop
from tandem.runtime.trust import TrustLoop
from tandem.runtime.withdrawals import WithdrawalLoop
from tandem.translate.world import Options


@dataclass(frozen=True, slots=True)
class Place:
    """Where it keeps its files and listens."""

    run_dir: RunDir
    port: int
    node_address: str = ""
    """Listen here too, for nodes in namespaces of their own."""


class Server:
    """API server first, then control as its first client."""

    def __init__(self, place: Place, *, shares: Shares, services: ServiceNetwork) -> None:
        self._dir = place.run_dir
        self._port = place.port
        self._node_address = place.node_address
        self._shares = shares
        self._services = services
        self._clock = SystemClock()
        self._images = load_images(place.run_dir.images)
        self._control: Control | None = None

    async def run(self) -> None:
        """Until cancelled."""
        addresses = ("127.0.0.1", self._node_address) if self._node_address else ("127.0.0.1",)
        socks = [listen(address, self._port) for address in addresses]
        token = lasting_token(self._dir.root)
        tls = lasting_certificate(self._dir.root, self._clock, hosts=("localhost", *addresses))
        pods = Pods(self._dir)
        pods.end_of_earlier_life()
        store = Store(self._dir.database)
        app = build_app(
            store,
            token=token,
            services=self._services,
            first=[made.raw for made in (*first_pools(self._shares.pods), first_class())],
            advise=self._advise,
            extra_routes=routes(lambda: self._control),
            inside=pods,
        )
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(Expiry(store, self._clock).run())
            for sock in socks:
                started = asyncio.Event()
                tasks.create_task(serve_on(app, sock, tls=tls, started=started))
                await started.wait()
            files = (self._dir.kubeconfig, self._dir.node_kubeconfig)
            for address, path in zip(addresses, files, strict=False):
                write_kubeconfig(path, f"https://{address}:{self._port}", token, tls.ca_pem)
            async with KubeClient.from_kubeconfig(self._dir.kubeconfig) as client:
                await self._run_control(client)

    async def _run_control(self, client: KubeClient) -> None:
        options = Options(
            dns_addresses=self._services.dns_addresses,
            service_cidrs=self._services.cidrs,
            system_roots=has_roots(SYSTEM_ROOTS),
        )
        trust = TrustLoop(client, self._clock)
        await trust.begin(options.trust_domain)
        server = XdsServer(self._dir.control_socket, wire.TYPES)
        self._control = Control(client, server, trust, options=options, clock=self._clock)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._control.run())
            worlds, holdings = self._control.informer.world, self._control.reports.holdings
            tell = self._control.events.tell
            loop = ClusterLoop(client, worlds, tell, holdings=holdings, shares=self._shares)
            tasks.create_task(loop.run())
            tasks.create_task(CanaryLoop(self._control, self._clock).run())
            tasks.create_task(LifecycleLoop(client, worlds, self._clock, tell).run())
            tasks.create_task(WithdrawalLoop(client, worlds, self._clock).run())

    def _advise(self, raw: RawObject) -> list[str]:
        """Fields that have no effect under the process runtime, and what translation says of the object."""
        return [*inert(raw, self._images), *(self._control.advise(raw) if self._control is not None else ())]


def main() -> None:
    """Parse the command line and run."""
    parser = argparse.ArgumentParser(prog="tandem.apps.control")
    parser.add_argument("--run-dir", type=Path, required=True)
    parser.add_argument("--api-port", type=int, default=6443)
    parser.add_argument("--node-address", default="", help="listen here too, for nodes in namespaces of their own")
    parser.add_argument("--pod-cidr", default=POD_NETWORK, help="the addresses of all pods")
    parser.add_argument("--node-prefix", default="", help="length of a node's share of them")
    parser.add_argument("--service-cidr", default=SERVICE_NETWORK, help="the addresses of all Services")
    parser.add_argument("--leak-grace", type=float, default=GRACE, help="seconds that blocks of lost nodes are kept")
    arguments = parser.parse_args()
    pods = PodNetwork.parse(arguments.pod_cidr, arguments.node_prefix)
    services = ServiceNetwork.parse(arguments.service_cidr)
    shares = Shares(pods=pods, grace=arguments.leak_grace)
    place = Place(RunDir(arguments.run_dir), arguments.api_port, arguments.node_address)
    until_told(Server(place, shares=shares, services=services).run)


if __name__ == "__main__":
    main()
