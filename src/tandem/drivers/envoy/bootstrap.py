"""Envoy's bootstrap file: node name and socket paths in, JSON out. Pure.

Everything that changes while Envoy runs comes by delta ADS over the agent's unix socket; the cluster `agent` is also
where access logs go.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from tandem.base.paths import NodeDir
from tandem.state.xds import GENERATION

AGENT_CLUSTER: Final = "agent"
"""Name of the static cluster that reaches the agent: ADS, and the access log service of listeners."""

MAX_CONNECTIONS: Final = 20_000
"""Downstream connections of the whole node; the admin interface is exempt."""

RUNTIME: Final[dict[str, Any]] = {
    "layers": [{"name": "static", "static_layer": {"re2.max_program_size.error_level": 32_768}}]
}
"""Regular expressions may be as large as Istio lets them be: Envoy by itself refuses what exceeds some 40 letters."""

_TYPE: Final = "type.googleapis.com/envoy."
_RECONNECT: Final = {"retry_back_off": {"base_interval": "0.05s", "max_interval": "0.5s"}}


def bootstrap(
    node_id: str, paths: NodeDir, *, generation: int = 0, max_connections: int = MAX_CONNECTIONS
) -> dict[str, Any]:
    """The bootstrap as a JSON tree; `generation`: how many Envoys of this node took over before it."""
    ads: dict[str, Any] = {"ads": {}, "resource_api_version": "V3"}
    return {
        "node": {"id": node_id, "cluster": "tandem", "metadata": {GENERATION: generation}},
        "admin": {
            "address": {"pipe": {"path": str(paths.admin_socket), "mode": 0o600}},
            "ignore_global_conn_limit": True,
        },
        "dynamic_resources": {
            "ads_config": {
                "api_type": "DELTA_GRPC",
                "transport_api_version": "V3",
                # Envoy would wait up to 30 s before it comes back to a restarted agent.
                "grpc_services": [{"envoy_grpc": {"cluster_name": AGENT_CLUSTER, "retry_policy": _RECONNECT}}],
            },
            # For ever: one that began without listeners would take the sockets of the one before, and close them.
            "cds_config": ads | {"initial_fetch_timeout": "0s"},
            "lds_config": ads | {"initial_fetch_timeout": "0s"},
        },
        "static_resources": {"clusters": [_agent_cluster(paths)]},
        "layered_runtime": RUNTIME,
        "overload_manager": {
            "resource_monitors": [
                {
                    "name": "envoy.resource_monitors.global_downstream_max_connections",
                    "typed_config": {
                        "@type": _TYPE + "extensions.resource_monitors.downstream_connections.v3"
                        ".DownstreamConnectionsConfig",
                        "max_active_downstream_connections": str(max_connections),
                    },
                }
            ]
        },
        # Counters of a cluster come into being with its first connection: most clusters of a node have none.
        "deferred_stat_options": {"enable_deferred_creation_stats": True},
    }


def bootstrap_json(node_id: str, paths: NodeDir, generation: int = 0) -> bytes:
    """The bootstrap file; equal arguments give equal bytes, so that a running Envoy can be recognised as current."""
    return msgspec.json.format(msgspec.json.encode(bootstrap(node_id, paths, generation=generation)), indent=2)


def _agent_cluster(paths: NodeDir) -> dict[str, Any]:
    endpoint = {"endpoint": {"address": {"pipe": {"path": str(paths.xds_socket)}}}}
    return {
        "name": AGENT_CLUSTER,
        "type": "STATIC",
        "connect_timeout": "1s",
        "typed_extension_protocol_options": {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                "@type": _TYPE + "extensions.upstreams.http.v3.HttpProtocolOptions",
                "explicit_http_config": {
                    # Without keepalive a stream to an agent that was killed mid-write could look alive for ever.
                    "http2_protocol_options": {"connection_keepalive": {"interval": "30s", "timeout": "5s"}}
                },
            }
        },
        "load_assignment": {"cluster_name": AGENT_CLUSTER, "endpoints": [{"lb_endpoints": [endpoint]}]},
    }
