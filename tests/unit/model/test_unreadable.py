"""Objects that cannot be read have a name in the World."""

from __future__ import annotations

from tandem.model.unreadable import Unreadable, not_understood, unreadable
from tandem.model.world import World


def test_kinds_of_one_name_are_told_apart() -> None:
    raws = [{"kind": k, "metadata": {"namespace": "shop", "name": "a", "resourceVersion": 3}} for k in ("Pod", "Node")]
    pod, node = (unreadable(raw, "spec: no") for raw in raws)
    assert (pod.key, node.key) == (("shop", "Pod/a"), ("shop", "Node/a"))
    assert (pod.metadata.name, pod.metadata.resource_version, pod.metadata.unreadable) == ("a", "3", ("spec: no",))
    world = World().with_changes("Unreadable", {pod.key: pod, node.key: node}, synced=True)
    assert world.sorted(Unreadable) == (node, pod)


def test_of_custom_resources_alone_fields_that_nobody_knows_are_looked_for() -> None:
    spec = {"hosts": ["a"], "new": 1}
    route = {"apiVersion": "networking.istio.io/v1", "kind": "VirtualService", "metadata": {}, "spec": spec}
    assert [line.partition(": ")[0] for line in not_understood(route)] == ["spec.new"]
    assert not_understood({**route, "spec": {"hosts": ["a"]}}) == ()
    assert not_understood({"apiVersion": "v1", "kind": "Pod", "metadata": {}, "spec": {"new": 1}}) == ()
    assert not_understood({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {}, "new": 1}) == ()
