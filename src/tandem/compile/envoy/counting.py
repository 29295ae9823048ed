"""What a limit asks of a request -> expressions (CEL) that Envoy evaluates. Pure.

What a request is counted by has a value for every request: an expression that failed would let it pass uncounted.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Final, assert_never

from tandem.ir.limits import CountedBy, Key, Limit
from tandem.ir.match import Exact, HeaderMatch, PathPrefix, Prefix, Present, Regex, RouteMatch, StringMatch

_PATH: Final = "request.url_path"
"""Without the query."""
_METHOD: Final = "request.method"
_IDENTITY: Final = "connection.uri_san_peer_certificate"


def counted(by: CountedBy) -> str:
    """The value by which requests are told apart; of one that has none, the empty text."""
    match by.key:
        case Key.PATH:
            return _PATH
        case Key.METHOD:
            return _METHOD
        case Key.HEADER:
            return f'{_has(by.name)} ? {_header(by.name)} : ""'
        case _:
            raise ValueError(by.key)


def condition(limit: Limit, ports: Iterable[int]) -> str:
    """Whether a request counts; empty: always."""
    parts = []
    dialled = ", ".join(map(str, ports))
    if dialled:
        parts.append(f"destination.port in [{dialled}]")
    asked = [_match(match) for match in limit.matches]
    if asked:
        parts.append(f"({' || '.join(asked)})")
    if limit.unless:
        parts.append(f"!({' || '.join(map(_match, limit.unless))})")
    if limit.clients:
        parts.append(_proved(limit.clients))
    if limit.others:
        parts.append(f"!{_proved(limit.others)}")
    return " && ".join(parts)


def _proved(clients: Iterable[str]) -> str:
    """Whether the client has proved to be one of these; of one that proves nothing Envoy has no such value."""
    return f"(has({_IDENTITY}) && {_IDENTITY} in [{', '.join(map(_quoted, clients))}])"


def failing(when: str) -> str:
    """`true` where a condition holds; else an error: nobody sends a header of that name."""
    return f'({when}) ? "true" : request.headers["no such header"]'


def _match(match: RouteMatch) -> str:
    parts = [_text(_PATH, match.path)] if match.path is not None else []
    parts += [_text(_METHOD, match.method)] if match.method is not None else []
    parts += [_of_header(header) for header in match.headers]
    return f"({' && '.join(parts)})" if parts else "true"


def _of_header(header: HeaderMatch) -> str:
    return f"({_has(header.name)} && {_text(_header(header.name), header.match)})"


def _text(value: str, match: StringMatch) -> str:
    match match:
        case Exact(text):
            return f"{value} == {_quoted(text)}"
        case Prefix(text):
            return f"{value}.startsWith({_quoted(text)})"
        case PathPrefix(text):
            return f"({value} == {_quoted(text or '/')} || {value}.startsWith({_quoted(text + '/')}))"
        case Regex(text):
            return f"{value}.matches({_quoted(f'^(?:{text})$')})"
        case Present():
            return "true"
        case _:
            assert_never(match)


def _has(name: str) -> str:
    return f"{_quoted(name)} in request.headers"


def _header(name: str) -> str:
    return f"request.headers[{_quoted(name)}]"


def _quoted(text: str) -> str:
    """A literal; JSON's are among those of CEL."""
    return json.dumps(text)
