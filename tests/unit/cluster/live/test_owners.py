"""Owners of pods at the cost of what changed; tests/property/test_controllers.py shows that they are as a whole."""

from __future__ import annotations

from functools import partial

from tandem.cluster.deployments import reconcile
from tandem.cluster.live.owners import LiveOwners
from tandem.cluster.writes import Create, Patch
from tandem.model import core
from tandem.model.meta import Object
from tandem.model.parse import parse
from tandem.model.world import World
from working import calls_of

READY = {"type": "Ready", "status": "True", "lastTransitionTime": "1970-01-01T00:00:00Z"}


def deployment(name: str, *, replicas: int = 1, wait: int = 0, status: dict[str, int] | None = None) -> Object:
    template = {"metadata": {"labels": {"app": name}}, "spec": {"containers": [{"name": "c", "image": "host"}]}}
    selector = {"matchLabels": {"app": name}}
    spec = {"replicas": replicas, "selector": selector, "template": template, "minReadySeconds": wait}
    meta = {"name": name, "namespace": "shop", "uid": f"u-{name}"}
    raw = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": meta, "spec": spec, "status": status or {}}
    return parse(raw)


def with_object(world: World, obj: Object) -> World:
    return world.with_changes(obj.kind, {obj.key: obj}, synced=True)


def settled(count: int) -> tuple[LiveOwners[core.Deployment], World]:
    """So many Deployments with one ready pod each, and their status."""
    live, world = LiveOwners(core.Deployment), World(synced=True)
    for number in range(count):
        world = with_object(world, deployment(f"d{number}"))
    for write in live.update(world, partial(reconcile, seed="x", now=1.0)):
        if isinstance(write, Create):
            raw = {**write.raw, "status": {"phase": "Running", "conditions": [READY]}}
            world = with_object(world, parse(raw))
    for write in live.update(world, partial(reconcile, seed="x", now=1.0)):
        assert isinstance(write, Patch)
        known = parse({**_raw(write.name), "status": write.patch["status"]})
        world = with_object(world, known)
    assert live.update(world, partial(reconcile, seed="x", now=2.0)) == ()
    return live, world


def _raw(name: str) -> dict[str, object]:
    found = deployment(name)
    assert isinstance(found, core.Deployment)
    spec = {"replicas": 1, "selector": {"matchLabels": {"app": name}}, "template": found.spec.template}
    meta = {"name": name, "namespace": "shop", "uid": f"u-{name}"}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": meta, "spec": spec}


def test_a_change_costs_the_deployment_that_it_is_about() -> None:
    def work(count: int) -> int:
        live, world = settled(count)
        later = with_object(world, deployment("d1", replicas=2))
        return calls_of(lambda: live.update(later, partial(reconcile, seed="y", now=3.0)))

    assert work(120) <= work(30) + 20


def test_a_pod_that_goes_is_made_again_for_its_deployment_alone() -> None:
    live, world = settled(3)
    key = next(key for key in world.all(core.Pod) if key[1].startswith("d1-"))
    made = live.update(world.with_changes("Pod", {key: None}, synced=True), partial(reconcile, seed="y", now=3.0))
    assert [write.raw["metadata"]["labels"]["app"] for write in made if isinstance(write, Create)] == ["d1"]


def test_a_pod_that_becomes_available_by_waiting_is_looked_at_again() -> None:
    live = LiveOwners(core.Deployment)
    slow = deployment("slow", wait=30, status={"readyReplicas": 1, "replicas": 1, "updatedReplicas": 1})
    world = with_object(World(synced=True), slow)
    (made, *_) = live.update(world, partial(reconcile, seed="x", now=1.0))
    assert isinstance(made, Create)
    world = with_object(world, parse({**made.raw, "status": {"phase": "Running", "conditions": [READY]}}))
    early = live.update(world, partial(reconcile, seed="x", now=10.0))
    assert live.waits
    late = live.update(world, partial(reconcile, seed="x", now=31.0))
    counts = [write.patch["status"]["availableReplicas"] for (write,) in (early, late) if isinstance(write, Patch)]
    assert counts == [0, 1]
