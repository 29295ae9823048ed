"""gRPC requests, judged on GRPCRoutes."""

from __future__ import annotations

from typing import Any

import pytest

from builders import service
from meshworlds import grpcroute, parent
from tandem.model.world import World
from tandem.reference.grpcroutes import decide_grpcroutes
from tandem.reference.request import Request, RouteDecision

RULES: list[dict[str, Any]] = [
    {"backendRefs": [{"name": "all", "port": 80}]},
    {"matches": [{"method": {"service": "x.A"}}], "backendRefs": [{"name": "service", "port": 80}]},
    {"matches": [{"method": {"service": "x.A", "method": "Get"}}], "backendRefs": [{"name": "method", "port": 80}]},
    {
        "matches": [{"method": {"type": "RegularExpression", "method": "P.t"}}],
        "backendRefs": [{"name": "regex", "port": 80}],
    },
]


def ask(path: str, rules: list[dict[str, Any]], **headers: str) -> RouteDecision:
    source = grpcroute(parentRefs=[parent("web")], rules=rules)
    world = World.of([service(n) for n in ("web", "all", "service", "method", "regex")])
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    request = Request(source_namespace="default", namespace="default", service="web", port=80, path=path, headers=named)
    return decide_grpcroutes(world, request, [source], [])


@pytest.mark.parametrize(
    ("path", "backend"),
    [("/x.A/Get", "method"), ("/x.A/Put", "service"), ("/x.B/Put", "regex"), ("/x.B/Get", "all"), ("/", "all")],
)
def test_the_most_specific_method_decides(path: str, backend: str) -> None:
    (share,) = ask(path, RULES, content_type="application/grpc+proto").backends
    assert share.service == backend


@pytest.mark.parametrize("kind", ["grpc-web", "grpc-web+proto", "grpc-web-text", "grpc-web-text+proto"])
def test_calls_of_grpc_web_are_calls(kind: str) -> None:
    (share,) = ask("/x.A/Get", RULES, content_type=f"application/{kind}").backends
    assert share.service == "method"


def test_what_is_not_grpc_is_not_found_and_a_missing_backend_is_503() -> None:
    for other in ("application/grpc-webber", "application/grpc-web-text+json", "application/json"):
        assert ask("/x.A/Get", RULES, content_type=other).status == 404
    assert ask("/x.A/Get", RULES).status == 404
    gone: list[dict[str, Any]] = [{"backendRefs": [{"name": "gone", "port": 80}]}]
    assert ask("/x.A/Get", gone, content_type="application/grpc").status == 503
