"""What the mesh says of itself."""

from __future__ import annotations

from typing import Any

from tandem.model.gateways import CONTROLLER
from tandem.model.meta import Object
from tandem.model.parse import parse
from tandem.model.world import World
from tandem.translate.mesh.xmesh import FEATURES, mesh_problems
from unit.translate.test_status import patches


def mesh(controller: str = CONTROLLER, **spec: Any) -> Object:
    raw = {"apiVersion": "gateway.networking.x-k8s.io/v1alpha1", "kind": "XMesh"}
    return parse({**raw, "metadata": {"name": "m", "generation": 3}, "spec": {"controllerName": controller, **spec}})


def test_features_are_published_in_alphabetical_order_with_the_generation() -> None:
    (patch,) = patches(World.of([mesh()]), [], {}, 0.0)
    status = patch.body["status"]
    assert [f["name"] for f in status["supportedFeatures"]] == sorted(FEATURES)
    (accepted,) = status["conditions"]
    assert (accepted["type"], accepted["status"], accepted["observedGeneration"]) == ("Accepted", "True", 3)


def test_a_mesh_of_another_controller_is_left_alone() -> None:
    world = World.of([mesh("example.com/other", parametersRef={"group": "", "kind": "ConfigMap", "name": "x"})])
    assert mesh_problems(world) == ()
    assert patches(world, [], {}, 0.0) == ()


def test_parameters_are_refused() -> None:
    world = World.of([mesh(parametersRef={"group": "", "kind": "ConfigMap", "name": "x"})])
    problems = mesh_problems(world)
    assert [(p.at.path, p.code) for p in problems] == [("spec.parametersRef", "InvalidParameters")]
    (patch,) = patches(world, list(problems), {}, 0.0)
    (accepted,) = patch.body["status"]["conditions"]
    assert (accepted["status"], accepted["reason"]) == ("False", "InvalidParameters")
