"""Linkerd's policy objects from the manifests of the page to requests in the shop."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from e2e.lab import Lab, lab, until

pytestmark = pytest.mark.root

POLICY = "policy.linkerd.io"
ROUTE = "LinkerdHTTPRoute/orders-read/rules[0].matches[0]"
NOTES = {"retry.linkerd.io/http": "5xx", "retry.linkerd.io/limit": "9", "timeout.linkerd.io/what": "1s"}


@pytest.fixture(scope="module")
def world() -> Iterator[Lab]:
    with lab() as made:
        made.tandem("up", "-f", "examples/shop", "--detach", status=0)
        made.tandem("apply", "-f", "examples/linkerd/orders.yaml", "--wait", "20", status=0)
        made.settled()
        yield made


def code(world: Lab, pod: str, *options: str) -> str:
    return world.curl("shop", pod, "http://orders/", "-o", "/dev/null", *options).out.strip()


def frontend(world: Lab) -> str:
    pods = world.get("shop", "pods")["items"]
    names: list[str] = [p["metadata"]["name"] for p in pods]
    return next(name for name in names if name.startswith("frontend-"))


def flows(world: Lab, verdict: str, source: str = "client", path: str = "/") -> list[Any]:
    found = world.tandem("flows", "-o", "json", status=0).json()["flows"]
    at_orders = [f for f in found if f["reporter"] == "destination" and f["destination"]["pod"].startswith("orders")]
    asked = [f for f in at_orders if f.get("http", {}).get("path") == path]
    return [f for f in asked if f["verdict"] == verdict and f["source"]["pod"].startswith(source)]


def test_who_is_authorized_passes_and_the_probe_with_him(world: Lab) -> None:
    assert [code(world, frontend(world)), code(world, frontend(world), "-X", "DELETE"), code(world, "client")] == [
        "200",
        "403",
        "403",
    ]
    ready = [c["ready"] for p in world.get("shop", "pods")["items"] for c in p["status"]["containerStatuses"]]
    assert all(ready)


def test_a_denial_names_the_server_and_the_route_in_flows_and_explanations(world: Lab) -> None:
    code(world, "client")
    (denied, *_) = until(lambda: flows(world, "denied"), bool, world.logs)
    assert denied["reason"] == "nobody of the kind is authorized at the Server"
    (rule,) = denied["rules"]
    assert (rule["kind"], rule["name"], rule["path"]) == ("Server", "orders", ROUTE)
    told = world.tandem("explain", "shop/client", "shop/svc/orders:80")
    assert (told.status, f"denied by Server shop/orders {ROUTE}" in told.out) == (1, True), told.text
    told = world.tandem("explain", f"shop/{frontend(world)}", "shop/svc/orders:80")
    assert (told.status, "AuthorizationPolicy shop/orders-read" in told.out) == (0, True), told.text
    told = world.tandem("explain", f"shop/{frontend(world)}", "shop/svc/orders:80", "--method", "POST")
    assert "none of them is about this request" in told.out, told.text


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        (f"servers.{POLICY}", "orders"),
        (f"authorizationpolicies.{POLICY}", "orders-read"),
        (f"meshtlsauthentications.{POLICY}", "frontend"),
        (f"networkauthentications.{POLICY}", "anywhere"),
    ],
)
def test_every_object_says_that_it_is_in_force(world: Lab, kind: str, name: str) -> None:
    conditions = world.get("shop", kind, name)["status"]["conditions"]
    assert {c["type"]: (c["status"], c["message"]) for c in conditions} == {
        "Accepted": ("True", ""),
        "Programmed": ("True", ""),
    }


def test_a_route_says_so_of_its_server(world: Lab) -> None:
    (parent,) = world.get("shop", f"httproutes.{POLICY}", "orders-read")["status"]["parents"]
    assert (parent["parentRef"]["kind"], {c["type"]: c["status"] for c in parent["conditions"]}) == (
        "Server",
        {"Accepted": "True", "ResolvedRefs": "True", "Programmed": "True"},
    )


def test_a_client_with_a_limit_of_its_own_is_refused_beyond_it(world: Lab) -> None:
    world.tandem("apply", "-f", "examples/linkerd/limits.yaml", "--wait", "20", status=0)
    many = ["http://orders/counted"] * 20
    script = f"curl -s -o /dev/null -w '%{{http_code}} ' {' '.join(many)}"
    out = until(lambda: world.inside("shop", frontend(world), "sh", "-c", script).out, lambda o: "429" in o, world.logs)
    assert "200" in out
    found = until(lambda: flows(world, "denied", "frontend", "/counted"), bool, world.logs)
    assert {(f["rules"][0]["kind"], f["rules"][0]["path"]) for f in found} == {
        ("HTTPLocalRateLimitPolicy", "spec.overrides[0]")
    }
    told = world.tandem("explain", f"shop/{frontend(world)}", "shop/svc/orders:80")
    assert "1 in each second, of the clients that are named" in told.out, told.text
    world.tandem("delete", "-f", "examples/linkerd/limits.yaml", status=0)


def test_a_profile_divides_and_its_routes_are_in_force(world: Lab) -> None:
    world.tandem("apply", "-f", "examples/linkerd/profile.yaml", "--wait", "20", status=0)
    script = "for i in $(seq 60); do curl -s -o /dev/null -w '%{http_code} ' http://orders/divided; done"
    answers = world.inside("shop", "client", "sh", "-c", script).out.split()
    # The client may not use orders, and my-service is open to it: the answer says where a request went.
    assert 5 <= answers.count("200") <= 40, answers
    assert answers.count("200") + answers.count("403") == 60
    told = world.tandem("explain", "shop/client", "shop/svc/orders:80")
    assert "route reads matches" in told.out, told.text
    assert "denied for 2 of " in told.out, told.text
    told = world.tandem("explain", "shop/client", "shop/svc/orders:80", "--path", "/call/x")
    assert "route reads does not match" in told.out, told.text
    world.tandem("delete", "-f", "examples/linkerd/profile.yaml", status=0)


def test_an_audit_lets_pass_and_tells(world: Lab) -> None:
    whole = world.get("shop", f"servers.{POLICY}", "orders")
    world.apply({**whole, "spec": whole["spec"] | {"accessPolicy": "audit"}})
    until(lambda: code(world, "client"), lambda c: c == "200", world.logs)
    (told, *_) = until(lambda: flows(world, "staged"), bool, world.logs)
    assert told["reason"] == "it is let in for an audit: nobody of the kind is authorized"
    assert [r["name"] for r in told["rules"]] == ["orders"]
    assert code(world, "client", "-X", "DELETE") == "403"


def test_a_mistake_is_refused_with_file_line_and_path(world: Lab) -> None:
    spec = "spec: {podSelector: {}, port: 80, accessPolicy: allow, prot: 1}"
    manifest = f"apiVersion: {POLICY}/v1beta3\nkind: Server\nmetadata: {{name: x}}\n{spec}\n"
    broken = world.tandem("apply", "-f", "-", stdin=manifest)
    assert broken.status != 0
    assert "spec.accessPolicy" in broken.text
    assert "spec.prot: unknown field" in broken.text


def test_annotations_of_a_service_count_and_are_told(world: Lab) -> None:
    def answered() -> set[str]:
        asked = "for i in $(seq 12); do curl -s -m 5 -o /dev/null -w '%{http_code} ' http://orders/fail/2; done"
        return set(world.inside("shop", frontend(world), "sh", "-c", asked).out.split())

    assert "503" in answered()
    raw = world.get("shop", "services", "orders")
    raw["metadata"] = {"name": "orders", "namespace": "shop", "annotations": NOTES}
    world.apply({key: value for key, value in raw.items() if key != "status"})
    until(answered, lambda found: found == {"200"}, world.logs)
    told = world.tandem("explain", f"shop/{frontend(world)}", "shop/svc/orders:80", status=0).out
    assert all(f"{name}: {text}" in told for name, text in NOTES.items())
    (problem,) = world.status()["problems"]
    assert problem["text"].startswith("nothing is made of it here"), problem
