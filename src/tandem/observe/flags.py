"""Envoy's response flags: protobuf field -> the short form that people know, and one sentence. Pure."""

from __future__ import annotations

from typing import Any, Final

# Field of ResponseFlags -> (short form, sentence for an error; "" where the flag alone is none).
FLAGS: Final = {
    "failed_local_healthcheck": ("LH", "the local health check failed"),
    "no_healthy_upstream": ("UH", "no endpoint to send to"),
    "upstream_request_timeout": ("UT", "the endpoint did not answer in time"),
    "local_reset": ("LR", "the proxy reset the connection"),
    "upstream_remote_reset": ("UR", "the endpoint reset the connection"),
    "upstream_connection_failure": ("UF", "no connection to the endpoint"),
    "upstream_connection_termination": ("UC", "the endpoint closed the connection before it answered"),
    "upstream_overflow": ("UO", "too many connections or requests are open to the endpoint"),
    "no_route_found": ("NR", "no route matches"),
    "delay_injected": ("DI", ""),
    "fault_injected": ("FI", "a fault was injected"),
    "rate_limited": ("RL", "the rate limit is reached"),
    "unauthorized_details": ("UAEX", "an external authorizer refused"),
    "rate_limit_service_error": ("RLSE", "the rate limit service failed"),
    "downstream_connection_termination": ("DC", ""),
    "upstream_retry_limit_exceeded": ("URX", "every attempt failed"),
    "stream_idle_timeout": ("SI", "nothing was sent for too long"),
    "invalid_envoy_request_headers": ("IH", "a request header is invalid"),
    "downstream_protocol_error": ("DPE", "the client broke the protocol"),
    "upstream_max_stream_duration_reached": ("UMSDR", "the request took longer than allowed"),
    "response_from_cache_filter": ("RFCF", ""),
    "no_filter_config_found": ("NFCF", "the filter configuration did not arrive in time"),
    "duration_timeout": ("DT", "the connection took longer than allowed"),
    "upstream_protocol_error": ("UPE", "the endpoint broke the protocol"),
    "no_cluster_found": ("NC", "the route leads to a cluster that does not exist"),
    "overload_manager": ("OM", "the proxy is overloaded"),
    "dns_resolution_failure": ("DF", "the name was not resolved"),
    "downstream_remote_reset": ("DR", ""),
}


def short(flags: Any) -> str:
    """`UF,URX`: the flags of an entry, in the order of the table."""
    return ",".join(text for text, _ in _set(flags))


def reason(flags: Any) -> str:
    """Sentences of the flags that are errors, joined; "" if there is none."""
    return "; ".join(text for _, text in _set(flags) if text)


def left(flags: Any) -> bool:
    """True if the client ended it."""
    return bool(flags.downstream_connection_termination or flags.downstream_remote_reset)


def _set(flags: Any) -> list[tuple[str, str]]:
    present = {field.name for field, _ in flags.ListFields()}
    # Most requests have none, and a node tells of thousands a second.
    return [FLAGS[name] for name in FLAGS if name in present] if present else []
