"""Expressions of filters: what Envoy takes for certain, on one line, and what is told of all else."""

from __future__ import annotations

import pytest

from tandem.translate.mesh.istio.cel import DEEPEST, LONGEST, read


@pytest.mark.parametrize(
    ("text", "made"),
    [
        ("response.code >= 400", "response . code >= 400"),
        (
            "connection.mtls && request.url_path.contains('v1beta3')",
            "connection . mtls && request . url_path . contains ( 'v1beta3' )",
        ),
        (
            '!has(request.useragent) || !(request.useragent.startsWith("Amazon"))',
            '! has ( request . useragent ) || ! ( request . useragent . startsWith ( "Amazon" ) )',
        ),
        ("request.headers['x-a'] in ['b', \"it's\"]", "request . headers [ 'x-a' ] in [ 'b' , \"it's\" ]"),
        ("response.code == 404u ? true : !!false", "response . code == 404u ? true : ! ! false"),
        ("request.duration > duration('500ms')", "request . duration > duration ( '500ms' )"),
        ("-response.code < 1.5 * (2 - 1) / 3 % 2", "- response . code < 1.5 * ( 2 - 1 ) / 3 % 2"),
        ("request.path.matches('^/api/.*$') // all of it", "request . path . matches ( '^/api/.*$' )"),
        ("size(request.headers.foo) > 1 &&\n  response.code_details.size() == 0", None),
    ],
)
def test_what_envoy_takes_is_put_on_one_line(text: str, made: str | None) -> None:
    found, wrong = read(text)
    assert wrong == ""
    assert "\n" not in found
    assert made is None or found == made


def test_nothing_ends_what_is_around_it() -> None:
    """Envoy ends its command at the first `)` with a per cent sign behind it."""
    found, _ = read("(1)%2 == 1 && request.path == ')%'")
    assert found == r"( 1 ) % 2 == 1 && request . path == ')\x25'"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("response.code >=", "'the end' where 'a value' is expected"),
        ("response.code >= 400)", "')' is not expected"),
        ("(response.code", "'the end' where ')' is expected"),
        ("response.codes == 1", "response.codes is no attribute"),
        ("response == 1", "'==' where '.' is expected"),
        ("reply.code == 1", "'reply' is no attribute"),
        ("xds.cluster_name == 'outbound|80||a'", "is about Envoy's configuration"),
        ("metadata.filter_metadata['a'] == 'b'", "is about Envoy's configuration"),
        ("string(response.code) == '200'", "there is no function 'string'"),
        ("request.path.lowerAscii() == 'a'", "there is no function 'lowerAscii'"),
        ("request.headers.exists(h, true)", "there is no function 'exists'"),
        ("has('a')", "is no attribute"),
        ("has(true)", "asks about an attribute"),
        ("request.headers.in == 'a'", "'in' is not a field"),
        ("request.path.matches(request.host)", "matches() takes a short text"),
        ("request.path.matches('(')", "matches() takes a short text"),
        ("request.path.matches('a?+')", "matches() takes a short text"),
        ("request.path.matches('(?i)a')", "matches() takes a short text"),
        ("request.path.matches('a{1000}')", "matches() takes a short text"),
        ("request.path.matches('^/.........*$')", "matches() takes a short text"),
        ("duration('soon') > request.duration", "duration() takes a text"),
        ("request.path == r'a'", "'r' is no attribute"),
        ("request.path == '''a'''", "is not expected"),
        ("request.path == 'a\\qb'", "cannot be read"),
        ("response.code == 99999999999999999999", "cannot be read"),
        ("{'a': 1}", "cannot be read"),
        ("a" * (LONGEST + 1), "is longer than"),
        ("(" * DEEPEST + "true" + ")" * DEEPEST, "brackets within each other"),
    ],
)
def test_what_it_may_not_take_is_told(text: str, told: str) -> None:
    found, wrong = read(text)
    assert found == ""
    assert told in wrong
