"""What a traffic policy is in a cluster; what Envoy makes of it is in tests/netns/test_mesh_traffic_policies.py."""

from __future__ import annotations

from typing import Any

import pytest

from tandem.compile.envoy.pool import alpn, hash_policies, keeping, limiting, speaking, spreading, wants_http1, watching
from tandem.ir.fabric import AppProtocol
from tandem.ir.locality import Distribution, Locality, LocalityBalancing
from tandem.ir.traffic import (
    ByAddress,
    ByCookie,
    ByHeader,
    ByQuery,
    Keepalive,
    Limits,
    LoadBalancer,
    Outlier,
    Pool,
    Traffic,
    Warmup,
)


def options(app: AppProtocol, pool: Pool) -> Any:
    (found,) = dict(speaking(app, Traffic(pool=pool))["typed_extension_protocol_options"]).values()
    return found


def test_tables_have_their_sizes() -> None:
    ring = spreading(Traffic(lb=LoadBalancer.RING_HASH, table_size=64))
    assert ring == {"lb_policy": "RING_HASH", "ring_hash_lb_config": {"minimum_ring_size": 64}}
    assert spreading(Traffic(lb=LoadBalancer.MAGLEV, table_size=5))["maglev_lb_config"] == {"table_size": 5}


def test_a_slow_start_goes_with_the_algorithms_that_have_one() -> None:
    slow = Warmup(duration_ms=2000, least_percent=5)
    found = spreading(Traffic(warmup=slow))["least_request_lb_config"]["slow_start_config"]
    assert (found["slow_start_window"], found["min_weight_percent"]) == ("2s", {"value": 5})
    assert spreading(Traffic(lb=LoadBalancer.RANDOM, warmup=slow)) == {"lb_policy": "RANDOM"}


def test_a_limit_that_is_not_given_is_none() -> None:
    (threshold,) = limiting(Limits(pending=7))["circuit_breakers"]["thresholds"]
    assert (threshold["max_pending_requests"], threshold["max_requests"]) == (7, 4294967295)
    (budget,) = limiting(Limits(budget_percent=25.0))["circuit_breakers"]["thresholds"]
    assert budget["retry_budget"] == {"budget_percent": {"value": 25.0}, "min_retry_concurrency": 3}


def test_errors_of_a_count_of_zero_eject_nobody() -> None:
    found = watching(Traffic(outlier=Outlier(errors=0, gateway_errors=2)))["outlier_detection"]
    assert found["enforcing_consecutive_5xx"] == 0
    assert found["enforcing_consecutive_gateway_failure"] == 100
    assert "split_external_local_origin_errors" not in found
    apart = watching(Traffic(outlier=Outlier(local_errors=0)))["outlier_detection"]
    assert apart["enforcing_consecutive_local_origin_failure"] == 0
    assert "outlier_detection" not in watching(Traffic())


def test_localities_are_weighed_where_they_have_portions() -> None:
    portions = LocalityBalancing(distribute=(Distribution(clients=Locality(), portions=()),))
    for outlier in (None, Outlier()):
        assert (
            "locality_weighted_lb_config" in watching(Traffic(outlier=outlier, locality=portions))["common_lb_config"]
        )
        assert "locality_weighted_lb_config" not in watching(Traffic(outlier=outlier))["common_lb_config"]


def test_keep_alive_leaves_to_the_kernel_what_is_not_said() -> None:
    assert keeping(Pool()) == {}
    kept = keeping(Pool(keepalive=Keepalive(time_s=5)))["upstream_connection_options"]
    assert kept == {"tcp_keepalive": {"keepalive_time": 5}}


def test_the_port_or_the_pool_says_which_http() -> None:
    assert "use_downstream_protocol_config" in options(AppProtocol.HTTP, Pool())
    assert "http2_protocol_options" in options(AppProtocol.GRPC, Pool())["explicit_http_config"]
    assert "http2_protocol_options" in options(AppProtocol.HTTP, Pool(http2=True))["explicit_http_config"]
    assert "http_protocol_options" in options(AppProtocol.HTTP, Pool(http2=False))["explicit_http_config"]
    ping = options(AppProtocol.GRPC, Pool(ping_ms=1000))["explicit_http_config"]["http2_protocol_options"]
    assert ping["connection_keepalive"] == {"interval": "1s", "timeout": "1s"}
    assert speaking(AppProtocol.TCP, Traffic(pool=Pool(http2=True))) == {}


def test_every_key_of_a_hash() -> None:
    cookie = ByCookie(name="c", path="/", ttl_s=0, attributes=(("Secure", ""),))
    keys = (ByHeader(name="x"), ByQuery(name="q"), ByAddress(), cookie)
    assert hash_policies(keys) == [
        {"header": {"header_name": "x"}},
        {"query_parameter": {"name": "q"}},
        {"connection_properties": {"source_ip": True}},
        {"cookie": {"name": "c", "path": "/", "ttl": "0s", "attributes": [{"name": "Secure", "value": ""}]}},
    ]


@pytest.mark.parametrize(
    ("app", "pool", "pods", "gateways"),
    [
        (AppProtocol.HTTP, Pool(), ("h2", "http/1.1"), ("http/1.1",)),
        (AppProtocol.HTTP, Pool(http2=False), ("http/1.1",), ("http/1.1",)),
        (AppProtocol.HTTP, Pool(http2=True), ("h2",), ("h2",)),
        (AppProtocol.GRPC, Pool(), ("h2",), ("h2",)),
        (AppProtocol.HTTP2, Pool(http2=False), ("http/1.1",), ("http/1.1",)),
        (AppProtocol.TCP, Pool(), (), ()),
    ],
)
def test_what_is_offered_in_tls_is_what_can_be_spoken(
    app: AppProtocol, pool: Pool, pods: tuple[str, ...], gateways: tuple[str, ...]
) -> None:
    assert (alpn(app, pool), alpn(app, pool, translated=True)) == (pods, gateways)


def test_a_key_that_ends_the_choice_says_so() -> None:
    assert hash_policies((ByHeader(name="x", terminal=True), ByAddress())) == [
        {"header": {"header_name": "x"}, "terminal": True},
        {"connection_properties": {"source_ip": True}},
    ]


def test_rings_have_a_largest_size_and_the_fewest_requests_are_looked_for_among_so_many() -> None:
    ring = Traffic(lb=LoadBalancer.RING_HASH, table_size=8, table_most=64)
    assert spreading(ring)["ring_hash_lb_config"] == {"minimum_ring_size": 8, "maximum_ring_size": 64}
    assert spreading(Traffic(choices=5))["least_request_lb_config"] == {"choice_count": 5}


def test_http1_is_wanted_of_ports_of_http_where_no_rule_says_otherwise() -> None:
    assert wants_http1(AppProtocol.HTTP, Pool())
    assert not any(wants_http1(app, Pool()) for app in AppProtocol if app is not AppProtocol.HTTP)
    others = Pool(http2=True), Pool(http2=False), Pool(as_client=True)
    assert not any(wants_http1(AppProtocol.HTTP, pool) for pool in others)
