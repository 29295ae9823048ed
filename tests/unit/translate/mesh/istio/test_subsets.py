"""Subsets to which nobody belongs."""

from __future__ import annotations

from builders import endpoint_slice, pod, service
from meshworlds import dr
from tandem.model.core import Pod
from tandem.model.world import World
from tandem.translate.mesh.istio.destinationrule import translate_destination_rules
from tandem.translate.mesh.istio.subsets import subset_problems
from tandem.translate.options import Options

WEB = service("web", ip="10.96.0.9")
SPLIT = dr(
    host="web",
    subsets=[{"name": "v1", "labels": {"version": "v1"}}, {"name": "v2", "labels": {"version": "v2", "track": "x"}}],
)


def told(*pods: Pod) -> list[tuple[str, str, str]]:
    world = World.of([WEB, *pods, endpoint_slice(WEB, list(pods)), SPLIT])
    policies = translate_destination_rules(world, Options()).policies
    found = subset_problems(world, {"/".join(key): policy for key, policy in policies.items()})
    return [(p.at.path, p.code, p.text) for p in found]


def test_one_that_nobody_belongs_to_is_a_warning_that_names_its_labels() -> None:
    text = "no endpoint of Service default/web has the labels track=x,version=v2"
    assert told(pod("a", app="web", version="v1"), pod("b", app="web", version="v2")) == [
        ("spec.subsets[1].labels", "SubsetEmpty", text)
    ]


def test_one_pod_of_each_is_enough_and_a_service_without_endpoints_has_none() -> None:
    assert told(pod("a", version="v1", more="y"), pod("b", version="v2", track="x")) == []
    assert [path for path, _, _ in told()] == ["spec.subsets[0].labels", "spec.subsets[1].labels"]
