"""The runtime of one node: registers the Node, follows the pods that are bound to it, gives each a PodWorker.

In: an API client and the node's directory. Out: pods as processes. A restart adopts what is running.
"""

from __future__ import annotations

import asyncio
import shutil
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from ipaddress import IPv6Address
from pathlib import Path
from typing import Any, Final

import structlog

from tandem.base.clock import rfc3339
from tandem.ingest.errors import AlreadyExists, ApiError
from tandem.ingest.informer import Informer
from tandem.model import core
from tandem.model.kinds import BY_KIND
from tandem.model.parse import parse
from tandem.model.said import say
from tandem.model.world import World
from tandem.workloads.attach import AttachServer
from tandem.workloads.context import Node, pause_after
from tandem.workloads.dismantle import dismantle
from tandem.workloads.heartbeat import beat
from tandem.workloads.pod import PodWorker
from tandem.workloads.record import SandboxRecord, load_all

log = structlog.get_logger(__name__)

_RETRY: Final = 0.2
_OUTSIDE: Final = {
    4: (socket.AF_INET, "192.0.2.1", "127.0.0.1"),
    6: (socket.AF_INET6, "2001:db8::1", "::1"),
}
"""By family: its number, an address for documentation (nobody has it), and loopback."""
_IF_INET6: Final = Path("/proc/thread-self/net/if_inet6")
_GLOBAL: Final = "00"
"""Scope in that file (linux/ipv6.h)."""


@dataclass(slots=True)
class _Running:
    worker: PodWorker
    task: asyncio.Task[None] = field(repr=False)


async def run_node(node: Node) -> None:
    """Until cancelled; the pods go on without us."""
    informer = Informer(node.client, (BY_KIND["Pod"],))
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(informer.run())
        tasks.create_task(node.events.run())
        tasks.create_task(AttachServer(node.directory.attach_socket, node.live).run())
        tasks.create_task(register(node))
        tasks.create_task(beat(node))
        seen, world = await informer.world.after(0)
        workers = await _adopt(node, world, tasks)
        while True:
            _follow(node, world, workers, tasks)
            seen, world = await informer.world.after(seen)


async def register(node: Node) -> None:
    """Make the Node object say where we are and that we are ready."""
    kind = BY_KIND["Node"]
    raw: dict[str, Any] = {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": node.name, "labels": {"kubernetes.io/hostname": node.name, "kubernetes.io/os": "linux"}},
    }
    condition = {
        "type": "Ready",
        "status": "True",
        "reason": "RuntimeReady",
        "message": "the process runtime is running",
        "lastTransitionTime": rfc3339(node.clock.now()),
    }
    addresses = [{"type": "InternalIP", "address": address} for address in node.addresses]
    addresses.append({"type": "Hostname", "address": node.name})
    while True:
        try:
            try:
                await node.client.create(kind, raw)
            except AlreadyExists:
                await node.client.patch(kind, "", node.name, {"metadata": raw["metadata"]})
            status = {"status": {"addresses": addresses, "conditions": [condition]}}
            answer = await node.client.patch(kind, "", node.name, status, subresource="status")
        except ApiError as err:
            log.warning("node not registered", node=node.name, reason=err.message)
            await asyncio.sleep(_RETRY)
        else:
            node.events.tell(say(parse(answer), "Starting", "Starting the process runtime."))
            return


def own_address(version: int) -> str:
    """The address of a family by which this network namespace would reach the outside.

    Without such a way: of IPv6 the first that is not the link's own; loopback if there is none.
    """
    number, outside, loopback = _OUTSIDE[version]
    with socket.socket(number, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((outside, 9))  # no packet is sent: it only asks the routing table
        except OSError:
            return (_global_address() if version == 6 else "") or loopback
        return str(probe.getsockname()[0])


def _global_address() -> str:
    rows = [line.split() for line in _IF_INET6.read_text(encoding="ascii").splitlines()] if _IF_INET6.exists() else []
    for raw, _, _, scope, _, name in rows:
        if scope == _GLOBAL and name != "lo":  # on `lo` are addresses that the agent gives to the node
            return str(IPv6Address(bytes.fromhex(raw)))
    return ""


async def _adopt(node: Node, world: World, tasks: asyncio.TaskGroup) -> dict[str, _Running]:
    """Workers for the sandboxes that an earlier runtime process left; those of removed pods are dismantled."""
    pods = world.pods_by_uid
    workers: dict[str, _Running] = {}
    for record in load_all(node.directory):
        pod = pods.get(record.uid)
        if pod is None:
            tasks.create_task(_forget(node, record))
            continue
        log.info("adopted", pod=record.name, running=record.init.alive)
        workers[record.uid] = _start(PodWorker(node, pod, record), tasks)
    return workers


async def _forget(node: Node, record: SandboxRecord) -> None:
    failures = 0
    while True:
        try:
            await dismantle(node.directory, node.cni, record)
            break
        except Exception:
            # What one sandbox leaves behind must not keep the node's other pods from running.
            log.exception("sandbox not dismantled", pod=record.name, uid=record.uid)
            await asyncio.sleep(pause_after(failures))
            failures += 1
    await asyncio.to_thread(partial(shutil.rmtree, node.directory.pods / record.uid, ignore_errors=True))


def _follow(node: Node, world: World, workers: dict[str, _Running], tasks: asyncio.TaskGroup) -> None:
    mine: Mapping[str, core.Pod] = {u: p for u, p in world.pods_by_uid.items() if p.spec.node_name == node.name}
    for uid in [u for u, running in workers.items() if running.task.done()]:
        del workers[uid]
    for uid, running in workers.items():
        running.worker.pods.put(mine.get(uid))
    for uid, pod in mine.items():
        if uid not in workers:
            workers[uid] = _start(PodWorker(node, pod, None), tasks)


def _start(worker: PodWorker, tasks: asyncio.TaskGroup) -> _Running:
    return _Running(worker, tasks.create_task(worker.run()))
