"""Response flags as people know them."""

from __future__ import annotations

from envoy.data.accesslog.v3 import accesslog_pb2

from tandem.observe.flags import FLAGS, reason, short


def test_every_flag_of_envoy_is_in_the_table() -> None:
    assert set(FLAGS) == {f.name for f in accesslog_pb2.ResponseFlags.DESCRIPTOR.fields}


def test_flags_are_short_and_errors_are_sentences() -> None:
    flags = accesslog_pb2.ResponseFlags(upstream_connection_failure=True, upstream_retry_limit_exceeded=True)
    assert short(flags) == "UF,URX"
    assert reason(flags) == "no connection to the endpoint; every attempt failed"


def test_a_client_that_leaves_is_no_reason() -> None:
    assert reason(accesslog_pb2.ResponseFlags(downstream_connection_termination=True)) == ""
