"""Balancing, circuit breakers and outlier detection, with real requests through a real Envoy."""

from __future__ import annotations

import collections
import concurrent.futures
from collections.abc import Iterator

import msgspec
import pytest

from netns.meshapps import get
from netns.shoplab import SUBSETS, WEB, Shop, route, running_shop, to
from tandem.base.problems import Origin
from tandem.ir.calling import Calling, CallLimits
from tandem.ir.mesh import Retry, RouteTable
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
    PortTraffic,
    Subset,
    Traffic,
    Warmup,
)

pytestmark = pytest.mark.root


@pytest.fixture(scope="module")
def shop() -> Iterator[Shop]:
    with running_shop("tp") as made:
        yield made


def put(shop: Shop, traffic: Traffic, **fields: object) -> None:
    policy = msgspec.structs.replace(SUBSETS, traffic=traffic, **fields)
    shop.lab.apply(shop.view("v1", "v2", policy=policy))


def apps(shop: Shop, path: str, times: int, **headers: str) -> collections.Counter[str]:
    return collections.Counter(shop.get(path, **headers)[1] for _ in range(times))


@pytest.mark.parametrize("lb", [LoadBalancer.RING_HASH, LoadBalancer.MAGLEV])
def test_the_value_of_a_header_chooses_the_endpoint(shop: Shop, lb: LoadBalancer) -> None:
    put(shop, Traffic(lb=lb, hash=(ByHeader(name="x-user"),), table_size=1031))
    chosen = {user: apps(shop, "/", 4, x_user=user) for user in map(str, range(16))}
    assert all(len(seen) == 1 for seen in chosen.values())
    assert len({next(iter(seen)) for seen in chosen.values()}) == 2


def test_a_query_parameter_and_the_address_choose_too(shop: Shop) -> None:
    put(shop, Traffic(lb=LoadBalancer.RING_HASH, hash=(ByQuery(name="user"),)))
    chosen = {user: apps(shop, f"/?user={user}", 4) for user in range(16)}
    assert all(len(seen) == 1 for seen in chosen.values())
    assert len({next(iter(seen)) for seen in chosen.values()}) == 2
    put(shop, Traffic(lb=LoadBalancer.RING_HASH, hash=(ByAddress(),)))
    assert len(apps(shop, "/", 8)) == 1


def test_a_cookie_is_given_out_and_chooses(shop: Shop) -> None:
    put(shop, Traffic(lb=LoadBalancer.RING_HASH, hash=(ByCookie(name="user", path="/", ttl_s=60),)))
    chosen = {value: apps(shop, "/", 4, cookie=f"user={value}") for value in range(16)}
    assert all(len(seen) == 1 for seen in chosen.values())
    assert len({next(iter(seen)) for seen in chosen.values()}) == 2


def test_an_endpoint_that_fails_is_left_out(shop: Shop) -> None:
    outlier = Outlier(errors=2, interval_ms=100, ejection_ms=30_000, most_percent=100)
    put(shop, Traffic(lb=LoadBalancer.ROUND_ROBIN, outlier=outlier, warmup=Warmup(duration_ms=1000)))
    answers = collections.Counter(shop.get("/fail-v1") for _ in range(20))
    assert answers[200, "v2"] >= 16
    assert sum(n for (status, _), n in answers.items() if status == 500) <= 3


def test_a_limit_of_requests_answers_the_others_at_once(shop: Shop) -> None:
    put(shop, Traffic(limits=Limits(requests=1, pending=1, connections=1)))
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        asked = [pool.submit(get, shop.ns["a"], WEB, 80, "/slow") for _ in range(8)]
        found = collections.Counter(one.result()[0] for one in asked)
    assert found[200] >= 1
    assert found[503] >= 1


def test_a_budget_within_a_time_lets_retries_through_that_one_of_what_is_under_way_does_not(shop: Shop) -> None:
    """One request after the other: a fifth of one under way is none; a fifth of the last minute's forty is eight."""
    retry = Retry(attempts=1, retry_on=("5xx",))
    table = RouteTable(namespace="shop", service="web", routes=(route("again", to(("", 1)), retry=retry),))

    def answers(limits: Limits) -> collections.Counter[int]:
        policy = msgspec.structs.replace(SUBSETS, traffic=Traffic(lb=LoadBalancer.ROUND_ROBIN, limits=limits))
        shop.lab.apply(shop.view("v1", "v2", policy=policy, table=table))
        for _ in range(40):
            shop.get("/")
        return collections.Counter(shop.get("/fail-v1")[0] for _ in range(20))

    under_way = answers(Limits(budget_percent=20.0, budget_least=0))
    assert under_way[500] >= 8
    assert answers(Limits(budget_percent=20.0, budget_least=0, budget_interval_ms=60_000)) == {200: 20}
    assert answers(Limits(budget_percent=0.0, budget_least=0, budget_interval_ms=60_000))[500] >= 8


def test_limits_of_one_service_s_calls_are_those_of_nobody_else(shop: Shop) -> None:
    """Of the Service of pod a: one request at a time; c, of another one, has as many as it likes, at the same time."""
    origin = Origin(kind="ServiceDefaults", namespace="shop", name="a", path="spec.upstreamConfig")
    few = CallLimits(connections=1, pending=1, requests=1)
    calling = Calling(namespace="shop", service="a", named=(("shop/web", few),), origin=origin)
    table = RouteTable(namespace="shop", service="web", routes=(route("split", to(("v1", 1), ("v2", 1))),))
    for parts in ({}, {"table": table}):
        view = shop.view("v1", "v2", policy=SUBSETS, **parts)
        pods = [
            msgspec.structs.replace(
                p, pod=msgspec.structs.replace(p.pod, calling=calling if p.pod.name == "a" else None)
            )
            for p in view.pods
        ]
        shop.lab.apply(msgspec.structs.replace(view, pods=tuple(pods)))
        with concurrent.futures.ThreadPoolExecutor(16) as pool:
            asked = {who: [pool.submit(get, shop.ns[who], WEB, 80, "/slow") for _ in range(8)] for who in ("a", "c")}
            found = {who: collections.Counter(one.result()[0] for one in many) for who, many in asked.items()}
        assert found["c"] == {200: 8}
        assert found["a"][200] >= 1
        assert found["a"][503] >= 2


def test_envoy_takes_every_setting_there_is(shop: Shop) -> None:
    pool = Pool(
        keepalive=Keepalive(probes=3, time_s=30, interval_s=5),
        connection_ms=60_000,
        idle_ms=30_000,
        requests_per_connection=10,
        http2=True,
        streams=100,
        ping_ms=1000,
        ping_timeout_ms=500,
    )
    everything = Traffic(
        lb=LoadBalancer.ROUND_ROBIN,
        warmup=Warmup(duration_ms=1000, least_percent=5, aggression=1.5),
        limits=Limits(connections=9, pending=9, requests=9, retries=9, budget_percent=20.0, budget_interval_ms=1500),
        pool=pool,
        outlier=Outlier(gateway_errors=3, local_errors=2, least_healthy_percent=30),
        connect_timeout_ms=500,
    )
    subset = Subset(name="v1", labels=(("version", "v1"),), ports=(PortTraffic(port=80, traffic=everything),))
    put(shop, everything, subsets=(subset,), ports=(PortTraffic(port=80, traffic=everything),))
    assert shop.get("/")[0] in {200, 502, 503}, "the application speaks HTTP/1.1 alone"
