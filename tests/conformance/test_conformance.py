"""Every behaviour of the Gateway API that has a case here, in a real world. See `case.py` and `runner.py`."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from conformance.case import Case, cases
from conformance.runner import Runner
from e2e.lab import lab
from tandem.translate.mesh.xmesh import FEATURES

pytestmark = pytest.mark.root

MESH = {
    *("MeshBasic", "MeshConsumerRoute", "MeshFrontend", "MeshFrontendHostname", "MeshGRPCRouteRequestHeaderModifier"),
    *("MeshGRPCRouteWeight", "MeshHTTPRoute303Redirect", "MeshHTTPRoute307Redirect", "MeshHTTPRoute308Redirect"),
    *("MeshHTTPRouteBackendRequestHeaderModifier", "MeshHTTPRouteMatching", "MeshHTTPRouteNamedRule"),
    *("MeshHTTPRouteQueryParamMatching", "MeshHTTPRouteRedirectHostAndStatus", "MeshHTTPRouteRedirectPath"),
    *("MeshHTTPRouteRedirectPort", "MeshHTTPRouteRequestHeaderModifier", "MeshHTTPRouteRewritePath"),
    *("MeshHTTPRouteSchemeRedirect", "MeshHTTPRouteSimpleSameNamespace", "MeshHTTPRouteWeight", "MeshPorts"),
    "MeshTrafficSplit",
}
"""Every test of upstream's about a mesh."""


@pytest.fixture(scope="module")
def mesh() -> Iterator[Runner]:
    with lab() as made, Runner(made, "mesh") as runner:
        yield runner


@pytest.mark.parametrize("case", cases("mesh"), ids=lambda case: case.name)
def test_mesh(mesh: Runner, case: Case) -> None:
    mesh.run(case)


def test_the_mesh_publishes_the_features_of_its_cases() -> None:
    assert set(FEATURES) == {feature for case in cases("mesh") for feature in case.features}


@pytest.fixture(scope="module")
def gateway() -> Iterator[Runner]:
    with lab() as made, Runner(made, "gateway") as runner:
        yield runner


@pytest.mark.parametrize("case", cases("gateway"), ids=lambda case: case.name)
def test_gateway(gateway: Runner, case: Case) -> None:
    gateway.run(case)


def test_every_test_of_upstream_about_a_mesh_has_a_case() -> None:
    assert {case.name for case in cases("mesh")} >= MESH
