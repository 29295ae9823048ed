"""Policies attached under `tandem up`: the examples of rate limits and faults, their conditions, and what is told."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml

from e2e.lab import Lab, lab, until
from e2e.objects import account, idle, namespace, pod, service, web

pytestmark = pytest.mark.root

EXAMPLES = Path(__file__).parents[2] / "examples"
EXAMPLE, FAULTS = EXAMPLES / "limits" / "orders.yaml", EXAMPLES / "faults" / "outside.yaml"
STANDARD = EXAMPLES / "traffic" / "xbackendtrafficpolicy-orders.yaml"
COUNTER, TRAFFIC = EXAMPLES / "limits" / "counter.yaml", EXAMPLES / "traffic" / "trafficpolicy-orders.yaml"


@pytest.fixture(scope="module")
def world() -> Iterator[Lab]:
    with lab() as found:
        found.tandem("up", "--detach", status=0)
        found.apply(
            *namespace("shop", mesh=True),
            *namespace("tools", mesh=True),
            account("shop", "orders"),
            account("shop", "caller"),
            account("tools", "caller"),
            pod("shop", "orders", web("orders"), serviceAccountName="orders"),
            pod("shop", "caller", idle(), serviceAccountName="caller"),
            pod("tools", "caller", idle(), serviceAccountName="caller"),
            service("shop", "orders"),
        )
        found.settled()
        found.apply(*yaml.safe_load_all(EXAMPLE.read_text()))
        until(lambda: ancestor(found).get("Programmed"), lambda status: status == "True", found.logs)
        yield found


def ancestor(world: Lab, name: str = "orders") -> dict[str, str]:
    """The conditions at the one target of an example."""
    found = world.get("shop", "ratelimit", name).get("status", {}).get("ancestors", [])
    return {c["type"]: c["status"] for one in found for c in one["conditions"]}


def codes(world: Lab, namespace: str, number: int, *options: str, path: str = "/") -> list[str]:
    """Of so many requests one after the other over one connection."""
    urls = [f"http://orders.shop{path}?{i}" for i in range(number)]
    out = [part for _ in urls for part in ("-o", "/dev/null")]
    ran = world.inside(namespace, "caller", "curl", "-sS", "-w", "%{http_code} ", *options, *out, *urls)
    return ran.out.split()


GATEWAY_API = "gateway.networking.k8s.io"
SECOND = pod("shop", "orders-2", web("orders-2"), labels={"app": "orders"}, serviceAccountName="orders")


def edge(world: Lab, *more: dict[str, Any]) -> str:
    """A gateway before orders; its address."""
    listeners = [{"name": "http", "port": 80, "protocol": "HTTP"}]
    to = [{"backendRefs": [{"name": "orders", "port": 80}]}]
    world.apply(
        made(f"{GATEWAY_API}/v1", "Gateway", "edge", gatewayClassName="tandem", listeners=listeners),
        made(f"{GATEWAY_API}/v1", "HTTPRoute", "outside", parentRefs=[{"name": "edge"}], rules=to),
        *more,
    )
    (address,) = (a["value"] for a in world.get("shop", "gateway", "edge")["status"]["addresses"])
    return str(address)


def made(api: str, kind: str, name: str, **spec: Any) -> dict[str, Any]:
    return {"apiVersion": api, "kind": kind, "metadata": {"name": name, "namespace": "shop"}, "spec": spec}


def flows(world: Lab, *options: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = world.tandem("flows", *options, "--last", "100", "-o", "json", status=0).json()[
        "flows"
    ]
    return found


def test_each_namespace_has_its_own_bucket_and_flows_name_the_limit(world: Lab) -> None:
    assert ancestor(world) == {"Accepted": "True", "Programmed": "True"}
    assert codes(world, "shop", 7) == ["200"] * 5 + ["429"] * 2
    assert codes(world, "tools", 7) == ["200"] * 5 + ["429"] * 2
    denied = until(lambda: flows(world, "--denied"), lambda found: len(found) >= 4, world.logs)
    rules = {(r["kind"], r["namespace"], r["name"], r["path"]) for flow in denied for r in flow["rules"]}
    assert rules == {("RateLimit", "shop", "orders", "spec.limits[0]")}
    assert {flow["source"]["namespace"] for flow in denied if "namespace" in flow["source"]} == {"shop", "tools"}


def test_explain_names_what_counts_a_request(world: Lab) -> None:
    text = world.tandem("explain", "shop/caller", "shop/svc/orders:80", "--path", "/items", status=0).text
    assert "rate limit: is counted" in text
    assert "RateLimit shop/orders spec.limits[0]" in text
    assert "rate limit: would be counted" in text


def test_a_change_counts_on_connections_that_are_open(world: Lab) -> None:
    """Without the limit everything passes again; what is staged refuses nothing, and is told."""
    world.delete("ratelimit", "orders", "-n", "shop")
    until(lambda: codes(world, "shop", 1), lambda found: found == ["200"], world.logs)
    assert codes(world, "shop", 4, "-H", "x-user: ann", path="/items") == ["200"] * 4
    staged = until(lambda: flows(world, "--staged"), lambda found: len(found) >= 2, world.logs)
    assert {rule["name"] for flow in staged for rule in flow["rules"]} == {"orders-of-users"}


def test_the_agent_counts_what_was_refused(world: Lab) -> None:
    sock = "/run/tandem/nodes/node-1/metrics.sock"
    text = world.run("curl", "-s", "--unix-socket", sock, "http://node/metrics", status=0).out
    lines = [line for line in text.splitlines() if line.startswith("tandem_rate_limited_requests_total")]
    assert any('name="orders"' in line and 'verdict="denied"' in line and line.endswith(" 4.0") for line in lines)


def test_what_others_write_into_envoy_is_refused_with_what_there_is_instead(world: Lab) -> None:
    raw = {"apiVersion": "networking.istio.io/v1alpha3", "kind": "EnvoyFilter", "metadata": {"name": "x"}}
    ran = world.tandem("apply", "-f", "-", stdin=yaml.safe_dump(raw))
    assert ran.status != 0
    assert "tandem.io/v1 RateLimit" in ran.err


def test_trouble_on_purpose_is_made_at_a_route_and_ends_with_its_policy(world: Lab) -> None:
    group, home = "gateway.networking.k8s.io", {"name": "outside", "namespace": "shop"}
    parent = {"group": "", "kind": "Service", "name": "orders"}
    spec = {"parentRefs": [parent], "rules": [{"backendRefs": [{"name": "orders", "port": 80}]}]}
    world.apply({"apiVersion": f"{group}/v1", "kind": "HTTPRoute", "metadata": home, "spec": spec})
    world.apply(*yaml.safe_load_all(FAULTS.read_text()))
    until(lambda: codes(world, "shop", 1, path="/trouble"), lambda found: found == ["503"], world.logs)
    (told,) = world.get("shop", "faultinjection", "outside")["status"]["ancestors"]
    assert {c["type"]: c["status"] for c in told["conditions"]} == {"Accepted": "True", "Programmed": "True"}

    def named() -> set[str]:
        mine = [f for f in flows(world) if (f.get("http") or {}).get("path", "").startswith("/trouble")]
        return {rule["name"] for flow in mine for rule in flow.get("rules", ()) if rule["kind"] == "FaultInjection"}

    assert until(named, bool, world.logs) == {"outside"}
    world.delete("faultinjection", "outside", "-n", "shop")
    until(lambda: codes(world, "shop", 1, path="/trouble"), lambda found: found == ["200"], world.logs)


def test_a_gateway_counts_what_comes_in_and_makes_trouble_too(world: Lab) -> None:
    few = [{"requests": 3, "unit": "Hour"}]
    target = {"group": GATEWAY_API, "kind": "Gateway", "name": "edge", "sectionName": "http"}
    address = edge(world, made("tandem.io/v1", "RateLimit", "edge", targetRefs=[target], limits=few))

    def status(path: str) -> str:
        url = f"http://{address}{path}"
        return world.run("curl", "-s", "-m", "5", "-o", "/dev/null", "-w", "%{http_code}", url).out

    assert [status("/in") for _ in range(5)] == ["200"] * 3 + ["429"] * 2
    denied = until(lambda: flows(world, "--denied"), lambda found: any(_by(f, "edge") for f in found), world.logs)
    assert {f["source"].get("pod", "") for f in denied if _by(f, "edge")} == {""}, "they come from outside"
    world.delete("ratelimit", "edge", "-n", "shop")
    world.apply(*yaml.safe_load_all(FAULTS.read_text()))
    until(lambda: status("/in"), lambda found: found == "503", world.logs)
    world.delete("faultinjection", "outside", "-n", "shop")
    until(lambda: status("/in"), lambda found: found == "200", world.logs)


def _by(flow: dict[str, Any], name: str) -> bool:
    return any((rule["kind"], rule["name"]) == ("RateLimit", name) for rule in flow.get("rules", ()))


def test_counters_of_the_example_count_for_all_pods_together(world: Lab) -> None:
    """Two pods of orders, two counters, one Redis that only the counters reach; a counter that ends loses nothing."""
    program = str(Path(sys.prefix) / "bin" / "tandem-counter")
    world.delete("ratelimit", "orders-of-users", "-n", "shop")
    world.apply(*yaml.safe_load_all(COUNTER.read_text().replace("/usr/local/bin/tandem-counter", program)), SECOND)
    world.settled()

    until(lambda: ancestor(world, "orders-of-all").get("Programmed"), lambda status: status == "True", world.logs)
    assert sorted(codes(world, "shop", 10)) == ["200"] * 7 + ["429"] * 3
    assert codes(world, "tools", 1) == ["200"]
    for one in world.get("limits", "pods", "-l", "app=counter")["items"]:
        world.delete("pod", one["metadata"]["name"], "-n", "limits")
    until(lambda: codes(world, "shop", 1), lambda found: found == ["429"], world.logs)
    denied = until(lambda: flows(world, "--denied"), lambda found: any(_by(f, "orders-of-all") for f in found))
    assert 429 in {f["http"]["code"] for f in denied if _by(f, "orders-of-all")}
    reached = world.inside("shop", "caller", "redis-cli", "-h", "store.limits", "-t", "2", "ping")
    assert "PONG" not in reached.out + reached.err


@pytest.mark.parametrize(
    ("example", "kind", "name"),
    [(TRAFFIC, "trafficpolicy", "cart"), (STANDARD, "xbackendtrafficpolicy", "basket")],
    ids=["TrafficPolicy", "XBackendTrafficPolicy"],
)
def test_sessions_of_a_service_hold_for_callers_inside_and_outside(
    world: Lab, example: Path, kind: str, name: str
) -> None:
    """Without its cookie requests go round; with it they stay. The route at the gateway says nothing of sessions."""
    for limit in ("orders", "orders-of-users", "orders-of-all"):
        world.delete("ratelimit", limit, "-n", "shop", "--ignore-not-found")
    address = edge(world, SECOND, *yaml.safe_load_all(example.read_text()))
    world.settled()
    curl = ("curl", "-s", "-m", "5", "-i")

    def inside(*options: str) -> str:
        return world.inside("shop", "caller", *curl, *options, "http://orders/").out

    def outside(*options: str) -> str:
        return world.run(*curl, *options, f"http://{address}/in").out

    def answered(text: str) -> str:
        found = re.search(r'"name": "([^"]*)"', text)
        return found[1] if found else text

    def eight(ask: Callable[[], str]) -> set[str]:
        return {answered(ask()) for _ in range(8)}

    for ask in (inside, outside):
        given = until(ask, lambda text: f"set-cookie: {name}=" in text, world.logs)
        cookie = re.search(rf"set-cookie: ({name}=[^;\s]*)", given)
        assert cookie is not None
        until(partial(eight, ask), lambda seen: seen == {"orders", "orders-2"}, world.logs)
        assert {answered(ask("-b", cookie[1])) for _ in range(6)} == {answered(given)}
    (told,) = world.get("shop", kind, "orders")["status"]["ancestors"]
    assert {c["type"]: c["status"] for c in told["conditions"]} == {"Accepted": "True", "Programmed": "True"}
    told_by = world.tandem("explain", "shop/caller", "shop/svc/orders:80", status=0).text
    assert f"requests with the cookie {name} stay" in told_by
    world.delete(kind, "orders", "-n", "shop")
