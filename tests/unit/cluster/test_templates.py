"""What Deployments and StatefulSets make pods of."""

from __future__ import annotations

from typing import Any

from tandem.cluster.templates import available, owned_pods, pod_of, template_hash, waits_for_time
from tandem.model import core
from tandem.model.meta import Object
from tandem.model.parse import parse
from tandem.model.stateful import StatefulSet
from tandem.model.world import World


def made(kind: str, name: str, *, owner: str = "", **more: Any) -> Object:
    reference = {"apiVersion": "apps/v1", "kind": owner, "name": "o", "uid": f"{owner}/o", "controller": True}
    version = "v1" if kind == "Pod" else "apps/v1"
    metadata = {
        "name": name,
        "namespace": "n",
        "uid": f"{kind}/{name}",
        "ownerReferences": [reference] if owner else [],
    }
    return parse({"apiVersion": version, "kind": kind, "metadata": metadata, **more})


def test_pods_belong_to_the_owner_of_their_kind_and_uid() -> None:
    owner, pods = (
        made("StatefulSet", "o"),
        [made("Pod", "a", owner="StatefulSet"), made("Pod", "b", owner="Deployment")],
    )
    world = World.of([owner, *pods, made("Pod", "c")])
    owned, left = owned_pods(world, StatefulSet)
    assert ([p.metadata.name for p in owned["StatefulSet/o"]], left) == (["a"], [])
    owned, left = owned_pods(world, core.Deployment)
    assert (owned, [w.name for w in left]) == ({}, ["b"])


def test_every_field_of_a_template_counts_and_none_of_its_order() -> None:
    assert template_hash({"a": 1, "b": {"c": 2}}) == template_hash({"b": {"c": 2}, "a": 1})
    assert template_hash({"a": 1}) != template_hash({"a": 2})


def test_labels_of_the_owner_win_over_those_of_the_template() -> None:
    template = {"metadata": {"labels": {"app": "x", "own": "no"}}, "spec": {"nodeName": "node-1"}}
    raw = pod_of(made("StatefulSet", "o"), template, "o-0", {"own": "yes"})
    assert raw["metadata"]["labels"] == {"app": "x", "own": "yes"}
    assert raw["spec"] == {"nodeName": "node-1"}


def test_a_pod_is_available_when_it_was_ready_for_long_enough() -> None:
    condition = {"type": "Ready", "status": "True", "lastTransitionTime": "2026-01-01T00:00:00Z"}
    pod = made("Pod", "a", status={"conditions": [condition]})
    assert isinstance(pod, core.Pod)
    since = 1_767_225_600.0
    assert not available(pod, 10, since + 9)
    assert available(pod, 10, since + 10)
    assert available(pod, 0, since)


def test_time_alone_matters_while_ready_pods_are_not_available() -> None:
    spec = {"selector": {"matchLabels": {"a": "b"}}, "template": {}, "minReadySeconds": 5}
    for kind in ("Deployment", "StatefulSet"):
        waiting, other = (
            made(kind, "o", spec=spec, status={"replicas": 1, "readyReplicas": ready}) for ready in (1, 0)
        )
        assert isinstance(waiting, core.Deployment | StatefulSet)
        assert isinstance(other, core.Deployment | StatefulSet)
        assert waits_for_time(waiting)
        assert not waits_for_time(other)
