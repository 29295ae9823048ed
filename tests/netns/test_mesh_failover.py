"""Places that stand in for a Service without endpoints, with real requests through a real Envoy."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import pytest

from e2e.lab import until
from gatewaybuild import gateway, hosts, listener, port, route
from meshbuild import RULE, attached, endpoint, endpoints, service, view
from netns.meshapps import Client, get
from netns.shoplab import ADDRESSES, SUBSETS, WEB, Shop, running_shop
from tandem.ir.fabric import AppProtocol
from tandem.ir.node import AttachedPod, NodeView
from tandem.ir.traffic import Failover, Outlier, Place, Traffic, TrafficPolicy

pytestmark = pytest.mark.root

NODE = "10.244.0.1"
SPARE = service("spare", "10.96.1.9", ("http", 81, AppProtocol.HTTP))


@pytest.fixture(scope="module")
def shop() -> Iterator[Shop]:
    with running_shop("fo") as made:
        yield made


def spared(shop: Shop, *servers: str, traffic: Traffic | None = None, alone: bool = False) -> NodeView:
    """`web` has these servers, and `spare` v2, to which `web` fails over."""
    place = Place(namespace="shop", service="spare", port=81, alone=alone)
    back = (Failover(places=(Place(namespace="shop", service="web", port=80, alone=True),)),)
    policy = TrafficPolicy(
        namespace="shop",
        service="web",
        traffic=traffic or Traffic(),
        subsets=SUBSETS.subsets,
        failovers=(Failover(places=(place,)), Failover(subset="v1", places=(place,))),
        origin=RULE,
    )
    own = TrafficPolicy(namespace="shop", service="spare", failovers=back if alone else (), origin=RULE)
    ready = endpoints("spare", endpoint(shop.pod("v2", version="v2"), http=8080))
    return shop.view(*servers, spare=SPARE, ready=ready, policy=policy, own=own)


def test_another_service_stands_in_while_there_is_no_endpoint(shop: Shop) -> None:
    shop.lab.apply(spared(shop, "v1"))
    assert {shop.get("/") for _ in range(8)} == {(200, "v1")}
    with contextlib.closing(Client(shop.ns["a"], WEB, 80)) as client:
        assert client.get("/")[1]["app"] == "v1"
        shop.lab.apply(spared(shop))
        assert shop.get("/") == (200, "v2")
        assert client.get("/")[1]["app"] == "v2"
        shop.lab.apply(spared(shop, "v1"))
        assert shop.get("/") == (200, "v1")


def test_two_that_stand_in_for_each_other_end_there(shop: Shop) -> None:
    shop.lab.apply(spared(shop, "v1", alone=True))
    assert shop.get("/") == (200, "v1")
    shop.lab.apply(spared(shop, alone=True))
    assert shop.get("/") == (200, "v2")


def test_an_endpoint_that_fails_is_stood_in_for(shop: Shop) -> None:
    ejecting = Traffic(outlier=Outlier(errors=1, interval_ms=100, ejection_ms=60_000, most_percent=100))
    shop.lab.apply(spared(shop, "v1", traffic=ejecting))
    assert shop.get("/") == (200, "v1")
    assert shop.get("/fail-v1") == (500, "v1")
    assert until(lambda: shop.get("/"), lambda seen: seen == (200, "v2")) == (200, "v2")


def test_a_gateway_sends_to_what_stands_in(shop: Shop) -> None:
    made = gateway(port(listener("every", "*", hosts("*", route("all")))))
    v1, v2 = (attached(name, ADDRESSES[name], netns=str(shop.ns[name]), meshed=False) for name in ("v1", "v2"))

    def put(*servers: AttachedPod, alone: bool) -> None:
        place = Place(namespace="shop", service="spare", port=81, alone=alone)
        back = Place(namespace="shop", service="web", port=80, alone=True)
        policies = [
            TrafficPolicy(namespace="shop", service=name, failovers=(Failover(places=(to,)),), origin=RULE)
            for name, to in (("web", place), ("spare", back))[: 2 if alone else 1]
        ]
        web = service("web", WEB, ("http", 80, AppProtocol.HTTP))
        ready = endpoints("web", *(endpoint(pod, http=8080) for pod in servers))
        spare = endpoints("spare", endpoint(v2, http=8080))
        shop.lab.apply(view(web, ready, SPARE, spare, *policies, gateways={"edge/edge": made}))

    def asked() -> tuple[int, str]:
        status, seen = get(shop.ns["a"], NODE, 20080, "/")
        return status, seen.get("app", "")

    for alone in (False, True):
        put(v1, alone=alone)
        assert {asked() for _ in range(4)} == {(200, "v1")}
        put(alone=alone)
        assert {asked() for _ in range(4)} == {(200, "v2")}
