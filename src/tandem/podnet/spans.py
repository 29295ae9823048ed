"""The steps of one verb as spans of the runtime's trace (W3C Trace Context): TRACEPARENT in, JSON lines out.

Without a TRACEPARENT, or with a malformed or unsampled one, nothing is recorded: the runtime did not ask.
Each line has trace_id, span_id, parent_id, name, start (ns since 1970), duration_ns, and error where a step failed.
"""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Final

Emit = Callable[[Mapping[str, Any]], None]

SAMPLED: Final = 1
_TRACEPARENT: Final = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")


class Spans:
    """Of one request. Nothing is recorded when the runtime did not ask."""

    def __init__(self, emit: Emit, env: Mapping[str, str], **about: str) -> None:
        self._emit = emit
        match = _TRACEPARENT.fullmatch(env.get("TRACEPARENT", ""))
        asked = match is not None and match[1] != "ff" and bool(int(match[4], 16) & SAMPLED)
        self.trace = match[2] if match is not None and asked and int(match[2], 16) and int(match[3], 16) else ""
        self.parent = match[3] if match is not None else ""
        """The runtime's own span."""
        carried = {"tracestate": env.get("TRACESTATE", ""), "baggage": env.get("BAGGAGE", "")}
        self._about = about | {name: value for name, value in carried.items() if value}

    def write(self, line: Mapping[str, Any]) -> None:
        """One span."""
        self._emit({"trace_id": self.trace, **line, **self._about})


_current: Final[ContextVar[tuple[Spans, str] | None]] = ContextVar("spans", default=None)
"""The request that this task works on, and the innermost span around what it does now: tasks side by side have each
their own."""


@contextmanager
def step(name: str) -> Iterator[None]:
    """A span from here to the end of the block, child of the one around it; nothing outside of a request."""
    current = _current.get()
    if current is None or not current[0].trace:
        yield
        return
    spans, parent = current
    span, error = secrets.token_hex(8), ""
    token = _current.set((spans, span))
    start, begun = time.time_ns(), time.monotonic_ns()
    try:
        yield
    except BaseException as failure:
        error = str(failure) or type(failure).__name__
        raise
    finally:
        _current.reset(token)
        line = {"span_id": span, "parent_id": parent, "name": name, "start": start}
        line["duration_ns"] = time.monotonic_ns() - begun
        spans.write(line | ({"error": error} if error else {}))


@contextmanager
def tracing(spans: Spans, name: str) -> Iterator[None]:
    """Every `step` in this block belongs to this request; the whole is a span of that name."""
    token = _current.set((spans, spans.parent))
    try:
        with step(name):
            yield
    finally:
        _current.reset(token)
