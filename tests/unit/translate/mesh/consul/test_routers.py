"""Matches of routers, and what they do beside choosing."""

from __future__ import annotations

from typing import Any

import pytest

from consulworlds import route, router
from tandem.base.problems import Severity
from tandem.ir.mesh import (
    Exact,
    HeaderEdit,
    HeaderMatch,
    Prefix,
    Present,
    QueryMatch,
    Regex,
    Retry,
    Rewrite,
    RouteMatch,
)
from tandem.translate.mesh.consul.resolvers import Target
from tandem.translate.mesh.consul.routers import Routed, RouterReader


def one(*args: Any, **fields: Any) -> Routed:
    reader = RouterReader(router("web", route(*args, **fields)))
    (found,) = reader.routes()
    assert reader.problems == []
    return found


@pytest.mark.parametrize(
    ("http", "match"),
    [
        ({"pathExact": "/a"}, RouteMatch(path=Exact("/a"))),
        ({"pathPrefix": "/a", "caseInsensitive": True}, RouteMatch(path=Prefix("/a"), ignore_case=True)),
        ({"pathRegex": "/a+", "caseInsensitive": True}, RouteMatch(path=Regex("/a+"))),
        ({"methods": ["GET"]}, RouteMatch(method=Exact("GET"))),
        (
            {"header": [{"name": "X-A", "suffix": "."}, {"name": "b", "present": True, "invert": True}]},
            RouteMatch(
                headers=(
                    HeaderMatch(name="x-a", match=Regex(r".*\.")),
                    HeaderMatch(name="b", match=Present(), invert=True),
                )
            ),
        ),
        (
            {"queryParam": [{"name": "K", "exact": "1"}, {"name": "l", "regex": "a+"}, {"name": "m", "present": True}]},
            RouteMatch(
                query=(
                    QueryMatch(name="K", match=Exact("1")),
                    QueryMatch(name="l", match=Regex("a+")),
                    QueryMatch(name="m", match=Present()),
                )
            ),
        ),
    ],
)
def test_matches(http: Any, match: RouteMatch) -> None:
    assert one(match=http).matches == (match,)


def test_each_method_is_a_match_of_its_own() -> None:
    found = one(match={"pathExact": "/a", "methods": ["GET", "PUT"]}).matches
    assert found == tuple(RouteMatch(path=Exact("/a"), method=Exact(method)) for method in ("GET", "PUT"))


def test_nothing_asked_is_every_request() -> None:
    assert one().matches == ()
    assert one(match={}).matches == ()


def test_a_destination_is_another_service_or_a_part_of_it() -> None:
    assert one().target == Target("default", "web")
    assert one("b", "v1", namespace="shop").target == Target("shop", "b", "v1")


def test_times() -> None:
    assert (one().timeout_ms, one().idle_ms) == (15_000, None)
    found = one(requestTimeout="-1s", idleTimeout="2s")
    assert (found.timeout_ms, found.idle_ms) == (0, 2000)
    assert one(idleTimeout="-1s").idle_ms == 0


def test_paths_and_headers_are_changed() -> None:
    edit = {"set": {"X-A": "1"}, "add": {"b": "2"}, "remove": ["c"]}
    found = one(match={"pathPrefix": "/a"}, prefixRewrite="/b", requestHeaders=edit)
    assert found.rewrite == Rewrite(prefix="/b")
    assert found.request == HeaderEdit(set=(("x-a", "1"),), add=(("b", "2"),), remove=("c",))


@pytest.mark.parametrize(
    ("fields", "on", "attempts", "codes"),
    [
        ({"retryOn": ["5xx", "reset"], "numRetries": 3}, ("5xx", "reset"), 3, ()),
        ({"retryOnConnectFailure": True, "retryOn": ["connect-failure"]}, ("connect-failure",), 1, ()),
        ({"retryOnStatusCodes": [429]}, ("retriable-status-codes",), 1, (429,)),
    ],
)
def test_retries(fields: Any, on: tuple[str, ...], attempts: int, codes: tuple[int, ...]) -> None:
    assert one(**fields).retry == Retry(attempts=attempts, retry_on=on, retriable_codes=codes)


def test_retries_upon_nothing_are_none_and_told() -> None:
    reader = RouterReader(router("web", route(numRetries=3)))
    (found,) = reader.routes()
    assert found.retry is None
    assert [(p.at.path, p.code, p.severity) for p in reader.problems] == [
        ("spec.routes[0].destination.numRetries", "NoEffect", Severity.WARNING)
    ]


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({"match": {"pathRegex": "(?=a)"}}, "match.http.pathRegex"),
        ({"match": {"header": [{"name": "x", "regex": "(?=a)"}]}}, "match.http.header[0].regex"),
        ({"match": {"queryParam": [{"name": "x", "regex": "(?=a)"}]}}, "match.http.queryParam[0].regex"),
        ({"partition": "x"}, "destination.partition"),
        ({"responseHeaders": {"remove": [":status"]}}, "destination.responseHeaders.remove[:status]"),
        ({"requestTimeout": "soon"}, "destination.requestTimeout"),
    ],
)
def test_what_is_not_enforced_is_told(fields: Any, path: str) -> None:
    reader = RouterReader(router("web", route(**fields)))
    tuple(reader.routes())
    assert [p.at.path for p in reader.problems] == [f"spec.routes[0].{path}"]
