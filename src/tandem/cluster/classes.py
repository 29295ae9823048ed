"""The GatewayClass that a cluster has at first, so that a Gateway needs none of the user's own."""

from __future__ import annotations

from typing import Final

from tandem.cluster.writes import Create
from tandem.model.gateways import CONTROLLER

CLASS: Final = "tandem"


def first_class() -> Create:
    """The class `tandem`, whose gateways are served here."""
    spec = {"controllerName": CONTROLLER, "description": "one Envoy on each node"}
    return Create(
        raw={
            "apiVersion": "gateway.networking.k8s.io/v1",
            "kind": "GatewayClass",
            "metadata": {"name": CLASS},
            "spec": spec,
        }
    )
