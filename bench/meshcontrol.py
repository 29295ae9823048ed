"""`bench/run.py control`: control with 1,000 Services, 10,000 endpoints, 1,000 routes and ever more nodes.

In: root. Out: `bench/results/mesh-control.json, .md, .svg`. Nothing here passes or fails. API server and control are
the processes of `policyroles.py`; each node is the agent's end of the conversation: it has everything that a node is
sent, and acknowledges it. A change is one endpoint that is no longer ready; it ends when the last node has told that it
has it.
"""

from __future__ import annotations

import asyncio
import json
import os
import platform
import random
import statistics
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

from cni import PREPARE, p99
from meshcluster import BEHIND, PODS, SERVICES, endpoints, everything, node_name, space
from policy import SPACE, answer
from policyworld import busy, resident, rest, start, wait_for
from svg import chart

from tandem.apps.process import until_told
from tandem.base.paths import RunDir
from tandem.drivers.xds.client import XdsClient
from tandem.drivers.xds.client_session import Update
from tandem.ingest.kube import KubeClient
from tandem.ir import wire
from tandem.ir.fabric import Endpoints
from tandem.model.kinds import BY_KIND

HERE = Path(__file__).resolve().parent
RESULTS = HERE / "results"
RUN = Path("/run/tandem")
SLICE = BY_KIND["EndpointSlice"]
NODES = (10, 100, 300, 1_000)
TARGET = 100
"""The number of nodes of which the issue speaks."""
CHANGES, RATE, BURST = 100, 200, 1_000
AT_ONCE = 8
"""Calls to the API that are under way at once, at most."""


async def nodes(run_dir: Path, count: int) -> None:
    """So many nodes: `synced` once all have everything, then `TIME SERVICE` when the last one has its endpoints."""
    target, url = f"unix:{RunDir(run_dir).control_socket}", wire.URLS[Endpoints]
    clients: dict[str, XdsClient] = {}
    seen: Counter[tuple[str, str]] = Counter()

    def client(name: str) -> XdsClient:
        def on_update(update: Update) -> None:
            clients[name].ack(update.nonce)
            for resource, (version, _) in update.resources.items() if update.type_url == url else ():
                seen[resource, version] += 1
                if seen[resource, version] == count and synced:
                    print(time.monotonic(), resource, flush=True)

        return XdsClient(target, name, tuple(wire.TYPES), on_update)

    synced = False
    async with asyncio.TaskGroup() as tasks:
        for number in range(count):
            clients[node_name(number)] = client(node_name(number))
            tasks.create_task(clients[node_name(number)].run())
        for one in clients.values():
            await one.synced.after(0)
        synced = True
        print("synced", flush=True)


class World:
    """The processes, and what the nodes tell."""

    def __init__(self, count: int) -> None:
        RUN.mkdir()
        place, roles = RunDir(RUN), str(HERE / "policyroles.py")
        self.api = start(str(HERE / "meshcontrol.py"), "api", str(count))
        wait_for(place.kubeconfig, self.api)
        self.control = start(roles, "control", str(RUN), output=subprocess.DEVNULL)
        wait_for(place.control_socket, self.control)
        began = time.monotonic()
        self.nodes = start(str(HERE / "meshcontrol.py"), "nodes", str(count), output=subprocess.PIPE)
        self.ended: dict[str, list[float]] = {}
        self._news = threading.Event()
        assert self.nodes.stdout is not None
        # Its log goes the same way: a node that control does not take at once says so.
        if not any(line.strip() == "synced" for line in self.nodes.stdout):
            raise SystemExit("the nodes are not synced: " + Path("/run/bench.log").read_text()[-3000:])
        self.synced = time.monotonic() - began
        threading.Thread(target=self._read, daemon=True).start()
        self.rest()

    def rest(self) -> None:
        rest(self.api, self.control, self.nodes)

    def _read(self) -> None:
        assert self.nodes.stdout is not None
        for line in self.nodes.stdout:
            if line.startswith("{"):
                continue
            at, name = line.split()
            self.ended.setdefault(name, []).append(float(at))

    async def change(self, client: KubeClient, number: int, ready: int) -> float:
        """When the call to the API began."""
        began = time.monotonic()
        await client.patch(SLICE, space(number), f"s{number}", {"endpoints": endpoints(number, ready)["endpoints"]})
        return began

    async def told(self, number: int, began: float) -> float:
        """ms until the last node had it."""
        name, deadline = f"{space(number)}/s{number}", time.monotonic() + 60
        while time.monotonic() < deadline:
            ended = [at for at in self.ended.get(name, ()) if at >= began]
            if ended:
                return (ended[-1] - began) * 1000
            await asyncio.sleep(0.001)
        raise SystemExit(f"{name}: not every node was told")

    async def one_by_one(self, client: KubeClient) -> dict[str, Any]:
        """ms of each change, and ms of CPU that control needs for one."""
        chance = random.Random(5)  # noqa: S311 - of pauses
        found, used = [], busy(self.control)
        for number in range(CHANGES):
            began = await self.change(client, number, BEHIND - 1)
            found.append(await self.told(number, began))
            await asyncio.sleep(chance.uniform(0.02, 0.1))
        return {"ms": found, "cpu": (busy(self.control) - used) / CHANGES * 1000}

    async def sustained(self, client: KubeClient) -> dict[str, Any]:
        """RATE changes a second: what was reached, and ms of each."""
        begins: dict[int, float] = {}
        numbers, first = iter(range(BURST)), time.monotonic()

        async def send() -> None:
            for number in numbers:
                await asyncio.sleep(max(0.0, first + number / RATE - time.monotonic()))
                begins[number] = await self.change(client, number, BEHIND - 2)

        await asyncio.gather(*(send() for _ in range(AT_ONCE)))
        found = [await self.told(number, began) for number, began in begins.items()]
        last = max(begins[n] + ms / 1000 for n, ms in zip(begins, found, strict=True))
        return {"ms": found, "rate": BURST / (last - first), "asked": BURST / (max(begins.values()) - first)}

    async def joins(self, count: int) -> float:
        """Seconds from the first word of a node more until it has everything."""
        target = f"unix:{RunDir(RUN).control_socket}"
        began = time.monotonic()
        one = XdsClient(target, node_name(count), tuple(wire.TYPES), lambda update: one.ack(update.nonce))
        async with asyncio.TaskGroup() as tasks:
            running = tasks.create_task(one.run())
            await one.synced.after(0)
            taken = time.monotonic() - began
            running.cancel()
        return taken


async def measure(count: int) -> dict[str, Any]:
    world = await asyncio.to_thread(World, count)
    found: dict[str, Any] = {"nodes": count, "all synced s": world.synced}
    async with KubeClient.from_kubeconfig(RunDir(RUN).kubeconfig) as client:
        found["one by one"] = await world.one_by_one(client)
        found["new node s"] = await world.joins(count)
        if count == TARGET:
            found["sustained"] = await world.sustained(client)
    await asyncio.to_thread(world.rest)
    found["control MB"] = resident(world.control)
    for process in (world.nodes, world.control, world.api):
        process.terminate()
    return found


def worker(count: int) -> dict[str, Any]:
    print(f"{count} nodes", flush=True)
    return answer(
        [*SPACE, "sh", "-c", PREPARE, "sh", sys.executable, str(HERE / "meshcontrol.py"), "measure", str(count)]
    )


def main(counts: tuple[int, ...] = NODES) -> None:
    load = [os.getloadavg()[0]]
    found = [worker(count) for count in counts]
    load.append(os.getloadavg()[0])
    whole = {
        "machine": f"{platform.machine()}, {os.cpu_count()} CPUs, kernel {platform.release()}",
        "load": load,
        "runs": found,
    }
    RESULTS.mkdir(parents=True, exist_ok=True)
    (RESULTS / "mesh-control.json").write_text(json.dumps(whole, indent=1) + "\n")
    lines = {
        "control, MB": [(run["nodes"], run["control MB"]) for run in found],
        "change, ms of CPU": [(run["nodes"], run["one by one"]["cpu"]) for run in found],
    }
    (RESULTS / "mesh-control.svg").write_text(chart("Control beside nodes", lines, x="nodes", y=""))
    (RESULTS / "mesh-control.md").write_text(text(whole))
    print(text(whole))


def text(whole: dict[str, Any]) -> str:
    lines = [
        f"# Control: {SERVICES} Services, {PODS} endpoints, {SERVICES} routes, and nodes",
        "",
        f"{whole['machine']}; load {whole['load'][0]:.1f} before and {whole['load'][1]:.1f} after. API server, control",
        f"and all nodes share this machine; {CHANGES} changes of one endpoint each, from the call to the API to the",
        "last node's acknowledgement.",
        "",
        "| nodes | p50 ms | p99 ms | CPU ms of control | a new node has all, s | all nodes at once, s | control MB |",
        "|---|---|---|---|---|---|---|",
    ]
    for run in whole["runs"]:
        ms = run["one by one"]["ms"]
        cells = [statistics.median(ms), p99(ms), run["one by one"]["cpu"], run["new node s"], run["all synced s"]]
        shown = " | ".join(f"{cell:.1f}" for cell in cells)
        lines.append(f"| {run['nodes']} | {shown} | {run['control MB']:.0f} |")
    lines.append("")
    lines += [
        f"With {run['nodes']} nodes {BURST} changes, sent at {burst['asked']:.0f} a second, were everywhere at "
        f"{burst['rate']:.0f} a second; p50 {statistics.median(burst['ms']):.0f} ms, p99 {p99(burst['ms']):.0f} ms."
        for run in whole["runs"]
        if (burst := run.get("sustained"))
    ]
    lines += [
        "",
        f"Targets, with {TARGET} nodes: p50 at most 20 ms, p99 at most 100 ms; {RATE} changes a second; a new node",
        "within 3 s; control below 1 GB. ![Control beside nodes](mesh-control.svg)",
    ]
    return "\n".join(lines) + "\n"


def role(name: str, count: int) -> None:
    if name == "measure":
        print(json.dumps(asyncio.run(measure(count))), flush=True)
        os._exit(0)
    from policyroles import api

    until_told(lambda: nodes(RUN, count) if name == "nodes" else api(RUN, everything(count)))


if __name__ == "__main__":
    if len(sys.argv) == 3:
        role(sys.argv[1], int(sys.argv[2]))
    else:
        main()
