"""Ports of which nobody says what they speak -> the listener filter that waits for a client's first bytes.

What is found is told by the proxy at the client to that of the server, as where the port itself says it: a connection
over which requests were found offers the protocol of requests in mTLS.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from tandem.compile.envoy.proto import Json, at_ports, extension
from tandem.compile.envoy.tls import ALPN_HTTP

PROTOCOLS: Final = ("http/1.0", "http/1.1", "h2c")
"""What the filter finds."""
REQUESTS: Final[Json] = {"transport_protocol": "raw_buffer", "application_protocols": [*PROTOCOLS]}
"""What a chain for detected requests asks beside address and port. The client's own TLS is bytes."""

BOUND: Final = "0.200s"
"""So long a silent client is waited for; then a connection is bytes, and a server that speaks first is heard."""

_ALPN: Final[Json] = {
    "object_key": "envoy.network.application_protocols",
    "format_string": {"text_format_source": {"inline_string": ALPN_HTTP}},
    "shared_with_upstream": "ONCE",
}
SAYS_REQUESTS: Final = extension(
    "requests", "extensions.filters.network.set_filter_state.v3.Config", {"on_new_connection": [_ALPN]}
)
"""The filter that gives connections filter state by which a cluster of bytes says to the other proxy what is inside."""


def detecting_at(ports: Sequence[int]) -> Json:
    """The listener filter, at these ports alone: at all others nobody waits."""
    inspector = extension("http-inspector", "extensions.filters.listener.http_inspector.v3.HttpInspector")
    return {**inspector, "filter_disabled": {"not_match": at_ports(ports)}}
