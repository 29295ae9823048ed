"""An expression of a log's filter (CEL) -> the same on one line, as Envoy takes it, or what is wrong with it. Pure.

Envoy refuses a whole listener for one expression that it cannot read. So what is let through is a part of the language
that it reads for certain: its attributes, literals, operators, the conditional, `has`, `size`, `duration` and what asks
about texts. Whether types fit shows when it is evaluated: what cannot be evaluated does not hold, as in Istio.
"""

from __future__ import annotations

import re
from typing import Final

from tandem.model.schemas.syntax import SCALARS

LONGEST: Final = 1024
DEEPEST: Final = 12
"""So many brackets within each other; Envoy's reader has a bound of its own."""
PROGRAM: Final = 80
"""What a regular expression may cost: Envoy bounds the program that one becomes (measured: 100 steps)."""
COSTS: Final = {".": 9, **dict.fromkeys("^$|()*+?", 4)}
"""What a character adds at most; any other adds 1."""
_CERTIFICATES: Final = tuple(
    f"{what}_{whose}_certificate"
    for what in ("subject", "dns_san", "uri_san")
    for whose in ("local", "peer")
)  # fmt: skip
_TLS: Final = (*_CERTIFICATES, "tls_version", "sha256_peer_certificate_digest", "transport_failure_reason")
_REQUEST: Final = (
    "path", "url_path", "host", "scheme", "method", "headers", "referer", "useragent", "time", "id",
    "protocol", "query", "duration", "size", "total_size"
)  # fmt: skip
ATTRIBUTES: Final = {
    "request": frozenset(_REQUEST),
    "response": frozenset(
        ["code", "code_details", "flags", "grpc_status", "headers", "trailers", "size", "total_size", "backend_latency"]
    ),
    "source": frozenset({"address", "port"}),
    "destination": frozenset({"address", "port"}),
    "connection": frozenset({*_TLS, "id", "mtls", "requested_server_name", "termination_details"}),
    "upstream": frozenset({*_TLS, "address", "port", "local_address", "request_attempt_count"}),
}
"""Envoy's attributes of requests and connections; others name parts of its configuration, which is ours here."""
_CONFIGURATION: Final = frozenset({"xds", "metadata", "filter_state", "upstream_filter_state", "node", "plugin_name"})
_TEXT_METHODS: Final = frozenset({"contains", "startsWith", "endsWith"})
_LITERALS: Final = frozenset({"true", "false", "null"})
_RESERVED: Final = frozenset({
    "as", "break", "const", "continue", "else", "for", "function", "if", "import", "let", "loop", "package",
    "namespace", "return", "var", "void", "while", "in", "true", "false", "null"
})  # fmt: skip
_TOKEN: Final = re.compile(
    r"""(?P<space>\s+|//[^\n]*)
    |(?P<text>"(?:[^"\\\n]|\\[\\"'nt])*"|'(?:[^'\\\n]|\\[\\"'nt])*')
    |(?P<number>\d{1,9}\.\d{1,9}|\d{1,15}u?)(?![\w.])
    |(?P<name>[A-Za-z_]\w*)
    |(?P<sign>\|\||&&|[=!<>]=|[-+*/%<>!?:.,()\[\]])""",
    re.VERBOSE | re.ASCII,
)
_LEVELS: Final = (
    frozenset({"||"}),
    frozenset({"&&"}),
    frozenset({"==", "!=", "<", "<=", ">", ">=", "in"}),
    frozenset({"+", "-"}),
    frozenset({"*", "/", "%"}),
)
"""Operators of two sides, those that bind the least first."""
_DURATION: Final = re.compile(r"['\"]\d{1,9}(ms|s|m|h)['\"]")
_PLAIN_REGEX: Final = re.compile(r"(?!.*(\(\?|[*+?]\+))[A-Za-z0-9_/.^$|()*+?:=-]*")
"""Without groups of special meaning and possessive repetition: RE2 and Python take different ones."""


class _WrongError(Exception):
    """What is wrong, for people."""


def read(text: str) -> tuple[str, str]:
    """The expression as Envoy takes it, and what is wrong with it: one of the two is empty."""
    try:
        tokens = _tokens(text)
        reader = _Reader(tokens)
        reader.whole()
    except _WrongError as wrong:
        return "", str(wrong)
    # A space between any two: then nothing ends what Envoy has around it, a bracket and a per cent sign.
    return " ".join(token.replace("%", r"\x25") if kind == "text" else token for kind, token in tokens), ""


def _tokens(text: str) -> list[tuple[str, str]]:
    if len(text) > LONGEST:
        raise _WrongError(f"is longer than {LONGEST} characters")
    found, at = [], 0
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            raise _WrongError(f"cannot be read from {text[at : at + 20]!r} on")
        if match.lastgroup != "space":
            found.append((str(match.lastgroup), match[0]))
        at = match.end()
    return found


class _Reader:
    """Goes over the tokens once, and knows where it is."""

    def __init__(self, tokens: list[tuple[str, str]]) -> None:
        self._tokens = tokens
        self._at = 0
        self._depth = 0

    def whole(self) -> None:
        """All of it is one expression."""
        self._expression()
        if self._at < len(self._tokens):
            raise _WrongError(f"{self._next!r} is not expected")

    @property
    def _next(self) -> str:
        return self._tokens[self._at][1] if self._at < len(self._tokens) else ""

    def _take(self, wanted: str = "") -> tuple[str, str]:
        if self._at == len(self._tokens) or (wanted and self._next != wanted):
            raise _WrongError(f"{self._next or 'the end'!r} where {wanted or 'a value'!r} is expected")
        self._at += 1
        return self._tokens[self._at - 1]

    def _expression(self) -> None:
        self._depth += 1
        if self._depth > DEEPEST:
            raise _WrongError(f"has more than {DEEPEST} brackets within each other")
        self._level(0)
        if self._next == "?":
            self._take()
            self._level(0)
            self._take(":")
            self._expression()
        self._depth -= 1

    def _level(self, level: int) -> None:
        if level == len(_LEVELS):
            self._unary()
            return
        self._level(level + 1)
        while self._next in _LEVELS[level]:
            self._take()
            self._level(level + 1)

    def _unary(self) -> None:
        if self._next == "-":
            self._take()
        while self._next == "!":
            self._take()
        self._value()
        while self._next in {".", "["}:
            self._member()

    def _value(self) -> None:
        kind, token = self._take()
        match kind, token:
            case (("text" | "number"), _):
                return
            case "name", _:
                self._named(token)
            case _, "(":
                self._expression()
                self._take(")")
            case _, "[":
                self._list("]")
            case _:
                raise _WrongError(f"{token!r} is not expected")

    def _named(self, name: str) -> None:
        if name in _LITERALS:
            return
        if self._next == "(":
            self._called(name)
            return
        if name in _CONFIGURATION:
            raise _WrongError(f"{name!r} is about Envoy's configuration, which is not Istio's here")
        if name not in ATTRIBUTES:
            raise _WrongError(f"{name!r} is no attribute; there are {', '.join(ATTRIBUTES)}")
        self._take(".")
        field = self._take()[1]
        if field not in ATTRIBUTES[name]:
            raise _WrongError(f"{name}.{field} is no attribute")

    def _called(self, name: str) -> None:
        self._take("(")
        match name:
            case "size":
                self._expression()
            case "has":
                start = self._at
                self._named(self._take()[1])
                while self._next == ".":
                    self._member()
                if self._tokens[start][1] not in ATTRIBUTES:
                    raise _WrongError("has() asks about an attribute")
            case "duration":
                if not _DURATION.fullmatch(self._take()[1]):
                    raise _WrongError("duration() takes a text such as '500ms'")
            case _:
                raise _WrongError(f"there is no function {name!r}")
        self._take(")")

    def _member(self) -> None:
        if self._take()[1] == "[":
            self._expression()
            self._take("]")
            return
        kind, name = self._take()
        if kind != "name" or name in _RESERVED:
            raise _WrongError(f"{name!r} is not a field")
        if self._next != "(":
            return
        self._take()
        if name in _TEXT_METHODS:
            self._expression()
        elif name == "matches":
            self._regex()
        elif name != "size":
            raise _WrongError(f"there is no function {name!r}")
        self._take(")")

    def _regex(self) -> None:
        """One that Envoy would refuse takes the listener with it."""
        kind, token = self._take()
        pattern = token[1:-1]
        plain = kind == "text" and _PLAIN_REGEX.fullmatch(pattern) is not None
        if not plain or sum(COSTS.get(c, 1) for c in pattern) > PROGRAM or SCALARS["regex"](pattern) is not None:
            text = "takes a short text of letters, digits and _ / . ^ $ | ( ) * + ? : = - that is sound"
            raise _WrongError(f"matches() {text}: {token}")

    def _list(self, end: str) -> None:
        while self._next != end:
            self._expression()
            if self._next != end:
                self._take(",")
        self._take(end)
