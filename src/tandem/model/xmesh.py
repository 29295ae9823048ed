"""gateway.networking.x-k8s.io XMesh (GEP-3949): what a mesh says of itself."""

from __future__ import annotations

from typing import Any

from tandem.model.meta import Condition, Model, Object


class MeshSpec(Model, frozen=True, kw_only=True):
    """spec."""

    controller_name: str = ""
    parameters_ref: dict[str, Any] | None = None
    description: str = ""


class MeshFeature(Model, frozen=True, kw_only=True):
    """status.supportedFeatures[]."""

    name: str


class MeshStatus(Model, frozen=True, kw_only=True):
    """status."""

    conditions: tuple[Condition, ...] = ()
    supported_features: tuple[MeshFeature, ...] = ()


class XMesh(Object, frozen=True, kw_only=True):
    """gateway.networking.x-k8s.io XMesh."""

    spec: MeshSpec = MeshSpec()
    status: MeshStatus = MeshStatus()
