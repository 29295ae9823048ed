"""Manifests as a cluster would have them at rest."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from tandem.model import core
from tandem.runtime.rehearsal import rehearse, view_of
from tandem.translate.world import Options, translate_world


def deployment(name: str = "web", replicas: int = 2) -> dict[str, Any]:
    labels = {"app": name}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": "shop"},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": {**labels, "tandem.io/mesh": "enabled"}},
                "spec": {"containers": [{"name": "c", "image": "host", "ports": [{"containerPort": 8080}]}]},
            },
        },
    }


def service(name: str = "web", **spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": "shop"},
        "spec": {"selector": {"app": name}, "ports": [{"name": "http", "port": 80, "targetPort": 8080}], **spec},
    }


def test_deployments_are_rolled_out_and_every_pod_runs() -> None:
    world = rehearse([deployment(), service()])
    pods = world.sorted(core.Pod)
    assert len(pods) == 2
    assert all(p.ready and p.spec.node_name == "node-1" and p.addresses for p in pods)
    assert len({p.addresses for p in pods}) == 2
    (found,) = world.sorted(core.Deployment)
    assert found.status.ready_replicas == 2


def test_services_have_addresses_and_ready_endpoints() -> None:
    world = rehearse([deployment(), service(), service("db")])
    addresses = {s.metadata.name: s.spec.cluster_ip for s in world.sorted(core.Service)}
    assert len(set(addresses.values())) == 2
    (piece,) = world.slices_by_service["shop", "web"]
    assert {a for e in piece.endpoints for a in e.addresses} == {a for p in world.sorted(core.Pod) for a in p.addresses}


def test_given_addresses_stay_and_headless_services_have_none() -> None:
    world = rehearse([service(clusterIP="10.96.3.3"), service("db", clusterIP="None")])
    assert {s.metadata.name: s.spec.cluster_ip for s in world.sorted(core.Service)} == {
        "web": "10.96.3.3",
        "db": "None",
    }


def test_the_same_manifests_rehearse_to_the_same_world() -> None:
    first, second = (rehearse([deployment(), service()]) for _ in range(2))
    assert list(first.objects()) == list(second.objects())


def test_the_manifests_themselves_stay_as_they_are() -> None:
    raw = deployment()
    before = copy.deepcopy(raw)
    rehearse([raw])
    assert raw == before


def test_a_view_has_every_pod_of_the_node_attached_under_legal_names() -> None:
    world = rehearse([deployment(), service()])
    view = view_of(world, translate_world(world, Options()), "node-1")
    assert [p.pod.name for p in view.pods] == sorted(p.metadata.name for p in world.sorted(core.Pod))
    assert {len(p.host_ifname) <= 15 for p in view.pods} == {True}
    assert len({p.host_ifname for p in view.pods}) == len({p.netns for p in view.pods}) == 2
    assert set(view.services) == {"shop/web"}
    assert all(p.pod.meshed for p in view.pods)


@pytest.mark.parametrize("node", ["node-1", "kind-worker"])
def test_the_node_has_the_name_that_was_asked_for(node: str) -> None:
    world = rehearse([deployment(replicas=1)], node=node)
    assert view_of(world, translate_world(world, Options()), node).node.name == node


def test_a_namespace_that_has_no_manifest_is_no_obstacle() -> None:
    assert rehearse([service()]).namespace_labels["shop"]["kubernetes.io/metadata.name"] == "shop"
