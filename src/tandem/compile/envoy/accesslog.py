"""A log name -> access loggers that stream to the agent (gRPC ALS, cluster `agent`).

Every entry is sent, also where not all become flows: others count them. Then a tag says which do.
"""

from __future__ import annotations

from typing import Final

from tandem.compile import names
from tandem.compile.envoy.proto import Json, extension
from tandem.state.xds import DIVIDED, GRPC_STATUS, LOGGED, LOGGED_IF, UPSTREAM_IDENTITY

FLUSH: Final = "0.250s"
BUFFER: Final = 1 << 17
"""Bytes of entries that are sent at once: each message costs Envoy and the agent more than the entries in it."""
_GRPC: Final[Json] = {"tag": GRPC_STATUS, "value": "%GRPC_STATUS_NUMBER%"}


def _common(log_name: str, when: str, *tags: Json) -> Json:
    chosen = ({"tag": LOGGED, "value": f"{LOGGED_IF}%CEL({when})%"},) if when else ()
    return {
        "log_name": log_name,
        "transport_api_version": "V3",
        "grpc_service": {"envoy_grpc": {"cluster_name": names.AGENT}},
        "buffer_flush_interval": FLUSH,
        "buffer_size_bytes": BUFFER,
        # The log entry itself knows nothing of TLS towards the upstream.
        "custom_tags": [{"tag": UPSTREAM_IDENTITY, "value": "%UPSTREAM_PEER_URI_SAN%"}, *tags, *chosen],
    }


def http(log_name: str, when: str = "") -> list[Json]:
    """One entry per request; `when` (CEL) says which become flows, where not all do."""
    fields = {"common_config": _common(log_name, when, _GRPC)}
    return [extension("agent-http", "extensions.access_loggers.grpc.v3.HttpGrpcAccessLogConfig", fields)]


def tcp(log_name: str, when: str = "", *, divided: str = "") -> list[Json]:
    """One entry per connection, when it ends; `when` likewise. `divided`: the route of a Canary's connections."""
    tags = ({"tag": DIVIDED, "value": divided.replace("%", "%%")},) if divided else ()
    fields = {"common_config": _common(log_name, when, *tags)}
    return [extension("agent-tcp", "extensions.access_loggers.grpc.v3.TcpGrpcAccessLogConfig", fields)]
