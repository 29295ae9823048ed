"""Consul's discovery chain, judged on the objects."""

from __future__ import annotations

from typing import Any

from builders import service
from consulworlds import resolver, route, router, split, splitter, versions
from tandem.model.meta import Object
from tandem.model.world import World
from tandem.reference.consulchains import decide_chain
from tandem.reference.request import Request, RouteDecision

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
