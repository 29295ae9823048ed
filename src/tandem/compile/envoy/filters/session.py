"""Sessions (GEP-1619): the endpoint of the first request is told to the client, and chosen again while it is there."""

from __future__ import annotations

from typing import Final

from tandem.compile.envoy.proto import Json, any_of, extension
from tandem.ir.mesh import Route

NAME: Final = "envoy.filters.http.stateful_session"
_TYPE: Final = "extensions.filters.http.stateful_session.v3."
_STATE: Final = "extensions.http.stateful_session."


def disabled() -> Json:
    """Its place in the chain."""
    return extension(NAME, f"{_TYPE}StatefulSession")


def of(route: Route) -> Json | None:
    """A StatefulSessionPerRoute; None where the route has no sessions."""
    session = route.session
    if session is None:
        return None
    if session.header:
        state = extension(
            "envoy.http.stateful_session.header", f"{_STATE}header.v3.HeaderBasedSessionState", {"name": session.header}
        )
    else:
        ttl = {"ttl": f"{session.absolute_s}s"} if session.absolute_s else {}
        cookie = {"name": session.cookie, "path": session.path, **ttl}
        state = extension(
            "envoy.http.stateful_session.cookie", f"{_STATE}cookie.v3.CookieBasedSessionState", {"cookie": cookie}
        )
    return any_of(f"{_TYPE}StatefulSessionPerRoute", {"stateful_session": {"session_state": state}})
