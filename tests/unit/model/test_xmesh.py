"""XMesh, as it is parsed."""

from __future__ import annotations

from tandem.model.parse import parse
from tandem.model.xmesh import XMesh


def test_a_mesh_names_its_controller_and_has_no_features_until_they_are_written() -> None:
    raw = {"apiVersion": "gateway.networking.x-k8s.io/v1alpha1", "kind": "XMesh", "metadata": {"name": "m"}}
    mesh = parse({**raw, "spec": {"controllerName": "tandem.io/controller"}})
    assert isinstance(mesh, XMesh)
    assert (mesh.spec.controller_name, mesh.status.supported_features) == ("tandem.io/controller", ())
