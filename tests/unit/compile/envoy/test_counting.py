"""What a limit asks of a request, as Envoy is asked it."""

from __future__ import annotations

import pytest

from limitbuild import by, limit
from tandem.compile.envoy.counting import condition, counted, failing
from tandem.ir.limits import Key
from tandem.ir.match import Exact, HeaderMatch, PathPrefix, Prefix, Present, Regex, RouteMatch


def test_a_header_that_is_missing_has_a_value_too() -> None:
    assert counted(by(Key.HEADER, "x-user")) == '"x-user" in request.headers ? request.headers["x-user"] : ""'
    assert counted(by(Key.PATH)) == "request.url_path"
    assert counted(by(Key.METHOD)) == "request.method"


def test_what_is_not_read_off_the_request_is_not_asked_this_way() -> None:
    with pytest.raises(ValueError, match="NAMESPACE"):
        counted(by(Key.NAMESPACE))


def test_without_matches_and_ports_nothing_is_asked() -> None:
    assert condition(limit(1), ()) == ""
    assert condition(limit(1), (8080, 9090)) == "destination.port in [8080, 9090]"


@pytest.mark.parametrize(
    ("match", "wanted"),
    [
        (RouteMatch(path=Exact("/a")), 'request.url_path == "/a"'),
        (RouteMatch(path=Prefix("/a")), 'request.url_path.startsWith("/a")'),
        (
            RouteMatch(path=PathPrefix("/a")),
            '(request.url_path == "/a" || request.url_path.startsWith("/a/"))',
        ),
        (RouteMatch(path=PathPrefix("")), '(request.url_path == "/" || request.url_path.startsWith("/"))'),
        (RouteMatch(path=Regex(r"/\d+")), r'request.url_path.matches("^(?:/\\d+)$")'),
        (RouteMatch(method=Exact("GET")), 'request.method == "GET"'),
        (
            RouteMatch(headers=(HeaderMatch(name="a", match=Exact('"')),)),
            r'("a" in request.headers && request.headers["a"] == "\"")',
        ),
        (RouteMatch(headers=(HeaderMatch(name="a", match=Present()),)), '("a" in request.headers && true)'),
        (RouteMatch(), ""),
    ],
)
def test_all_of_a_match_must_hold(match: RouteMatch, wanted: str) -> None:
    assert condition(limit(1, matches=(match,)), ()) == (f"(({wanted}))" if wanted else "(true)")


def test_one_of_several_matches_is_enough_at_one_of_the_ports() -> None:
    matches = (RouteMatch(method=Exact("GET"), path=Exact("/")), RouteMatch(method=Exact("PUT")))
    assert condition(limit(1, matches=matches), (80,)) == (
        "destination.port in [80] && "
        '((request.url_path == "/" && request.method == "GET") || (request.method == "PUT"))'
    )


def test_a_condition_that_does_not_hold_is_an_error() -> None:
    assert failing("a && b") == '(a && b) ? "true" : request.headers["no such header"]'


def test_who_counts_is_told_by_what_it_proved_and_who_proved_nothing_is_none_of_them() -> None:
    own = "connection.uri_san_peer_certificate"
    proved = f'(has({own}) && {own} in ["spiffe://a", "spiffe://b"])'
    clients = ("spiffe://a", "spiffe://b")
    assert condition(limit(1, clients=clients), ()) == proved
    assert condition(limit(1, others=clients), (80,)) == f"destination.port in [80] && !{proved}"


def test_what_a_limit_leaves_out_does_not_count() -> None:
    few = limit(1, matches=(RouteMatch(path=Prefix("/a")),), unless=(RouteMatch(path=Exact("/a")), RouteMatch()))
    assert condition(few, ()) == '((request.url_path.startsWith("/a"))) && !((request.url_path == "/a") || true)'
