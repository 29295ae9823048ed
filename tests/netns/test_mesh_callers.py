"""DestinationRules for some callers alone, with real requests through a real Envoy: others notice nothing of them."""

from __future__ import annotations

import collections
import concurrent.futures
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from builders import service as k8s_service
from meshbuild import strict
from meshworlds import dr, vs
from netns.meshapps import get
from netns.shoplab import WEB, Shop, running_shop
from tandem.ir.mesh import MeshIR
from tandem.model.istio import DestinationRule, VirtualService
from tandem.model.world import World
from tandem.translate.mesh import translate_mesh
from tandem.translate.options import Options

pytestmark = pytest.mark.root

HOST = "web.shop.svc.cluster.local"
SERVICE = k8s_service("web", ns="shop", ip=WEB, ports=[{"name": "http", "port": 80, "targetPort": 8080}])
GUESTS = {"matchLabels": {"role": "guest"}}


@pytest.fixture(scope="module")
def shop() -> Iterator[Shop]:
    with running_shop("dc") as made:
        yield made


def versions(**names: str) -> list[dict[str, Any]]:
    """Subsets by name, of the endpoints of a version."""
    return [{"name": name, "labels": {"version": version}} for name, version in names.items()]


def mesh(*objects: DestinationRule | VirtualService) -> MeshIR:
    made, problems = translate_mesh(World.of([SERVICE, *objects]), Options())
    assert problems == ()
    return made


def apply(shop: Shop, *objects: DestinationRule | VirtualService, home: str = "bank", **fields: Any) -> None:
    """The rules in force; pod c is of namespace `home`, a of the Service's own. `fields`: of all pods."""
    made, view = mesh(*objects), shop.view("v1", "v2")
    pods = []
    for found in view.pods:
        moved = {"namespace": home} if found.pod.name == "c" else {}
        pods.append(msgspec.structs.replace(found, pod=msgspec.structs.replace(found.pod, **moved, **fields)))
    shop.lab.apply(msgspec.structs.replace(view, pods=tuple(pods), policies=made.policies, tables=made.tables))


def answers(shop: Shop, who: str, times: int = 6, **headers: str) -> collections.Counter[tuple[int, str]]:
    return collections.Counter(shop.get("/", who, **headers) for _ in range(times))


def to_v1() -> VirtualService:
    return vs(ns="shop", hosts=["web"], http=[{"route": [{"destination": {"host": "web", "subset": "v1"}}]}])


def test_a_subset_is_that_of_the_caller_s_rule(shop: Shop) -> None:
    """The same route, to the same name: for callers in bank it is another version."""
    every = dr("every", ns="shop", host="web", subsets=versions(v1="v1"))
    apply(shop, to_v1(), every, dr("bank", ns="bank", host=HOST, subsets=versions(v1="v2")))
    assert answers(shop, "a") == {(200, "v1"): 6}
    assert answers(shop, "c") == {(200, "v2"): 6}
    apply(shop, to_v1(), every)
    assert answers(shop, "c") == {(200, "v1"): 6}


def test_a_subset_that_a_caller_s_rule_does_not_define_is_not_there_for_it(shop: Shop) -> None:
    every = dr("every", ns="shop", host="web", subsets=versions(v1="v1"))
    apply(shop, to_v1(), every, dr("bank", ns="bank", host=HOST))
    assert answers(shop, "a", 2) == {(200, "v1"): 2}
    assert answers(shop, "c", 2) == {(503, ""): 2}


def test_a_rule_of_some_pods_holds_for_those_with_the_labels(shop: Shop) -> None:
    """c is a guest; a, of the same namespace here, is none."""
    every = dr("every", ns="shop", host="web", subsets=versions(v1="v1"))
    few = dr("few", ns="shop", host="web", workloadSelector=GUESTS, subsets=versions(v1="v2"))
    apply(shop, to_v1(), every, few, home="shop")
    assert answers(shop, "a") == {(200, "v1"): 6}
    assert answers(shop, "c") == {(200, "v2"): 6}


def test_what_is_exported_to_a_namespace_is_for_its_callers_alone(shop: Shop) -> None:
    sticky = {"loadBalancer": {"consistentHash": {"httpHeaderName": "x-user"}}}
    apply(shop, dr("some", ns="shop", host="web", exportTo=["bank"], trafficPolicy=sticky))
    chosen = [answers(shop, "c", 4, x_user=str(user)) for user in range(12)]
    assert all(len(seen) == 1 for seen in chosen)
    assert len({next(iter(seen)) for seen in chosen}) == 2
    assert any(len(answers(shop, "a", 8, x_user=str(user))) == 2 for user in range(4))


def test_limits_of_a_caller_s_rule_bind_nobody_else(shop: Shop) -> None:
    """One request at a time for c; a has as many as it likes, at the same time."""
    few = {"tcp": {"maxConnections": 1}, "http": {"http1MaxPendingRequests": 1, "http2MaxRequests": 1}}
    apply(shop, dr("bank", ns="bank", host=HOST, trafficPolicy={"connectionPool": few}))
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        asked = {who: [pool.submit(get, shop.ns[who], WEB, 80, "/slow") for _ in range(8)] for who in ("a", "c")}
        found = {who: collections.Counter(one.result()[0] for one in many) for who, many in asked.items()}
    assert found["a"] == {200: 8}
    assert found["c"][200] >= 1
    assert found["c"][503] >= 2


def test_tls_of_a_caller_s_rule_is_its_own(shop: Shop) -> None:
    """The endpoints are of the mesh: who insists on plain text says it for itself."""
    plain = dr("bank", ns="bank", host=HOST, trafficPolicy={"tls": {"mode": "DISABLE"}})
    apply(shop, plain, mtls=strict(0))
    assert [shop.get("/", who)[0] for who in ("a", "c")] == [200, 503]
    apply(shop, plain)
    assert [shop.get("/", who)[0] for who in ("a", "c")] == [200, 200]
