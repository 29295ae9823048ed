"""The limits of an object in our vocabulary."""

from __future__ import annotations

from typing import Any

from meshworlds import limit_at, ratelimit
from tandem.ir.limits import CountedBy, Key, Limit
from tandem.ir.match import Exact, HeaderMatch, PathPrefix, Regex, RouteMatch
from tandem.translate.limits.read import LimitReader


def read(**rule: Any) -> tuple[Limit, list[tuple[str, str]]]:
    reader = LimitReader(ratelimit(limit_at("Service", "web"), limits=[{"requests": 6, "unit": "Minute", **rule}]))
    (found,) = reader.read()
    return found, [(p.at.path, p.code) for p in reader.problems]


def test_a_burst_is_as_large_as_the_requests_unless_it_is_said() -> None:
    plain, _ = read()
    assert (plain.requests, plain.seconds, plain.burst, plain.by, plain.matches) == (6, 60, 6, (), ())
    assert str(plain.origin) == "RateLimit default/few spec.limits[0]"
    assert read(burst=20)[0].burst == 20
    assert [read(unit=unit)[0].seconds for unit in ("Second", "Hour")] == [1, 3600]


def test_everything_that_tells_requests_apart_is_known() -> None:
    named = {"Header": "X-User", "Claim": "realm.roles"}
    kinds = ("Namespace", "ServiceAccount", "Address", "Header", "Path", "Method", "Claim")
    found, wrong = read(by=[{"type": k, **({"name": named[k]} if k in named else {})} for k in kinds])
    assert [by.key for by in found.by] == list(Key)
    assert found.by[3] == CountedBy(key=Key.HEADER, name="x-user")
    assert found.by[6] == CountedBy(key=Key.CLAIM, claim=("realm", "roles"))
    assert wrong == []


def test_matches_are_read_as_those_of_routes() -> None:
    matches = [
        {"path": {"value": "/a/"}, "method": "GET"},
        {"path": {"type": "Exact", "value": "/b"}, "headers": [{"name": "X-A", "value": "1"}]},
        {"headers": [{"name": "x", "type": "RegularExpression", "value": "a+"}]},
    ]
    found, wrong = read(matches=matches)
    assert found.matches == (
        RouteMatch(path=PathPrefix("/a"), method=Exact("GET")),
        RouteMatch(path=Exact("/b"), headers=(HeaderMatch(name="x-a", match=Exact("1")),)),
        RouteMatch(headers=(HeaderMatch(name="x", match=Regex("a+")),)),
    )
    assert wrong == []


def test_what_has_no_meaning_is_told_at_its_field() -> None:
    # The API refuses these; what came by another way is not taken for something else.
    at = "spec.limits[0]"
    assert read(unit="Day")[1] == [(f"{at}.unit", "UnsupportedValue")]
    assert read(by=[{"type": "Moon"}])[1] == [(f"{at}.by[0].type", "UnsupportedValue")]
    odd = [{"path": {"type": "Glob", "value": "/*"}}]
    assert read(matches=odd)[1] == [(f"{at}.matches[0].path.type", "UnsupportedValue")]
    bad = [{"headers": [{"name": "x", "type": "RegularExpression", "value": "("}]}]
    assert read(matches=bad)[1] == [(f"{at}.matches[0].headers[0].value", "InvalidValue")]
