"""Access loggers."""

from __future__ import annotations

from tandem.compile.envoy import accesslog


def test_entries_go_to_the_agent_under_the_logs_name() -> None:
    for (logger,) in (accesslog.http("source|u"), accesslog.tcp("source|u")):
        common = logger["typed_config"]["common_config"]
        assert common["log_name"] == "source|u"
        assert common["grpc_service"] == {"envoy_grpc": {"cluster_name": "agent"}}


def test_requests_and_connections_have_loggers_of_their_own() -> None:
    assert accesslog.http("n")[0]["typed_config"]["@type"].endswith("HttpGrpcAccessLogConfig")
    assert accesslog.tcp("n")[0]["typed_config"]["@type"].endswith("TcpGrpcAccessLogConfig")


def test_connections_that_a_canary_divides_carry_the_name_of_their_route() -> None:
    (logger,) = accesslog.tcp("source|u", divided="TCPRoute/shop/100%/0")
    tags = logger["typed_config"]["common_config"]["custom_tags"]
    assert {"tag": "divided", "value": "TCPRoute/shop/100%%/0"} in tags
