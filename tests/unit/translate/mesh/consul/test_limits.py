"""What rateLimits of ServiceDefaults count; that they do it rightly: tests/property/test_consul_limits.py."""

from __future__ import annotations

from typing import Any

from builders import pod, service
from consulworlds import defaults
from tandem.base.problems import Severity
from tandem.ir.limits import RateLimit
from tandem.ir.match import Exact, Prefix, Regex, RouteMatch
from tandem.model.world import World
from tandem.translate.mesh.consul.defaults import Defaults
from tandem.translate.mesh.consul.limits import AT, read_rate_limits

PORTS = [{"name": "http", "port": 80, "targetPort": 8080}, {"name": "tcp-x", "port": 81}, {"name": "a", "port": 82}]
WEB = service("web", selector={"app": "web"}, ports=PORTS)
POD = pod("web", labels={"app": "web"})


def read(**asked: Any) -> tuple[RateLimit | None, list[tuple[str, str]]]:
    told: list[tuple[str, str]] = []
    source = defaults("web", rateLimits={"instanceLevel": asked})
    return read_rate_limits(source, lambda path, code, _: told.append((path, code))), told


def said(**spec: Any) -> Defaults:
    given = {"rateLimits": {"instanceLevel": {"requestsPerSecond": 5}}, **spec}
    return Defaults(World.of([WEB, defaults("web", **given)]))


def test_the_first_route_that_matches_has_its_limit() -> None:
    routes = [
        {"pathExact": "/a", "requestsPerSecond": 1, "requestsMaxBurst": 3},
        {"pathPrefix": "/b", "requestsPerSecond": 2},
        {"pathRegex": "/c+", "requestsPerSecond": 4},
    ]
    found, told = read(requestsPerSecond=9, routes=routes)
    assert told == []
    assert found is not None
    a, b, c = (RouteMatch(path=p) for p in (Exact("/a"), Prefix("/b"), Regex("/c+")))
    assert [(one.requests, one.burst, one.matches, one.unless) for one in found.limits] == [
        (1, 3, (a,), ()),
        (2, 2, (b,), (a,)),
        (4, 4, (c,), (a, b)),
        (9, 9, (), (a, b, c)),
    ]
    assert [one.origin.path for one in found.limits] == [*(f"{AT}.routes[{i}]" for i in range(3)), AT]
    assert not found.retry_after


def test_what_no_route_is_of_is_counted_only_where_that_is_said() -> None:
    found, _ = read(routes=[{"pathExact": "/a", "requestsPerSecond": 1}])
    assert found is not None
    assert len(found.limits) == 1
    assert read() == (None, [])


def test_a_pattern_that_nobody_can_judge_leaves_nothing_counted() -> None:
    routes = [{"pathRegex": "(?=a)", "requestsPerSecond": 1}]
    assert read(requestsPerSecond=9, routes=routes) == (None, [(f"{AT}.routes[0].pathRegex", "InvalidValue")])


def test_a_pod_counts_at_its_ports_of_http() -> None:
    (found,) = said().limits(POD, [WEB])
    assert found.ports == (8080,)
    (named,) = said(protocol="http").limits(POD, [WEB])
    assert named.ports == (82, 8080)
    assert said().limits(POD, [service("db")]) == ()


def test_a_service_without_requests_is_told() -> None:
    bytes_only = service("web", selector={"app": "web"}, ports=[{"name": "tcp-x", "port": 81}])
    source = defaults("web", rateLimits={"instanceLevel": {"requestsPerSecond": 5}})
    found = Defaults(World.of([bytes_only, source]))
    assert [(p.at.path, p.code, p.severity) for p in found.problems] == [
        ("spec.rateLimits", "PortNotHTTP", Severity.ERROR)
    ]
    assert found.limits(POD, [bytes_only]) == ()
