"""The processes of `bench/policy.py` beside the agent: `python bench/policyroles.py ROLE RUN_DIR …`.

`api`: the embedded API server alone, filled with a cluster. `control`: Tandem's control as the client of that server,
as it is the client of a Kubernetes; it writes `TIME KIND NAME VERSION` for each watch event. `nodes`: the other nodes'
agents, of which there is only the end of the conversation: they acknowledge what they are sent.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncGenerator, Callable, Coroutine
from pathlib import Path
from typing import Any

from policymodel import everything, nodes

from tandem.apiserver.app import build_app
from tandem.apiserver.credentials import lasting_certificate, lasting_token
from tandem.apiserver.kubeconfig import write_kubeconfig
from tandem.apiserver.server import listen, serve_on
from tandem.apiserver.store import Store
from tandem.apps.process import until_told
from tandem.base.clock import SystemClock
from tandem.base.paths import RunDir
from tandem.drivers.xds.client import XdsClient
from tandem.drivers.xds.client_session import Update
from tandem.drivers.xds.server import XdsServer
from tandem.ingest.defaults import default
from tandem.ingest.kube import KubeClient
from tandem.ir import wire
from tandem.model.kinds import BY_KIND, Kind
from tandem.model.meta import RawObject
from tandem.runtime.control import Control
from tandem.runtime.trust import TrustLoop
from tandem.translate.options import Options

PORT = 16443


async def api(run_dir: Path, objects: list[RawObject]) -> None:
    place = RunDir(run_dir)
    store = Store(place.database)
    token = lasting_token(place.root)
    tls = lasting_certificate(place.root, SystemClock(), hosts=("localhost", "127.0.0.1"))
    app = build_app(store, token=token)
    with store.transaction():
        for raw in objects:
            store.put(BY_KIND[raw["kind"]], default(raw))
    started = asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(serve_on(app, listen("127.0.0.1", PORT), tls=tls, started=started))
        await started.wait()
        write_kubeconfig(place.kubeconfig, f"https://127.0.0.1:{PORT}", token, tls.ca_pem)


class Timed(KubeClient):
    """Says when each event of a watch arrived."""

    async def watch(
        self, kind: Kind, resource_version: str, **more: Any
    ) -> AsyncGenerator[tuple[str, RawObject], None]:
        async for change, raw in super().watch(kind, resource_version, **more):
            if kind.kind in {"Pod", "NetworkPolicy"} and change != "BOOKMARK":
                meta = raw["metadata"]
                print(time.monotonic(), kind.kind, meta["name"], meta["resourceVersion"], flush=True)
            yield change, raw


async def control(run_dir: Path) -> None:
    place = RunDir(run_dir)
    async with Timed.from_kubeconfig(place.kubeconfig) as client:
        options = Options()
        trust = TrustLoop(client, SystemClock())
        await trust.begin(options.trust_domain)
        server = XdsServer(place.control_socket, wire.TYPES)
        await Control(client, server, trust, options=options, clock=SystemClock()).run()


async def others(run_dir: Path, pods: int, size: int) -> None:
    target = f"unix:{RunDir(run_dir).control_socket}"
    clients: dict[str, XdsClient] = {}

    def client(name: str) -> XdsClient:
        def on_update(update: Update) -> None:
            clients[name].ack(update.nonce)

        return XdsClient(target, name, tuple(wire.TYPES), on_update)

    async with asyncio.TaskGroup() as tasks:
        for raw in nodes(pods, size)[1:]:
            name = raw["metadata"]["name"]
            clients[name] = client(name)
            tasks.create_task(clients[name].run())
        for one in clients.values():
            await one.synced.after(0)
        print("synced", flush=True)


def main() -> None:
    role, run_dir, *numbers = sys.argv[1], Path(sys.argv[2]), *map(int, sys.argv[3:])
    roles: dict[str, Callable[..., Coroutine[Any, Any, None]]] = {
        "api": lambda place, *size: api(place, everything(*size)),
        "control": control,
        "nodes": others,
    }
    until_told(lambda: roles[role](run_dir, *numbers))


if __name__ == "__main__":
    main()
