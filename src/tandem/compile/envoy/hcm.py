"""Routes and logs -> network filters: the HTTP connection manager and the TCP proxy, as both directions use them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from tandem.base.ids import PodUid
from tandem.compile import names
from tandem.compile.envoy import accesslog
from tandem.compile.envoy.failed import TELLS
from tandem.compile.envoy.filters import gateway_filters, http_filters, inbound_filters
from tandem.compile.envoy.filters.spellings import before_routes
from tandem.compile.envoy.guarded import Guarded
from tandem.compile.envoy.proto import ADS, Json, extension, typed_struct
from tandem.ir.fabric import LocalPod
from tandem.ir.gateway import Gateway
from tandem.ir.logged import Logged
from tandem.ir.mesh import BytesRoute
from tandem.ir.paths import Paths

OUT: Final = "out"
IN: Final = "in"
EDGE: Final = "edge"
"""Statistics prefixes, shared by all pods: prefixes per pod would cost hundreds of lines a pod."""


CONNECT_ATTEMPTS: Final = 3
"""For bytes what the retry policy is for requests: nothing was sent yet when a connection could not be made."""


_NORMAL: Final = {"normalize_path": True}
_PATHS: Final[Mapping[Paths, Json]] = {
    Paths.KEEP: {"normalize_path": False},
    Paths.BASE: _NORMAL,
    Paths.MERGE: {**_NORMAL, "merge_slashes": True},
    Paths.DECODE: {**_NORMAL, "merge_slashes": True, "path_with_escaped_slashes_action": "UNESCAPE_AND_FORWARD"},
    Paths.EDGE: {**_NORMAL, "path_with_escaped_slashes_action": "UNESCAPE_AND_REDIRECT"},
}


def _manager(prefix: str, paths: Paths, log: list[Json], routing: Json, filters: list[Json]) -> dict[str, Any]:
    """Transparent: the application's `server` header, request id and authority stay as they are."""
    return {
        "stat_prefix": prefix,
        **routing,
        "http_filters": filters,
        "access_log": log,
        "server_header_transformation": "PASS_THROUGH",
        **_PATHS[paths],
        "http_protocol_options": {"accept_http_10": True},
        "upgrade_configs": [{"upgrade_type": "websocket"}],
        "stream_idle_timeout": "0s",
    }


def _filter(fields: Json) -> Json:
    return extension("http", "extensions.filters.network.http_connection_manager.v3.HttpConnectionManager", fields)


class Told(msgspec.Struct, frozen=True):
    """What of a pod is in its chains, but who it is: which of its requests become flows, and what paths mean."""

    logged: Logged
    paths: Paths


def outbound_http(uid: PodUid, route_config: str, *, told: Told, dynamic: bool = False, unrouted: bool = False) -> Json:
    """Requests of a pod, routed by RDS; `dynamic`: some lead to hosts that are resolved when they are asked for.

    `unrouted`: see `http_filters`.
    """
    routing = {"rds": {"config_source": ADS, "route_config_name": route_config}}
    log = accesslog.http(names.source_log(uid), told.logged.when)
    return _filter(_manager(OUT, told.paths, log, routing, http_filters(dynamic=dynamic, unrouted=unrouted)))


def inbound_http(pod: LocalPod, *, mtls: bool, port: int = 0) -> Json:
    """Requests to a pod, which its own route configuration hands to the application, or refuses.

    `port`: one that goes another way than others.

    With mTLS the peer's SPIFFE id is told to the application in `x-forwarded-client-cert`; what a client claims in
    that header never passes. Callers are told where the application gave no answer.
    """
    routing = {"rds": {"config_source": ADS, "route_config_name": names.inbound_routes(pod.uid, port)}}
    log = accesslog.http(names.destination_log(pod.uid), pod.logging.server.when)
    fields = _manager(IN, pod.paths, log, routing, inbound_filters(pod))
    if mtls:
        fields |= {
            **TELLS,
            "forward_client_cert_details": "SANITIZE_SET",
            "set_current_client_cert_details": {"uri": True},
        }
    return _filter(fields)


def gateway_http(gateway: Gateway, guard: Guarded, port: int, route_config: str, *, quic: Json | None = None) -> Json:
    """Requests from outside the cluster, routed by RDS: what clients claim of themselves is not taken over.

    `guard` is what judges at the port; `quic`: they come by HTTP/3, on these terms.
    """
    routing = {"rds": {"config_source": ADS, "route_config_name": route_config}}
    log, hops = accesslog.http(names.destination_log(guard.uid)), gateway.trusted_hops
    fields = _manager(EDGE, gateway.paths, log, routing, gateway_filters(guard, port))
    early = before_routes(guard)
    fields |= {
        "use_remote_address": True,
        **({"xff_num_trusted_hops": hops} if hops else {}),
        **({"early_header_mutation_extensions": early} if early else {}),
        **({"codec_type": "HTTP3", "http3_protocol_options": {"quic_protocol_options": quic}} if quic else {}),
        "forward_client_cert_details": "SANITIZE",
    }
    return _filter(fields)


def tcp(
    prefix: str,
    clusters: str | list[Json],
    log_name: str,
    *,
    sticky: bool = False,
    when: str = "",
    divided: str = "",
) -> Json:
    """Bytes to a cluster, or to several by `weight`; without endpoints: closed at once, and logged.

    `sticky`: the client's address chooses the endpoint; `when`: which connections become flows, where not all do.
    `divided`: the route, where a Canary has divided them; then they are told as soon as they are open, too.
    """
    fields = {
        "stat_prefix": prefix,
        **({"cluster": clusters} if isinstance(clusters, str) else {"weighted_clusters": {"clusters": clusters}}),
        "max_connect_attempts": CONNECT_ATTEMPTS,
        "access_log": accesslog.tcp(log_name, when, divided=divided),
        **({"access_log_options": {"flush_access_log_on_connected": True}} if divided else {}),
        "idle_timeout": "0s",
        **({"hash_policy": [{"source_ip": {}}]} if sticky else {}),
    }
    return extension("tcp", "extensions.filters.network.tcp_proxy.v3.TcpProxy", fields)


def divided(route: BytesRoute | None) -> str:
    """The name of a route that a Canary has divided, else nothing."""
    return route.name if route is not None and route.splits else ""


def literal(value: str) -> str:
    """A text as a format that gives just that."""
    return value.replace("%", "%%")


def hashable_state(values: Json) -> Json:
    """The listener filter that gives connections filter state, which upstream connections inherit once.

    The hashable factory is what keeps connection pools apart: with any other, a request of one pod can leave over
    the connection (and with the certificate) of another. Said once for a listener, not in each of its chains.
    """
    states = [
        {
            "object_key": key,
            "factory_key": "envoy.hashable_string",
            "format_string": {"text_format_source": {"inline_string": literal(value)}},
            "shared_with_upstream": "ONCE",
        }
        for key, value in values.items()
    ]
    config = typed_struct("extensions.filters.listener.set_filter_state.v3.Config", {"on_accept": states})
    return {"name": "identity", "typed_config": config}
