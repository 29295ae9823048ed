"""Consul's objects under `tandem up`: the examples, their conditions, what is told, and real requests."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from e2e.lab import Lab, lab, until
from e2e.objects import Raw, account, container, idle, namespace, pod, service, web
from jwts import Issuer

pytestmark = pytest.mark.root

EXAMPLES = Path(__file__).parents[2] / "examples" / "consul"
ROUTES = [*yaml.safe_load_all((EXAMPLES / "routes.yaml").read_text())]
DEFAULTS = [*yaml.safe_load_all((EXAMPLES / "defaults.yaml").read_text())]
TOKENS = [*yaml.safe_load_all((EXAMPLES / "tokens.yaml").read_text())]
ISSUER = Issuer("https://issuer.example")
INTENTIONS = [*yaml.safe_load_all((EXAMPLES / "intentions.yaml").read_text())]


def version(name: str) -> Raw:
    made = pod("shop", f"web-{name}", web(name), labels={"app": "web"})
    made["metadata"]["annotations"] = {"consul.hashicorp.com/service-meta-version": name}
    return made


@pytest.fixture(scope="module")
def world() -> Iterator[Lab]:
    with lab() as made:
        made.tandem("up", "--detach", status=0)
        serve = container("sh", "-c", "mkdir -p /tmp/keys && exec python3 -m http.server -d /tmp/keys 8080", port=8080)
        made.apply(
            *namespace("shop", mesh=True),
            *namespace("legacy"),
            pod("legacy", "outsider", idle()),
            *(account("shop", name) for name in ("frontend", "client")),
            *(pod("shop", name, idle(), serviceAccountName=name) for name in ("frontend", "client")),
            version("v1"),
            version("v2"),
            pod("shop", "admin", web("admin")),
            pod("shop", "orders", web("orders")),
            *(service("shop", name) for name in ("web", "admin", "orders")),
            service("shop", "db", app="db", port=5432, tcp=True),
            pod("shop", "keys", serve),
            service("shop", "keys"),
            *ROUTES,
        )
        yield made


def ask(world: Lab, url: str, *options: str, who: str = "client") -> tuple[str, Any]:
    """The status, and what the application says."""
    ran = world.curl("shop", who, url, *options)
    body, _, code = ran.out.rpartition("\n")
    return code, (yaml.safe_load(body) or {}) if code == "200" else {}


def conditions(world: Lab, kind: str, name: str) -> dict[str, str]:
    found = world.get("shop", kind, name).get("status", {}).get("conditions", ())
    return {c["type"]: c["status"] for c in found}


def test_a_router_a_splitter_and_a_resolver_send_requests_where_they_say(world: Lab) -> None:
    for kind in ("servicerouter", "service-splitter", "serviceresolver"):
        assert conditions(world, kind, "web") == {"Accepted": "True", "Programmed": "True"}
    code, seen = ask(world, "http://web/admin/users")
    assert (code, seen["name"], seen["path"]) == ("200", "admin", "/users")
    assert {ask(world, "http://web/", "-H", "x-canary: 1")[1]["name"] for _ in range(3)} == {"v2"}
    ran = world.inside("shop", "client", "sh", "-c", "for i in $(seq 60); do curl -s -m 5 http://web/; done")
    names = Counter(yaml.safe_load(line)["name"] for line in ran.out.splitlines())
    assert names.total() == 60
    assert names["v1"] > names["v2"]
    told = world.tandem("explain", "shop/client", "shop/svc/web:80", "--path", "/admin/users", status=0).out
    assert "ServiceRouter shop/web spec.routes[0]" in told


def test_intentions_let_in_whom_they_name_and_say_who_denied(world: Lab) -> None:
    assert ask(world, "http://orders/")[0] == "200"
    world.apply(*INTENTIONS)
    until(lambda: ask(world, "http://orders/")[0], lambda code: code == "403", world.logs)
    assert ask(world, "http://orders/", who="frontend")[0] == "200"
    assert ask(world, "http://orders/admin", who="frontend")[0] == "403"
    assert ask(world, "http://orders/", "-X", "PUT", who="frontend")[0] == "403"
    told = world.tandem("explain", "shop/client", "shop/svc/orders:80").out
    assert "denied by ServiceIntentions shop/orders spec.sources" in told
    denied = until(
        lambda: world.tandem("flows", "--denied", "-o", "json", status=0).json()["flows"],
        lambda found: any(r["path"] == "spec.sources[0].permissions[0]" for f in found for r in f.get("rules", ())),
        world.logs,
    )
    assert {r["kind"] for flow in denied for r in flow["rules"]} == {"ServiceIntentions"}
    assert conditions(world, "serviceintentions", "orders") == {"Accepted": "True", "Programmed": "True"}


def test_a_permission_asks_for_a_token_whose_keys_are_fetched(world: Lab) -> None:
    operator, clerk = ISSUER.token(org={"role": "operator"}), ISSUER.token(org={"role": "clerk"})

    def code(token: str) -> str:
        return ask(world, "http://orders/admin", "-H", f"authorization: Bearer {token}", who="frontend")[0]

    world.tandem("apply", "-f", "-", stdin=yaml.safe_dump_all(TOKENS), status=0)
    until(lambda: conditions(world, "jwtprovider", "staff"), lambda c: c.get("Programmed") == "False", world.logs)
    assert code(operator) == "403"
    until(lambda: ask(world, "http://orders/", who="frontend")[0], lambda c: c == "200", world.logs)
    script = f"cat > /tmp/keys/jwks.json <<'E'\n{ISSUER.jwks}\nE"
    assert world.inside("shop", "keys", "sh", "-c", script).status == 0
    until(lambda: code(operator), lambda c: c == "200", world.logs)
    until(lambda: conditions(world, "jwtprovider", "staff"), lambda c: c.get("Programmed") == "True", world.logs)
    assert [code(text) for text in (clerk, Issuer(ISSUER.name).token(org={"role": "operator"}), "no")] == ["403"] * 3
    asked = ("explain", "shop/frontend", "shop/svc/orders:80", "--path", "/admin", "--header")
    allowed = world.tandem(*asked, f"authorization=Bearer {operator}")
    assert (allowed.status, "spec.sources[0].permissions[0]" in allowed.out) == (0, True), allowed.text
    refused = world.tandem(*asked, f"authorization=Bearer {clerk}")
    assert (refused.status, "spec.sources[0].permissions[1]" in refused.out) == (1, True), refused.text


def test_defaults_say_what_a_service_takes(world: Lab) -> None:
    plain = world.get("shop", "service", "admin")["spec"]
    silent = service("shop", "admin")
    silent["spec"]["ports"] = [{"name": "main", "port": 80, "targetPort": 8080}]
    assert plain["ports"][0]["appProtocol"] == "http"

    def outside() -> str:
        return world.curl("legacy", "outsider", "http://admin.shop/").out[-3:]

    assert outside() == "200"
    world.apply(silent, *DEFAULTS)
    until(outside, lambda code: code == "000", world.logs)
    until(lambda: ask(world, "http://admin/slow/3")[0], lambda code: code == "504", world.logs)
    assert ask(world, "http://admin/quick")[0] == "200"
    ran = world.inside(
        "shop",
        "client",
        *("sh", "-c", "for i in $(seq 30); do curl -s -o /dev/null -w '%{http_code}\\n' http://admin/reports; done"),
    )
    assert "429" in ran.out.split()
    told = world.tandem("explain", "shop/client", "shop/svc/admin:80", "--path", "/reports/1", status=0).out
    assert "ServiceDefaults shop/admin spec.rateLimits.instanceLevel.routes[0]" in told
    assert conditions(world, "servicedefaults", "admin") == {"Accepted": "True", "Programmed": "True"}
    told = world.tandem("explain", "legacy/outsider", "shop/svc/admin:80").out
    assert "denied by ServiceDefaults shop/admin spec.mutualTLSMode" in told


def test_calls_of_one_service_have_limits_of_their_own(world: Lab) -> None:
    """Of frontend one request at a time, while it is said so; explain tells frontend, and nobody else."""
    world.apply(service("shop", "frontend"), *yaml.safe_load_all((EXAMPLES / "calls.yaml").read_text()))
    until(world.settles, bool)
    many = "for i in $(seq 12); do curl -s -o /dev/null -m 5 -w '%{http_code} ' http://orders/slow/0.4 & done; wait"

    def codes(who: str) -> Counter[str]:
        return Counter(world.inside("shop", who, "sh", "-c", many).out.split())

    found = until(lambda: codes("frontend"), lambda seen: seen["503"], world.logs)
    assert found["200"] >= 1
    told = (
        "calls of Service shop/frontend, of all its pods of a node together: 500 ms to connect, at most 1 connections"
    )
    for who, wanted in (("frontend", True), ("client", False)):
        text = world.tandem("explain", f"shop/{who}", "shop/svc/orders:80").text
        assert (told in text) is wanted
    world.delete("servicedefaults", "frontend", "-n", "shop")
    until(lambda: codes("frontend"), lambda seen: seen == {"200": 12}, world.logs)


def test_another_service_stands_in_for_one_that_is_gone(world: Lab) -> None:
    spec = {"failover": {"*": {"service": "web", "serviceSubset": "v2"}}}
    meta = {"name": "admin", "namespace": "shop"}
    raw = {"apiVersion": "consul.hashicorp.com/v1alpha1", "kind": "ServiceResolver", "metadata": meta, "spec": spec}
    world.apply(raw)
    assert ask(world, "http://admin/")[1]["name"] == "admin"
    world.delete("pod", "admin", "-n", "shop")
    until(lambda: ask(world, "http://admin/")[1].get("name"), lambda name: name == "v2", world.logs)
    told = world.tandem("explain", "shop/client", "shop/svc/admin:80", status=0).out
    assert "or else to Service shop/web" in told


def test_what_is_not_served_is_refused_by_name(world: Lab) -> None:
    meta = {"name": "global", "namespace": "shop"}
    raw = {"apiVersion": "consul.hashicorp.com/v1alpha1", "kind": "ProxyDefaults", "metadata": meta, "spec": {}}
    ran = world.tandem("apply", "-f", "-", stdin=yaml.safe_dump(raw))
    assert ran.status == 1
    assert "ProxyDefaults is not served" in ran.text
