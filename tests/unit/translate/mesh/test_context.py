"""How hosts and ports are looked up."""

from __future__ import annotations

import pytest

from builders import service
from tandem.base.problems import Origin
from tandem.ir.mesh import Exact, RouteMatch
from tandem.translate.mesh.context import not_http, resolve_host, scope_of

AT = Origin(kind="VirtualService", namespace="default", name="vs")


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("web", ("shop", "web")),
        ("web.default.svc.cluster.local", ("default", "web")),
        ("web.default", None),
        ("web.default.svc", None),
        ("example.com", None),
        ("*", None),
        ("*.default.svc.cluster.local", None),
        ("a.b.default.svc.cluster.local", None),
        ("", None),
    ],
)
def test_a_host_is_a_short_or_a_full_name(host: str, expected: tuple[str, str] | None) -> None:
    assert resolve_host(host, "shop", "cluster.local") == expected


def test_the_cluster_domain_is_an_option() -> None:
    assert resolve_host("web.default.svc.example.org", "shop", "example.org") == ("default", "web")


def test_a_service_with_one_http_port_of_two_is_fine_unless_the_other_is_named() -> None:
    web = service("web", ports=[{"name": "http", "port": 80}, {"name": "tcp-db", "port": 5432}])
    assert not_http(web, (), AT) == ()
    assert [p.code for p in not_http(web, (5432,), AT)] == ["PortNotHTTP"]


def test_a_scope_keeps_port_and_source_alone() -> None:
    match = RouteMatch(path=Exact("/"), ports=(80,), source_namespace="shop")
    assert scope_of(match) == RouteMatch(ports=(80,), source_namespace="shop")
