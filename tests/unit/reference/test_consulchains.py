"""Consul's discovery chain, judged on the objects."""

from __future__ import annotations

from typing import Any

from builders import service
from consulworlds import defaults, resolver, route, router, split, splitter, versions
from tandem.model.meta import Object
from tandem.model.world import World
from tandem.reference.consulchains import decide_chain, is_http
from tandem.reference.request import Request, RouteDecision
from tandem.reference.routes import decide

SERVICES = [service(name, ports=[{"name": "http", "port": 80}]) for name in ("web", "b")]


def judge(*objects: Object, **asked: Any) -> RouteDecision | None:
    request = Request(source_namespace="default", namespace="default", service="web", port=80, **asked)
    return decide_chain(World.of([*SERVICES, *objects]), request)


def shares(*objects: Object, **asked: Any) -> list[tuple[str, str, int]]:
    found = judge(*objects, **asked)
    assert found is not None
    return [(s.service, s.subset, s.weight) for s in found.backends]


def test_without_objects_of_that_name_nothing_is_said() -> None:
    assert judge(router("b", route("web"))) is None


def test_a_router_then_a_splitter_then_a_resolver() -> None:
    said = (
        router("web", route("b", match={"pathPrefix": "/b"})),
        splitter("web", split(25, subset="v2"), split(75)),
        resolver("web", subsets=versions("v1", "v2"), defaultSubset="v1"),
    )
    assert shares(*said, path="/b/x") == [("b", "", 1)]
    assert shares(*said, path="/") == [("web", "v2", 1), ("web", "v1", 3)]
    found = judge(*said, path="/")
    assert found is not None
    assert [s.labels for s in found.backends] == [
        {"consul.hashicorp.com/service-meta-version": v} for v in ("v2", "v1")
    ]


def test_what_is_not_there_is_answered() -> None:
    found = judge(resolver("web", redirect={"service": "gone"}))
    assert found is not None
    assert (found.status, found.steps[0].text) == (503, "no Service default/gone: answered with 503")
    assert judge(resolver("web", redirect={"service": "b", "peer": "x"})) is None


def test_a_share_says_what_stands_in_for_it() -> None:
    said = resolver("web", failover={"*": {"targets": [{"service": "b"}, {"service": "gone"}]}})
    request = Request(source_namespace="default", namespace="default", service="web", port=80)
    found = decide(World.of([*SERVICES, said]), request)
    (share,) = found.backends
    assert [s.service for s in share.instead] == ["b"]
    assert found.steps[-1].text == "or else to Service default/b"


def test_a_port_that_says_nothing_speaks_what_is_said_of_the_service() -> None:
    world = World.of([service("db", ports=[{"port": 80}]), defaults("db", protocol="http")])
    assert is_http(world, "default", "db", 80)
    assert not is_http(world, "default", "db", 81)
    assert not is_http(World.of([service("db", ports=[{"port": 80}])]), "default", "db", 80)
