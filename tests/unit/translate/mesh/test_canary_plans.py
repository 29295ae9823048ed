"""Which Canaries can be applied, and what is said of those that cannot."""

from __future__ import annotations

from typing import Any

import pytest

from builders import service
from meshworlds import canary, dr
from tandem.model.meta import Object
from tandem.model.world import World
from tandem.translate.mesh.canary_plans import plans_of, version_names
from tandem.translate.mesh.context import Context
from tandem.translate.mesh.istio.destinationrule import translate_destination_rules
from tandem.translate.options import Options

HTTP = [{"name": "http", "port": 80}]
WEB, V1, V2 = (service(name, ip=f"10.96.0.{i}", ports=HTTP) for i, name in enumerate(("web", "web-v1", "web-v2"), 1))
SUBSETS = dr("web", host="web", subsets=[{"name": n, "labels": {"version": n}} for n in ("v1", "v2")])


def plans(*objects: Object) -> tuple[dict[str, int], list[tuple[str, str, str]]]:
    """Name of the Canary -> percent; (Canary, code, path) of each problem."""
    world = World.of(objects)
    policies = translate_destination_rules(world, Options()).policies
    found, problems = plans_of(Context(world=world, options=Options(), policies=policies), {})
    return {p.split.origin.name: p.percent for p in found}, [(p.at.name, p.code, p.at.path) for p in problems]


def test_a_canary_has_the_weight_of_its_status() -> None:
    assert plans(WEB, V1, V2, canary(status={"weight": 35})) == ({"web": 35}, [])


def test_subsets_of_the_service_are_versions_too() -> None:
    parts = canary(stable={"subset": "v1"}, canary={"subset": "v2"})
    assert plans(WEB, SUBSETS, parts) == ({"web": 0}, [])
    assert version_names(parts) == ("default/web/v1", "default/web/v2")


@pytest.mark.parametrize(
    ("objects", "problem"),
    [
        ((V1, V2), ("web", "HostNotFound", "spec.service")),
        ((WEB, V2), ("web", "BackendNotFound", "spec.stable.service")),
        (
            (service("web", ip="10.96.0.1", ports=[{"name": "dns", "port": 80, "protocol": "UDP"}]), V1, V2),
            ("web", "PortNotHTTP", "spec.service"),
        ),
        (
            (WEB, service("web-v1", ip="10.96.0.2", ports=[{"name": "http", "port": 81}]), V2),
            ("web", "PortNotFound", "spec.stable.service"),
        ),
    ],
)
def test_without_what_it_divides_it_is_not_applied(objects: tuple[Object, ...], problem: tuple[str, str, str]) -> None:
    assert plans(*objects, canary(status={"weight": 35})) == ({}, [problem])


@pytest.mark.parametrize(
    ("objects", "versions", "problem"),
    [
        ((WEB, V1), {}, ("web", "BackendNotFound", "spec.canary.service")),
        (
            (WEB, SUBSETS),
            {"stable": {"subset": "v1"}, "canary": {"subset": "v3"}},
            ("web", "SubsetNotFound", "spec.canary.subset"),
        ),
    ],
)
def test_if_only_the_new_version_is_missing_everything_is_the_stable_one_s(
    objects: tuple[Object, ...], versions: dict[str, Any], problem: tuple[str, str, str]
) -> None:
    assert plans(*objects, canary(status={"weight": 35}, **versions)) == ({"web": 0}, [problem])


def test_of_two_that_touch_one_service_the_older_is_applied() -> None:
    old = canary("web", created="2026-01-01T00:00:00Z", status={"weight": 5})
    new = canary("web-v2", created="2026-02-01T00:00:00Z", stable={"service": "web-v2"}, canary={"service": "x"})
    assert plans(WEB, V1, V2, old, new) == ({"web": 5}, [("web-v2", "Conflicted", "spec.service")])


def test_what_is_not_applied_for_a_conflict_stands_in_nobody_s_way() -> None:
    first = canary("web", created="2026-01-01T00:00:00Z")
    second = canary("web-v2", created="2026-02-01T00:00:00Z", stable={"service": "api"}, canary={"service": "x"})
    third = canary("api", created="2026-03-01T00:00:00Z", stable={"service": "api"}, canary={"service": "x"})
    api, x = (service(name, ip=f"10.96.0.{i}", ports=HTTP) for i, name in enumerate(("api", "x"), 7))
    assert plans(WEB, V1, V2, api, x, first, second, third) == (
        {"web": 0, "api": 0},
        [("web-v2", "Conflicted", "spec.service")],
    )


def test_an_expression_that_is_none_refuses_the_whole() -> None:
    match = [{"headers": [{"name": "g", "type": "RegularExpression", "value": "("}]}]
    found = plans(WEB, V1, V2, canary(match=match, status={"weight": 35}))
    assert found == ({}, [("web", "InvalidValue", "spec.match[0].headers[0].value")])


DB, DB1, DB2 = (
    service(name, ip=f"10.96.0.{i}", ports=[{"name": "mysql", "port": 3306}])
    for i, name in enumerate(("db", "db-v1", "db-v2"), 4)
)


def of_connections(**spec: Any) -> Object:
    return canary("db", service="db", stable={"service": "db-v1"}, canary={"service": "db-v2"}, **spec)


def test_a_service_of_bytes_is_divided_by_connections() -> None:
    assert plans(DB, DB1, DB2, of_connections(status={"weight": 35})) == ({"db": 35}, [])
    assert plans(DB, DB1, of_connections()) == ({"db": 0}, [("db", "BackendNotFound", "spec.canary.service")])


def test_what_cannot_be_asked_of_connections_is_refused_with_its_path() -> None:
    slow = {"latency": {"max": "1s"}}
    match = [{"headers": [{"name": "x", "value": "y"}]}]
    found = plans(DB, DB1, DB2, of_connections(analysis=slow, match=match))
    assert found == (
        {},
        [("db", "UnsupportedField", "spec.match"), ("db", "UnsupportedField", "spec.analysis.latency")],
    )
