"""Manifests as a cluster of one node would have them at rest, without a cluster: for `compile` and `explain -f`.

In: raw objects. Out: a World in which the controllers have nothing left to do and every pod runs, and the NodeView of
its node. The same controllers as in `tandem up`; addresses are given out in order. Pure.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable
from ipaddress import IPv4Network
from typing import Any, Final

from tandem.apiserver.patch import merge_patch
from tandem.base.digest import digest
from tandem.base.ids import ContainerId
from tandem.cluster.networks import POD_NETWORK
from tandem.cluster.space import Known
from tandem.cluster.writes import Create, Delete, Patch, Write
from tandem.compile import names
from tandem.ingest.defaults import default
from tandem.ir import wire
from tandem.ir.fabric import LocalPod, MeshConfig, Node
from tandem.ir.node import AttachedPod, NodeView
from tandem.model.kinds import name_of
from tandem.model.meta import RawObject
from tandem.model.parse import parse
from tandem.model.world import World
from tandem.runtime.cluster import control
from tandem.translate.slices import slice_for
from tandem.translate.world import Options, Translation

NODE_ADDRESS: Final = "192.0.2.1"
SERVICES: Final = IPv4Network(Options().service_cidrs[0])
_ROUNDS: Final = 100
Key = tuple[str, str, str]


def rehearse(objects: Iterable[RawObject], *, node: str = "node-1") -> World:
    """The World at rest."""
    stage: dict[Key, RawObject] = {}
    for raw in (_node(node), *objects):
        _put(stage, default(copy.deepcopy(raw)))
    for _ in range(_ROUNDS):
        world = World.of(parse(raw) for raw in stage.values())
        writes = control(world, Known(seed="rehearsal"), now=0.0)
        if not writes and not _run_pods(stage):
            return world
        for write in writes:
            _apply(stage, write)
    raise AssertionError("the controllers do not come to rest")


def view_of(world: World, translation: Translation, node: str) -> NodeView:
    """What `node` would enforce once all its pods are attached."""
    values: dict[str, Any] = slice_for(node, translation)

    def of(cls: type) -> dict[str, Any]:
        found: dict[str, Any] = values[wire.URLS[cls]]
        return found

    pods = sorted(of(LocalPod).values(), key=lambda p: (p.namespace, p.name))
    return NodeView(
        node=of(Node)[node],
        config=of(MeshConfig)["mesh"],
        nodes=of(Node),
        pods=tuple(_attached(pod, world) for pod in pods),
        **{
            field: values[wire.PREFIX + kind]
            for field, kind in (
                ("sets", "PolicySet"),
                ("groups", "AddressGroup"),
                ("services", "Service"),
                ("endpoints", "Endpoints"),
                ("tables", "RouteTable"),
                ("policies", "TrafficPolicy"),
            )
        },
    )


def _attached(pod: LocalPod, world: World) -> AttachedPod:
    container_id = ContainerId(digest(pod.uid, 64))
    return AttachedPod(
        pod=pod,
        container_id=container_id,
        addresses=world.pods_by_uid[pod.uid].addresses,
        host_ifname=names.host_ifname(container_id, "eth0"),
        netns=f"/run/tandem/nodes/NODE/netns/{container_id[:12]}",
    )


def _node(name: str) -> RawObject:
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name},
        "status": {
            "addresses": [{"type": "InternalIP", "address": NODE_ADDRESS}],
            "conditions": [{"type": "Ready", "status": "True"}],
        },
    }


def _put(stage: dict[Key, RawObject], raw: RawObject) -> None:
    meta = raw.setdefault("metadata", {})
    if not meta.get("name"):
        meta["name"] = f"{meta.get('generateName', '')}{len(stage):05d}"
    key = (name_of(raw), str(meta.get("namespace") or ""), str(meta["name"]))
    meta.setdefault("uid", digest("/".join(key), 32))
    meta.setdefault("generation", 1)
    if raw["kind"] == "Service":
        _address_service(stage, raw)
    stage[key] = raw


def _address_service(stage: dict[Key, RawObject], raw: RawObject) -> None:
    spec = raw["spec"]
    if spec.get("type") != "ExternalName" and not spec.get("clusterIP"):
        number = 100 + sum(kind == "Service" for kind, _, _ in stage)
        spec["clusterIP"] = str(SERVICES[number])
        spec["clusterIPs"] = [spec["clusterIP"]]


def _apply(stage: dict[Key, RawObject], write: Write) -> None:
    match write:
        case Create(raw=raw):
            _put(stage, default(copy.deepcopy(raw)))
        case Patch(kind=kind, namespace=namespace, name=name, patch=patch):
            key = (kind, namespace, name)
            stage[key] = merge_patch(stage[key], patch)
        case Delete(kind=kind, namespace=namespace, name=name):
            stage.pop((kind, namespace, name), None)


def _run_pods(stage: dict[Key, RawObject]) -> bool:
    """Give every scheduled pod an address and make it Ready; True if there was one to do."""
    waiting = [k for k in sorted(stage) if k[0] == "Pod" and not (stage[k].get("status") or {}).get("podIP")]
    taken = sum(k[0] == "Pod" for k in stage) - len(waiting)
    addresses = IPv4Network(POD_NETWORK)
    for number, key in enumerate(waiting):
        address = str(addresses[2 + taken + number])
        stage[key] = merge_patch(
            stage[key],
            {
                "status": {
                    "phase": "Running",
                    "podIP": address,
                    "podIPs": [{"ip": address}],
                    "conditions": [{"type": "Ready", "status": "True"}],
                }
            },
        )
    return bool(waiting)
