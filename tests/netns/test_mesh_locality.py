"""Nearest endpoints first, the next ones when those fail or go, and portions: real requests, a real Envoy."""

from __future__ import annotations

import collections
import contextlib
import time
from collections.abc import Iterator

import msgspec
import pytest

from meshbuild import NODE, endpoint, endpoints
from netns.meshapps import http_app
from netns.shoplab import SUBSETS, Shop, running_shop
from tandem.base.ids import NodeName
from tandem.ir.fabric import Node
from tandem.ir.locality import Distribution, Locality, LocalityBalancing, Portion, Preference, locality_of
from tandem.ir.traffic import LoadBalancer, Outlier, Traffic

pytestmark = pytest.mark.root

NODES = {
    "n1": msgspec.structs.replace(NODE, region="eu", zone="west"),
    "n2": Node(name=NodeName("n2"), addresses=("192.0.2.2",), pod_cidrs=(), region="eu", zone="east"),
    "n3": Node(name=NodeName("n3"), addresses=("192.0.2.3",), pod_cidrs=(), region="us", zone="a"),
}
"""What the servers v1, v2 and c are said to be on; the client is on the first."""
ALL = ("v1", "v2", "c")
WATCH = Outlier(errors=1, interval_ms=100, ejection_ms=30_000, most_percent=100)
EU, US = Locality(region="eu"), Locality(region="us")


@pytest.fixture(scope="module")
def shop() -> Iterator[Shop]:
    with running_shop("loc") as made, http_app(made.ns["c"], 8080, "c"):
        for name in ALL:
            put(made, Traffic(), name)
            assert comes_to(made, name), "each of them is reached before anything is counted"
        yield made


def put(shop: Shop, traffic: Traffic, *servers: str) -> None:
    where = dict(zip(ALL, NODES, strict=True))
    members = [
        msgspec.structs.replace(endpoint(shop.pod(name, version=name), http=8080), node=NodeName(where[name]))
        for name in servers
    ]
    policy = msgspec.structs.replace(SUBSETS, traffic=traffic)
    view = shop.view(policy=policy, members=endpoints("web", *members))
    shop.lab.apply(msgspec.structs.replace(view, node=NODES["n1"], nodes=NODES))


def apps(shop: Shop, times: int = 20, path: str = "/") -> collections.Counter[str]:
    return collections.Counter(shop.get(path)[1] for _ in range(times))


def comes_to(shop: Shop, name: str, path: str = "/", seconds: float = 40.0) -> bool:
    """Whether every one of some requests is answered well by this server, sooner or later."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError):  # on a busy machine one may take longer than its client waits
            if {shop.get(path) for _ in range(8)} == {(200, name)}:
                return True
    return False


def test_each_turn_follows_when_the_one_before_it_fails(shop: Shop) -> None:
    put(shop, Traffic(lb=LoadBalancer.ROUND_ROBIN, outlier=WATCH), *ALL)
    assert apps(shop) == {"v1": 20}, "the same zone"
    assert comes_to(shop, "v2", "/fail-v1"), "the same region"
    assert apps(shop) == {"v2": 20}
    assert comes_to(shop, "c", "/fail-v2"), "another region"
    assert apps(shop) == {"c": 20}


def test_requests_come_back_to_the_nearest_endpoint(shop: Shop) -> None:
    watch = msgspec.structs.replace(WATCH, ejection_ms=2000)
    put(shop, Traffic(lb=LoadBalancer.RANDOM, outlier=watch), *ALL)
    assert comes_to(shop, "v2", "/fail-v1")
    assert comes_to(shop, "v1")


def test_the_next_turn_follows_when_the_nearest_endpoint_is_gone(shop: Shop) -> None:
    put(shop, Traffic(outlier=WATCH, connect_timeout_ms=900), "v2", "c")
    assert apps(shop) == {"v2": 20}
    put(shop, Traffic(outlier=WATCH, connect_timeout_ms=900), *ALL)
    assert apps(shop) == {"v1": 20}


def test_without_outlier_detection_all_are_alike(shop: Shop) -> None:
    put(shop, Traffic(lb=LoadBalancer.ROUND_ROBIN, locality=LocalityBalancing()), *ALL)
    assert apps(shop, 30).keys() == set(ALL)
    put(shop, Traffic(lb=LoadBalancer.ROUND_ROBIN, outlier=WATCH, locality=LocalityBalancing(enabled=False)), *ALL)
    assert apps(shop, 30).keys() == set(ALL)


def test_labels_come_before_places_where_a_rule_prefers_them(shop: Shop) -> None:
    near = LocalityBalancing(preferences=(Preference(label="version", value="c"),))
    put(shop, Traffic(outlier=WATCH, locality=near), *ALL)
    assert apps(shop) == {"c": 20}


@pytest.mark.parametrize("lb", [LoadBalancer.LEAST_REQUEST, LoadBalancer.ROUND_ROBIN, LoadBalancer.RANDOM])
def test_portions_are_kept(shop: Shop, lb: LoadBalancer) -> None:
    portions = (Portion(to=locality_of("eu/west"), percent=75), Portion(to=US, percent=25))
    near = LocalityBalancing(distribute=(Distribution(clients=EU, portions=portions),))
    put(shop, Traffic(lb=lb, locality=near), *ALL)
    found = apps(shop, 200)
    assert found.keys() == {"v1", "c"}
    assert 110 <= found["v1"] <= 185, found


def test_the_portion_of_a_locality_that_is_gone_falls_to_the_others(shop: Shop) -> None:
    portions = (Portion(to=locality_of("eu/west"), percent=75), Portion(to=US, percent=25))
    near = LocalityBalancing(distribute=(Distribution(clients=EU, portions=portions),))
    put(shop, Traffic(outlier=WATCH, locality=near), *ALL)
    assert comes_to(shop, "c", "/fail-v1")
    put(shop, Traffic(locality=near), "v2")
    assert shop.get("/")[0] == 503, "v2 has no portion"
