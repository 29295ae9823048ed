"""In or out of the mesh: which label decides."""

from __future__ import annotations

import pytest

from builders import namespace, pod
from tandem.model.world import World
from tandem.translate.membership import membership, namespace_problems

OWN, NS_INJECT, INJECT, MODE = "tandem.io/mesh", "istio-injection", "sidecar.istio.io/inject", "istio.io/dataplane-mode"


@pytest.mark.parametrize(
    ("own", "around", "meshed"),
    [
        ({}, {}, False),
        ({}, {OWN: "enabled"}, True),
        ({OWN: "disabled"}, {OWN: "enabled"}, False),
        ({OWN: "enabled"}, {OWN: "disabled"}, True),
        ({}, {NS_INJECT: "enabled"}, True),
        ({INJECT: "false"}, {NS_INJECT: "enabled"}, False),
        ({INJECT: "true"}, {}, True),
        ({INJECT: "true"}, {NS_INJECT: "disabled"}, False),
        ({}, {MODE: "ambient"}, True),
        ({MODE: "none"}, {MODE: "ambient"}, False),
        ({MODE: "ambient"}, {}, True),
        ({}, {NS_INJECT: "disabled", MODE: "ambient"}, True),
        ({OWN: "disabled"}, {NS_INJECT: "enabled"}, False),
        ({}, {OWN: "disabled", MODE: "ambient"}, False),
    ],
)
def test_labels_decide(own: dict[str, str], around: dict[str, str], *, meshed: bool) -> None:
    assert membership(pod("a", labels=own), around).meshed is meshed


def test_a_host_network_pod_is_never_in_the_mesh() -> None:
    found = membership(pod("a", host_network=True, labels={OWN: "enabled"}), {})
    assert (found.meshed, found.because) == (False, "the pod uses the host's network")


def test_the_reason_names_the_label() -> None:
    assert (
        membership(pod("a", namespace="shop"), {OWN: "enabled"}).because == "namespace shop has tandem.io/mesh=enabled"
    )


def test_a_pod_that_differs_from_its_namespace_is_no_contradiction() -> None:
    assert membership(pod("a", labels={OWN: "disabled"}), {OWN: "enabled"}).problems == ()


def test_two_labels_of_one_pod_that_disagree_are_reported_at_the_losing_one() -> None:
    (problem,) = membership(pod("a", labels={OWN: "enabled", INJECT: "false"}), {}).problems
    assert problem.code == "MeshLabelsContradict"
    assert problem.at.path == f"metadata.labels[{INJECT}]"
    assert "in the mesh" in problem.text


def test_injection_that_the_namespace_forbids_is_reported() -> None:
    (problem,) = membership(pod("a", labels={INJECT: "true"}), {NS_INJECT: "disabled"}).problems
    assert problem.code == "MeshLabelsContradict"


def test_ambient_without_sidecar_is_no_contradiction() -> None:
    assert membership(pod("a"), {NS_INJECT: "disabled", MODE: "ambient"}).problems == ()


def test_a_value_that_nobody_defines_is_ignored_and_reported() -> None:
    found = membership(pod("a", labels={OWN: "yes"}), {OWN: "enabled"})
    assert found.meshed
    assert [p.code for p in found.problems] == ["InvalidMeshLabel"]


def test_a_namespace_s_wrong_value_is_reported_once() -> None:
    world = World.of([namespace("shop", **{OWN: "on"}), pod("a", namespace="shop"), pod("b", namespace="shop")])
    (problem,) = namespace_problems(world)
    assert (problem.at.kind, problem.at.path) == ("Namespace", "metadata.labels[tandem.io/mesh]")
