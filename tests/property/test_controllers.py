"""The controllers that go on from World to World against those of the whole, over any sequence of changes."""

from __future__ import annotations

from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from builders import node, service
from gatewayworlds import gateway, gateway_class, listener
from tandem.cluster.live.controllers import Controllers
from tandem.cluster.networks import PODS
from tandem.cluster.space import Known
from tandem.cluster.writes import Create, Delete, Patch, Write
from tandem.model import core
from tandem.model.ipam import ADDRESSES
from tandem.model.kinds import BY_KIND
from tandem.model.meta import Object
from tandem.model.parse import parse
from tandem.model.world import World
from tandem.runtime.cluster import control

Raw = dict[str, Any]
SPACES = ("shop", "bank")
APPS = ("web", "db")
UIDS = ("u-shop-a-0", "u-shop-a-1", "u-shop-b-0", "u-bank-a-0")
"""Of Deployments and StatefulSets: no two objects have the same one."""
TAKEN: Raw = {
    "listeners": [
        {
            "name": "http",
            "supportedKinds": [],
            "attachedRoutes": 0,
            "conditions": [{"type": "Accepted", "status": "True"}],
        }
    ]
}
"""What a Gateway says of itself that is in force."""
NAMES = st.sampled_from(("a", "b", "c"))


@st.composite
def pods(draw: st.DrawFn) -> Object:
    """Of a Deployment that may be there, waiting for a node or on one, ready or leaving or finished."""
    meta: Raw = {
        "name": draw(NAMES),
        "namespace": draw(st.sampled_from(SPACES)),
        "uid": "u",
        "labels": {"app": draw(st.sampled_from(APPS))},
    }
    owner = draw(st.sampled_from((*UIDS, "")))
    if owner:
        kind = draw(st.sampled_from(("Deployment", "StatefulSet")))
        reference = {"apiVersion": "apps/v1", "kind": kind, "name": "d", "uid": f"{owner}-{kind}", "controller": True}
        meta["ownerReferences"] = [reference]
    if draw(st.booleans()):
        meta["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    if draw(st.booleans()):
        meta["annotations"] = {ADDRESSES: "10.244.0.9"}
    ready = {"type": "Ready", "status": draw(st.sampled_from(("True", "False")))}
    address = draw(st.sampled_from(("", "10.244.0.7", "10.244.1.8")))
    phase = draw(st.sampled_from(("Running", "Succeeded")))
    spec: Raw = {"nodeName": draw(st.sampled_from(("", "n1"))), "containers": [{"name": "c", "image": "host"}]}
    if draw(st.booleans()):
        host_ip = draw(st.sampled_from(("", "127.0.0.1", "::")))
        spec["containers"][0]["ports"] = [{"containerPort": 80, "hostPort": 8080, "hostIP": host_ip}]
    spec["nodeSelector"] = {"disk": "fast"} if draw(st.booleans()) else {}
    status = {"phase": phase, "conditions": [ready], **({"podIP": address} if address else {})}
    return parse({"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": spec, "status": status})


@st.composite
def owners(draw: st.DrawFn) -> Object:
    kind = draw(st.sampled_from(("Deployment", "StatefulSet")))
    meta: Raw = {
        "name": draw(NAMES),
        "namespace": draw(st.sampled_from(SPACES)),
    }
    meta["uid"] = f"u-{meta['namespace']}-{meta['name']}-{draw(st.integers(0, 1))}-{kind}"
    if draw(st.booleans()):
        meta["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    template = {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "c", "image": "host"}]}}
    spec = {
        "replicas": draw(st.integers(0, 2)),
        "selector": {"matchLabels": {"app": "web"}},
        "template": template,
        "minReadySeconds": draw(st.sampled_from((0, 5))),
    }
    return parse({"apiVersion": "apps/v1", "kind": kind, "metadata": meta, "spec": spec})


@st.composite
def services(draw: st.DrawFn) -> core.Service:
    found = service(draw(NAMES), ns=draw(st.sampled_from(SPACES)))
    selector = {"app": draw(st.sampled_from(APPS))} if draw(st.booleans()) else {}
    given = {"traffic_distribution": "PreferClose"} if draw(st.booleans()) else {}
    spec = msgspec.structs.replace(found.spec, selector=selector, **given)
    return msgspec.structs.replace(found, spec=spec)


OBJECTS = st.one_of(
    pods(),
    pods(),
    owners(),
    services(),
    st.builds(
        lambda n, zone, disk: node(n, zone=zone, disk=disk),
        st.sampled_from(("n1", "n2")),
        st.sampled_from(("", "z1", "z2")),
        st.sampled_from(("fast", "slow")),
    ),
    st.builds(lambda n, said: gateway(n, listener(), status=said), NAMES, st.sampled_from((TAKEN, {}))),
    st.just(gateway_class()),
)
CHANGES = st.tuples(OBJECTS, st.booleans())
"""An object, and whether it is there."""
STEPS = st.lists(st.tuples(st.lists(CHANGES, max_size=4), st.integers(0, 4)), min_size=1, max_size=6)
"""What changes, and how many of the writes are done then."""


@settings(max_examples=150, deadline=None)
@given(STEPS)
def test_controllers_that_go_on_write_what_those_of_the_whole_write(steps: list[Any]) -> None:
    going, world, clock = Controllers(PODS), World(synced=True), 0.0
    for changed, count in steps:
        for obj, there in changed:
            world = world.with_changes(obj.kind, {obj.key: obj if there else None}, synced=True)
        for _ in range(2):
            clock += 3
            known = Known(seed=str(clock))
            writes = going.update(world, known, now=clock)
            assert writes == control(_anew(world), known, now=clock)
            for write in writes[:count]:
                world = _done(world, write)


def _anew(world: World) -> World:
    """The same, of which nothing was looked up."""
    return World.of(world.objects())


def _done(world: World, write: Write) -> World:
    match write:
        case Create(raw=raw):
            obj: Object | None = parse(raw)
            assert obj is not None
            kind, key = obj.kind, obj.key
        case Patch(kind=kind, namespace=namespace, name=name, patch=patch):
            key = namespace, name
            known = world.get(BY_KIND[kind].cls, *key)
            obj = parse(_merged(msgspec.to_builtins(known), patch)) if known is not None else None
        case Delete(kind=kind, namespace=namespace, name=name):
            key, obj = (namespace, name), None
    return world.with_changes(kind, {key: obj}, synced=True)


def _merged(target: Any, patch: Raw) -> Any:
    found = dict(target)
    for key, value in patch.items():
        if value is None:
            found.pop(key, None)
        else:
            found[key] = _merged(found.get(key) or {}, value) if isinstance(value, dict) else value
    return found
