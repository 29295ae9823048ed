"""XMesh objects of this controller -> Problems, and what the mesh supports. Pure."""

from __future__ import annotations

from typing import Final

from tandem.base.problems import Problem
from tandem.model.gateways import CONTROLLER
from tandem.model.world import World
from tandem.model.xmesh import XMesh

FEATURES: Final = (
    "GRPCRoute",
    "GRPCRouteNamedRouteRule",
    "HTTPRoute",
    "HTTPRoute303RedirectStatusCode",
    "HTTPRoute307RedirectStatusCode",
    "HTTPRoute308RedirectStatusCode",
    "HTTPRouteParentRefPort",
    "HTTPRouteResponseHeaderModification",
    "Mesh",
    "MeshClusterIPMatching",
    "MeshConsumerRoute",
    "MeshHTTPRouteBackendRequestHeaderModification",
    "MeshHTTPRouteNamedRouteRule",
    "MeshHTTPRouteQueryParamMatching",
    "MeshHTTPRouteRedirectPath",
    "MeshHTTPRouteRedirectPort",
    "MeshHTTPRouteRewritePath",
    "MeshHTTPRouteSchemeRedirect",
    "ReferenceGrant",
)
"""Names of the Gateway API's features that the mesh has, sorted; each is that of a case in tests/conformance/mesh."""


def mesh_problems(world: World) -> tuple[Problem, ...]:
    """What is wrong with the objects that name this controller: it takes no parameters."""
    return tuple(
        Problem(
            at=mesh.origin("spec.parametersRef"),
            code="InvalidParameters",
            text="this mesh has no parameters: leave parametersRef out",
        )
        for mesh in world.sorted(XMesh)
        if mesh.spec.controller_name == CONTROLLER and mesh.spec.parameters_ref is not None
    )
