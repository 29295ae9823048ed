"""What of an access log becomes flows."""

from __future__ import annotations

from typing import Any

from envoy.data.accesslog.v3.accesslog_pb2 import AccessLogType
from envoy.service.accesslog.v3 import als_pb2

from tandem.observe.logged import ended, logged_part
from tandem.state.xds import LOGGED


def message(*tags: str | None, logs: str = "http_logs") -> Any:
    """An entry for each tag; None: without."""
    made = als_pb2.StreamAccessLogsMessage()
    for tag in tags:
        common = getattr(made, logs).log_entry.add().common_properties
        if tag is not None:
            common.custom_tags[LOGGED] = tag
    return made


def test_where_nothing_is_left_out_it_is_the_message_itself() -> None:
    for said in (message(None, None), message("if true"), message()):
        assert logged_part(said, silent=False) is said


def test_an_expression_that_does_not_hold_or_cannot_be_evaluated_leaves_out() -> None:
    for logs in ("http_logs", "tcp_logs"):
        said = message("if true", "if false", "if -", "if ", "if 404", None, logs=logs)
        part = logged_part(said, silent=False)
        assert [dict(e.common_properties.custom_tags) for e in getattr(part, logs).log_entry] == [
            {LOGGED: "if true"},
            {},
        ]
        assert len(getattr(said, logs).log_entry) == 6


def test_of_a_silent_log_nothing_is_left() -> None:
    for logs in ("http_logs", "tcp_logs"):
        part = logged_part(message(None, "if true", logs=logs), silent=True)
        assert not part.http_logs.log_entry
        assert not part.tcp_logs.log_entry


def test_what_is_told_of_open_connections_is_for_who_counts_them() -> None:
    said = als_pb2.StreamAccessLogsMessage()
    for kind in ("TcpUpstreamConnected", "TcpConnectionEnd", "NotSet"):
        said.tcp_logs.log_entry.add().common_properties.access_log_type = AccessLogType.Value(kind)
    assert len(ended(said).tcp_logs.log_entry) == 2
    for same in (message(None), message(None, logs="tcp_logs"), message()):
        assert ended(same) is same
