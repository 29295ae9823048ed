"""Which entries of an access log become flows: what Telemetry leaves out is counted, and told to nobody. Pure."""

from __future__ import annotations

from typing import Any, Final

from tandem.state.xds import LOGGED, LOGGED_IF

OPENED: Final = 1
"""AccessLogType.TcpUpstreamConnected."""


def logged_part(message: Any, *, silent: bool) -> Any:
    """A StreamAccessLogsMessage without what is left out; the message itself where nothing is.

    `silent`: of this log nothing becomes a flow.
    """
    if silent:
        return type(message)()
    # One of the two is set, and to touch the other would clear it.
    logs = "http_logs" if message.HasField("http_logs") else "tcp_logs"
    entries = getattr(message, logs).log_entry
    if all(map(_wanted, entries)):
        return message
    part = type(message)()
    getattr(part, logs).log_entry.extend(filter(_wanted, entries))
    return part


def ended(message: Any) -> Any:
    """A StreamAccessLogsMessage without what is told of connections as soon as they are open: for who counts them."""
    if not message.HasField("tcp_logs"):
        return message
    entries = message.tcp_logs.log_entry
    if not any(entry.common_properties.access_log_type == OPENED for entry in entries):
        return message
    part = type(message)()
    part.tcp_logs.log_entry.extend(e for e in entries if e.common_properties.access_log_type != OPENED)
    return part


def _wanted(entry: Any) -> bool:
    tags = entry.common_properties.custom_tags
    return LOGGED not in tags or tags[LOGGED] == LOGGED_IF + "true"
