"""gRPC-Web (grpc/doc/PROTOCOL-WEB.md): calls of browsers become calls of gRPC, trailers in the body and all.

Binary and in base64, whatever version of HTTP the client speaks; what is neither passes as it is. The switch is a
route's, for it is about routes of gRPC and ports of gRPC alone.
"""

from __future__ import annotations

from typing import Final

from tandem.compile.envoy.proto import Json, extension
from tandem.ir.mesh import Route
from tandem.state.xds import ENVOY

NAME: Final = "envoy.filters.http.grpc_web"
CONTENT_TYPE: Final = r"application/grpc(\+.*|-web(-text)?(\+proto)?)?"
"""Of calls of gRPC, and of what becomes one here; a whole value, in RE2."""
ON: Final[Json] = {"@type": f"{ENVOY}config.route.v3.FilterConfig", "config": {}}
"""Switched on; it has no settings."""


def disabled() -> Json:
    """Its place in the chain."""
    return extension(NAME, "extensions.filters.http.grpc_web.v3.GrpcWeb")


def of(route: Route) -> Json | None:
    """Switched on for routes of gRPC requests alone."""
    return ON if any(match.grpc for match in route.matches) else None
