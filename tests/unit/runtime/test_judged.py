"""What of the access logs counts for a version, and what does not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from envoy.service.accesslog.v3 import als_pb2
from google.protobuf import json_format

from gatewaybuild import gateway, hosts, listener, port
from meshbuild import view
from tandem.base.problems import Origin
from tandem.ir.mesh import Backend, BytesRoute, Forward, Route, RouteTable, Split
from tandem.ir.node import NodeView
from tandem.ir.tally import Tally
from tandem.runtime.judged import Judged

ORIGIN = Origin(kind="Canary", namespace="shop", name="web")
SPLIT = Split(origin=ORIGIN, stable="shop/web/v1", canary="shop/web-v2")


ACTION = Forward(backends=(Backend(namespace="shop", service="web"),), splits=(SPLIT,))
ROUTE = Route(name="divided", matches=(), action=ACTION, origin=ORIGIN)


def divided() -> NodeView:
    table = RouteTable(namespace="shop", service="web", routes=(ROUTE,))
    return msgspec.structs.replace(view(), tables={"shop/web": table})


def at_gateway() -> NodeView:
    """A node that serves a gateway, and has no pod of the mesh."""
    return view(gateways={"edge/edge": gateway(port(listener("http", "*", hosts("*", ROUTE))))})


def message(
    code: int = 200,
    *,
    cluster: str = "svc/shop/web-v2/80",
    route: str = "divided",
    grpc: str = "-",
    duration: str = "0.010s",
) -> Any:
    common = {
        "route_name": route,
        "upstream_cluster": cluster,
        "duration": duration,
        "custom_tags": {"grpc_status": grpc},
    }
    entry = {"common_properties": common, "response": {"response_code": code}}
    return json_format.ParseDict({"http_logs": {"log_entry": [entry]}}, als_pb2.StreamAccessLogsMessage())


def told(*messages: Any, log: str = "source|u-a", of: Callable[[], NodeView] = divided) -> dict[str, Tally]:
    judged = Judged(of, "e")
    for one in messages:
        judged.on_access_log(log, one)
    tallies = judged.tallies()
    assert tallies is not None
    return {k: msgspec.structs.replace(t, latencies={}) for k, t in tallies.counted["shop/web"].items()}


def test_requests_count_for_the_version_that_their_route_chose() -> None:
    found = told(message(), message(cluster="svc/shop/web/80/v1"), message())
    assert found == {"shop/web/v1": Tally(requests=1), "shop/web-v2": Tally(requests=2)}


@pytest.mark.parametrize("failed", [{"code": 500}, {"code": 503}, {"code": 0}, {"grpc": "14"}, {"grpc": "2"}])
def test_what_the_server_could_not_do_is_a_failure(failed: dict[str, Any]) -> None:
    assert told(message(**failed)) == {"shop/web-v2": Tally(requests=1, failed=1)}


@pytest.mark.parametrize("fine", [{"code": 404}, {"code": 429}, {"code": 301}, {"grpc": "5"}, {"grpc": "0"}])
def test_what_the_client_did_wrong_is_none(fine: dict[str, Any]) -> None:
    assert told(message(**fine)) == {"shop/web-v2": Tally(requests=1)}


@pytest.mark.parametrize(
    "other", [{"route": "another"}, {"cluster": "svc/shop/web/80"}, {"cluster": "passthrough"}, {"cluster": ""}]
)
def test_what_no_canary_divided_does_not_count(other: dict[str, Any]) -> None:
    assert told(message(**other)) == {}


SENT = BytesRoute(
    name="sent", matches=(), backends=(Backend(namespace="shop", service="web"),), splits=(SPLIT,), origin=ORIGIN
)


def connected() -> NodeView:
    table = RouteTable(namespace="shop", service="web", routes=(), bytes=(SENT,))
    return msgspec.structs.replace(view(), tables={"shop/web": table})


def connection(kind: str, *flags: str, opened: bool = True, route: str = "sent") -> Any:
    common = {
        "upstream_cluster": "svc/shop/web-v2/80",
        "access_log_type": kind,
        "response_flags": dict.fromkeys(flags, True),
        "custom_tags": {"divided": route},
    }
    if opened:
        common["upstream_local_address"] = {"socket_address": {"address": "10.0.0.1", "port_value": 1}}
    entry = {"common_properties": common}
    return json_format.ParseDict({"tcp_logs": {"log_entry": [entry]}}, als_pb2.StreamAccessLogsMessage())


OPEN, END = "TcpUpstreamConnected", "TcpConnectionEnd"
WEB2 = "shop/web-v2"


def test_a_connection_counts_when_it_is_open_and_not_again_at_its_end() -> None:
    assert told(connection(OPEN), of=connected) == {WEB2: Tally(requests=1)}
    assert told(connection(OPEN), connection(END), of=connected) == {WEB2: Tally(requests=1)}


def test_one_that_the_version_breaks_off_has_failed_all_the_same() -> None:
    both = (connection(OPEN), connection(END, "upstream_remote_reset"))
    assert told(*both, of=connected) == {WEB2: Tally(requests=1, failed=1)}


@pytest.mark.parametrize(
    "ended",
    [
        connection(END, "no_healthy_upstream", opened=False),
        connection(END, "upstream_connection_failure", "upstream_retry_limit_exceeded"),
        connection(END, "upstream_overflow", opened=False),
        connection(END, opened=False),
    ],
)
def test_one_that_never_came_about_has_failed(ended: Any) -> None:
    assert told(ended, of=connected) == {WEB2: Tally(requests=1, failed=1)}


def test_connections_that_nobody_divided_do_not_count() -> None:
    assert told(connection(OPEN, route="other"), of=connected) == {}


def test_what_the_server_s_side_saw_does_not_count() -> None:
    assert told(message(), log="destination|u-b") == {}


GATEWAY = "destination|gateway/edge/edge"
OWN = "mirror/gateway/edge/edge/svc/shop/web-v2/80"


def test_a_gateway_is_the_client_of_what_it_sends_on() -> None:
    stable = message(cluster="mirror/gateway/edge/edge/svc/shop/web/80/v1")
    found = told(message(cluster=OWN), message(cluster=OWN, code=503), stable, log=GATEWAY, of=at_gateway)
    assert found == {"shop/web-v2": Tally(requests=2, failed=1), "shop/web/v1": Tally(requests=1)}


def test_what_only_gateways_or_only_pods_divide_counts_there_alone() -> None:
    assert told(message(), of=at_gateway) == {}
    assert told(message(cluster=OWN), log=GATEWAY) == {}
    assert told(message(), log="destination|u-b", of=at_gateway) == {}


def test_latencies_are_told() -> None:
    judged = Judged(divided, "e")
    judged.on_access_log("source|u-a", message(duration="1.5s"))
    tallies = judged.tallies()
    assert tallies is not None
    assert 1500 <= tallies.of("shop/web", "shop/web-v2").latency_ms(0.5) <= 1575


def test_where_nothing_is_divided_nothing_is_told() -> None:
    judged = Judged(view, "e")
    judged.on_access_log("source|u-a", message())
    assert judged.tallies() is None
    assert Judged(lambda: None, "e").tallies() is None
