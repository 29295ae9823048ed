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


_current: Final[ContextVar[Spans | None]] = ContextVar("spans", default=None)


class Spans:
    """Of one request. `step` records nothing when the runtime did not ask."""

    def __init__(self, emit: Emit, env: Mapping[str, str], **about: str) -> None:
        self._emit = emit
        match = _TRACEPARENT.fullmatch(env.get("TRACEPARENT", ""))
        asked = match is not None and match[1] != "ff" and bool(int(match[4], 16) & SAMPLED)
        self._trace = match[2] if match is not None and asked and int(match[2], 16) and int(match[3], 16) else ""
        self._parents = [match[3]] if match is not None else []
        carried = {"tracestate": env.get("TRACESTATE", ""), "baggage": env.get("BAGGAGE", "")}
        self._about = about | {name: value for name, value in carried.items() if value}

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """A span from here to the end of the block, child of the one around it."""
        if not self._trace:
            yield
            return
        span, parent, error = secrets.token_hex(8), self._parents[-1], ""
        self._parents.append(span)
        start, begun = time.time_ns(), time.monotonic_ns()
        try:
            yield
        except BaseException as failure:
            error = str(failure) or type(failure).__name__
            raise
        finally:
            self._parents.pop()
            line = {
                "trace_id": self._trace,
                "span_id": span,
                "parent_id": parent,
                "name": name,
                "start": start,
                "duration_ns": time.monotonic_ns() - begun,
            }
            self._emit(line | self._about | ({"error": error} if error else {}))


@contextmanager
def step(name: str) -> Iterator[None]:
    """A span of the request that this task works on; nothing outside of one."""
    spans = _current.get()
    if spans is None:
        yield
        return
    with spans.step(name):
        yield


@contextmanager
def tracing(spans: Spans, name: str) -> Iterator[None]:
    """Every `step` in this block belongs to this request; the whole is a span of that name."""
    token = _current.set(spans)
    try:
        with spans.step(name):
            yield
    finally:
        _current.reset(token)
