"""Ports of which nobody says what they speak -> the listener filter that waits for a client's first bytes, and chains.

What is found is told by the proxy at the client to that of the server, as where the port itself says it: a connection
over which requests were found offers the protocol of requests in mTLS.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from tandem.compile.envoy.proto import Json, at_ports, extension
from tandem.compile.envoy.tls import ALPN_HTTP

_PLAIN: Final[Json] = {"transport_protocol": "raw_buffer"}
REQUESTS: Final[Json] = {**_PLAIN, "application_protocols": ["http/1.0", "http/1.1", "h2c"]}
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


def divided(chain: Json, requests: Sequence[Json], *, tls: bool) -> Iterator[Json]:
    """A chain of bytes -> one with these filters for requests, and itself for all else.

    `tls`: it is read at this port whether a client speaks TLS. Envoy looks for no chain that asks less once one asks
    for what was found of the transport, so that there is one for each.
    """
    name, match = chain["name"], chain["filter_chain_match"]
    yield {"name": f"{name}:requests", "filter_chain_match": {**match, **REQUESTS}, "filters": [*requests]}
    yield {**chain, "filter_chain_match": {**match, **_PLAIN}}
    if tls:
        yield {**chain, "name": f"{name}:tls", "filter_chain_match": {**match, "transport_protocol": "tls"}}
