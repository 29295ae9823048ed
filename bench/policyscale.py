"""What one change costs beside ever more pods: `python bench/policyscale.py PODS POLICIES CHANGES`, one line of JSON.

All stages of control and of one node's agent in one process, without kernel: World, translation, what nodes are sent,
the session, the agent's slice, compile, plan. Beside it the whole translation. CPU time: others use the machine too.
"""

from __future__ import annotations

import gc
import json
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from policymodel import NODE, Raw, address, namespaces, node_of, nodes, pod, policy

from tandem.base.ids import ContainerId, PodUid
from tandem.compile.nft.node import compile_nft
from tandem.drivers.nft.plan import plan
from tandem.drivers.xds import codec
from tandem.drivers.xds.client_session import ClientSession
from tandem.drivers.xds.messages import Response
from tandem.drivers.xds.session import Session
from tandem.ipam.journal import Attachment, Phase
from tandem.ir import wire
from tandem.model.meta import Object
from tandem.model.parse import parse
from tandem.model.world import World
from tandem.runtime.attached import Attached
from tandem.runtime.publisher import Publisher
from tandem.runtime.slice import Slice
from tandem.state import nft
from tandem.translate.live import Live
from tandem.translate.options import Options
from tandem.translate.world import translate_world

SIZE = 100
"""Pods of a node."""
LARGEST_WHOLE = 10_000
"""Beyond this the whole translation takes minutes."""


def resident() -> float:
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4 / 1024


class Pipeline:
    """The stages, and the newest value of each."""

    def __init__(self, pods: int, policies: int) -> None:
        self.pods = pods
        self.world = World(synced=True)
        kinds: dict[str, dict[tuple[str, str], Object]] = {}
        for raw in self.cluster(policies):
            obj = parse(raw)
            kinds.setdefault(obj.kind, {})[obj.key] = obj
        before = resident()
        for kind, objects in kinds.items():
            self.world = self.world.with_changes(kind, objects, synced=True)
        self.names = sorted(name for _, name in kinds["Node"])
        del kinds
        self.live, self.publisher = Live(Options()), Publisher()
        self.session, self.client = Session(wire.TYPES), ClientSession(NODE, tuple(wire.TYPES))
        self.slice, self.attached, self.rules = Slice(NODE), Attached(), nft.Ruleset()
        for request in self.client.on_connect():
            self.session.on_request(request)
        self.settle()
        self.memory = resident() - before
        self.attached.take(map(attachment, self.slice.by_uid))
        self.enforce()

    def cluster(self, policies: int) -> list[Raw]:
        found = [*namespaces(self.pods), *nodes(self.pods, SIZE)]
        found += [pod(n, self.pods, node=node_of(n, self.pods, SIZE), ip=address(n)) for n in range(self.pods)]
        return [*found, *(policy(n, self.pods, wide=False) for n in range(policies))]

    def settle(self) -> None:
        news = dict(self.publisher.update(self.live.translate(self.world), self.names)).get(NODE, {})
        for action in self.session.on_wanted(news):
            if isinstance(action, Response):
                update = self.client.on_response(codec.decode_response(codec.encode_response(action)))
                if update is not None:
                    self.slice.take(update)

    def enforce(self) -> None:
        view = self.slice.view(self.attached.pods(self.slice.by_uid))
        assert view is not None
        before, self.rules = self.rules, compile_nft(view)
        plan(before, self.rules)

    def change(self, raw: Raw) -> float:
        """ms of CPU from the object to the plan."""
        obj = parse(raw)
        began = time.process_time()
        self.world = self.world.with_changes(obj.kind, {obj.key: obj}, synced=True)
        self.settle()
        self.enforce()
        return (time.process_time() - began) * 1000

    def whole(self) -> float:
        began = time.process_time()
        translate_world(self.world, Options())
        return (time.process_time() - began) * 1000


def attachment(uid: str) -> Attachment:
    number = int(uid.rpartition("-")[2])
    return Attachment(
        container_id=ContainerId(f"c{number}"),
        ifname="eth0",
        pod_uid=PodUid(uid),
        namespace="bench",
        pod_name=f"p{number}",
        addresses=(address(number),),
        mac="",
        host_ifname=f"td{number:x}",
        mtu=1500,
        netns=f"/run/netns/b{number}",
        pin=f"/run/pins/{number}",
        phase=Phase.READY,
    )


def measure(pods: int, policies: int, changes: int) -> dict[str, Any]:
    pipeline = Pipeline(pods, policies)
    gc.collect()
    gc.freeze()
    node = node_of(15, pods, SIZE)
    makers: dict[str, Callable[[int], Raw]] = {
        "label change": lambda n: pod(15, pods, node=node, ip=address(15), app=f"a{n % 10}"),
        "policy change": lambda n: policy(5, pods, port=9000 + n, wide=False),
        "pod start": lambda n: pod(pods + 10 * n + 5, pods, node=NODE, ip=address(pods + n)),
    }
    figures = {}
    for name, make in makers.items():
        found = [pipeline.change(make(n)) for n in range(changes)]
        figures[name] = {"median": statistics.median(found), "p99": sorted(found)[-1 - len(found) // 100]}
    if pods <= LARGEST_WHOLE:
        figures["whole translation"] = {"median": pipeline.whole(), "p99": 0.0}
    return {"pods": pods, "policies": policies, "figures": figures, "control MB": round(pipeline.memory, 1)}


if __name__ == "__main__":
    print(json.dumps(measure(*map(int, sys.argv[1:]))))
