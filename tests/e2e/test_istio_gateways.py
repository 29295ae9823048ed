"""Istio's Gateways under `tandem up`: from a neighbour, with real clients, to pods in the mesh."""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest
import yaml

from certificates import Authority
from e2e.lab import Lab, Ran, lab, until
from e2e.objects import account, container, idle, namespace, pod, service, web

pytestmark = pytest.mark.root

API = "networking.istio.io/v1"
ROOT = "istio-system"
NODE, OUTSIDE = "198.51.100.1", "198.51.100.9"
CA, STRANGER = Authority("shop"), Authority("stranger")
HOSTS = ("shop.test", "admin.shop.test", "mutual.test", "either.test")
WHO = "spiffe://cluster.local/ns/istio-system/sa/istio-ingressgateway-service-account"


def made(kind: str, name: str, spec: Any, ns: str = "shop") -> dict[str, Any]:
    return {"apiVersion": API, "kind": kind, "metadata": {"name": name, "namespace": ns}, "spec": spec}


def secret(name: str, **data: bytes) -> dict[str, Any]:
    encoded = {field.replace("_", "."): base64.b64encode(value).decode() for field, value in data.items()}
    meta = {"name": name, "namespace": ROOT}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": meta, "data": encoded}


def server(number: int, protocol: str, hosts: list[str], **more: Any) -> dict[str, Any]:
    name = f"{protocol.lower()}-{number}-{hosts[0].replace('*', 'all')}"
    return {"port": {"number": number, "name": name, "protocol": protocol}, "hosts": hosts, **more}


def ended(mode: str, of: str = "shop-cert", **tls: Any) -> dict[str, Any]:
    return {"mode": mode, "credentialName": of, **tls}


CRT, KEY = CA.issue(*HOSTS)
ENDED, PASSED = CA.issue("ended.test"), CA.issue("a.passed.test")
GOOD, REVOKED = CA.issue("good.client.test"), CA.issue("revoked.client.test")
NAMELESS, FOREIGN = CA.issue("other.client.test"), STRANGER.issue("good.client.test")
SERVERS = [
    server(80, "HTTP", ["shop.test"], tls={"httpsRedirect": True}),
    server(80, "HTTP", ["open.test", "*.open.test"]),
    server(443, "HTTPS", ["shop/shop.test", "shop/admin.shop.test"], tls=ended("SIMPLE")),
    server(443, "HTTPS", ["mutual.test"], tls=ended("MUTUAL", "mutual", subjectAltNames=["good.client.test"])),
    server(443, "HTTPS", ["either.test"], tls=ended("OPTIONAL_MUTUAL", "mutual", minProtocolVersion="TLSV1_3")),
    server(443, "HTTPS", ["inner.test"], tls={"mode": "ISTIO_MUTUAL"}),
    server(443, "TLS", ["ended.test"], tls=ended("SIMPLE", "ended")),
    server(443, "TLS", ["*.passed.test"], tls={"mode": "PASSTHROUGH"}),
    server(9000, "TCP", ["*"]),
]
ALL = ["shop.test", "open.test", "*.open.test", "mutual.test", "either.test", "inner.test", "ended.test"]


def share(subset: str, weight: int) -> dict[str, Any]:
    return {"destination": {"host": "web", "subset": subset}, "weight": weight}


def canary(weight: int) -> dict[str, Any]:
    http = [
        {
            "match": [{"headers": {"x-version": {"exact": "v2"}}, "gateways": ["edge/shop"]}],
            "route": [{"destination": {"host": "web", "subset": "v2"}}],
        },
        {"route": [share("v1", 100 - weight), share("v2", weight)]},
    ]
    tcp = [{"route": [{"destination": {"host": "web", "subset": "v1"}}]}]
    return made("VirtualService", "web", {"hosts": ALL, "gateways": ["edge/shop"], "http": http, "tcp": tcp})


ADMIN = {
    "hosts": ["admin.shop.test"],
    "gateways": ["edge/shop", "mesh"],
    "http": [{"match": [{"uri": {"prefix": "/status"}}], "directResponse": {"status": 418}}],
}
OWN = {
    "hosts": ["*.passed.test"],
    "gateways": ["edge/shop"],
    "tls": [{"match": [{"sniHosts": ["a.passed.test"]}], "route": [{"destination": {"host": "own"}}]}],
}
"""To a Service that speaks TLS itself."""
RULE = {"host": "web", "subsets": [{"name": n, "labels": {"version": n}} for n in ("v1", "v2")]}


SERVE = "s_server -quiet -www -accept 8443 -cert /app/own.pem -key /app/own.pem"


def shop() -> list[dict[str, Any]]:
    """The namespace, whose pods find a certificate of their own in /app."""
    found = namespace("shop", mesh=True)
    for raw in found:
        if raw["kind"] == "ConfigMap":
            raw["data"]["own.pem"] = b"".join(PASSED).decode()
    return found


@pytest.fixture(scope="module")
def world() -> Iterator[Lab]:
    with lab() as found:
        found.add_machine("outside", "out0", at=f"{OUTSIDE}/24", ours=f"{NODE}/24")
        found.tandem("up", "--lb-pool", "198.51.100.64/28", "--detach", status=0)
        found.apply(
            *shop(),
            *namespace("edge"),
            *namespace(ROOT),
            account("shop", "web"),
            *(
                pod("shop", f"web-{v}", web(v), labels={"app": "web", "version": v}, serviceAccountName="web")
                for v in ("v1", "v2")
            ),
            pod("shop", "caller", idle()),
            service("shop", "web"),
            secret("shop-cert", tls_crt=CRT, tls_key=KEY),
            secret("ended", tls_crt=ENDED[0], tls_key=ENDED[1]),
            pod("shop", "own", container("openssl", *SERVE.split(), port=8443)),
            service("shop", "own", port=443, target=8443, tcp=True),
            made("VirtualService", "own", OWN),
            secret("mutual", cert=CRT, key=KEY),
            secret("mutual-cacert", cacert=CA.pem, crl=CA.revoke(REVOKED[0])),
            made("DestinationRule", "web", RULE),
            made("Gateway", "shop", {"selector": {"istio": "ingressgateway"}, "servers": SERVERS}, ns="edge"),
            made("VirtualService", "admin", ADMIN),
            canary(10),
        )
        for name, (crt, key) in {"good": GOOD, "revoked": REVOKED, "nameless": NAMELESS, "foreign": FOREIGN}.items():
            (found.root / f"tmp/{name}.pem").write_bytes(crt + key)
        (found.root / "tmp/ca.pem").write_bytes(CA.pem)
        until(lambda: conditions(found).get("Programmed"), lambda c: c == ("True", "Programmed"), found.logs)
        until(lambda: get(found, "open.test"), lambda r: r.out.endswith("200"), found.logs)
        yield found


def gateway(world: Lab) -> Any:
    return world.get("edge", "istiogateway", "shop")


def conditions(world: Lab, kind: str = "", name: str = "") -> dict[str, tuple[str, str]]:
    found = world.get("shop", kind, name) if kind else gateway(world)
    return {c["type"]: (c["status"], c["reason"]) for c in found.get("status", {}).get("conditions", [])}


@cache
def address(world: Lab) -> str:
    """It stays as it is."""
    (found,) = gateway(world)["status"]["addresses"]
    return str(found["value"])


def get(world: Lab, host: str, *more: str, scheme: str = "http", path: str = "/") -> Ran:
    """From the neighbour; the last line is the status."""
    at, port = address(world), "443" if scheme == "https" else "80"
    ask = ("curl", "-sS", "-m", "5", "--cacert", "/tmp/ca.pem", "--connect-to", f"{host}:{port}:{at}:{port}", *more)
    return world.run("ip", "netns", "exec", "outside", *ask, "-w", "\n%{http_code}", f"{scheme}://{host}{path}")


def shown(name: str) -> tuple[str, ...]:
    return "--cert", f"/tmp/{name}.pem"


def test_status_has_an_address_of_the_pool_and_says_that_it_is_in_force(world: Lab) -> None:
    assert address(world).startswith("198.51.100.")
    assert conditions(world) == {"Accepted": ("True", "Accepted"), "Programmed": ("True", "Programmed")}


def test_a_virtualservice_at_a_gateway_is_in_force(world: Lab) -> None:
    until(lambda: conditions(world, "vs", "web").get("Programmed"), lambda c: c == ("True", "Programmed"), world.logs)
    assert conditions(world, "vs", "web")["Accepted"] == ("True", "Accepted")


@pytest.mark.parametrize("host", ["open.test", "a.open.test", "a.b.open.test"])
def test_hosts_of_plain_text_reach_the_pods_with_mtls(world: Lab, host: str) -> None:
    ran = get(world, host)
    assert ran.out.endswith("200"), ran.text
    assert f'"peer": "{WHO}"' in ran.out


def test_a_host_that_nobody_named_is_not_served(world: Lab) -> None:
    assert get(world, "other.test").out.endswith("404")


def test_plain_requests_are_sent_to_https(world: Lab) -> None:
    ran = get(world, "shop.test", "-D", "-", "-o", "/dev/null", path="/a?b=c")
    assert ran.out.endswith("301")
    assert "location: https://shop.test/a?b=c" in ran.out, ran.text


def test_https_shows_the_certificate_and_reads_requests(world: Lab) -> None:
    ran = get(world, "shop.test", "--http2", scheme="https")
    assert ran.out.endswith("200"), ran.text
    assert get(world, "admin.shop.test", scheme="https", path="/status").out.endswith("418")


def test_what_no_route_of_a_host_matches_is_answered_with_404(world: Lab) -> None:
    assert get(world, "admin.shop.test", scheme="https", path="/").out.endswith("404")


@pytest.mark.parametrize(
    ("host", "client", "served"),
    [
        ("mutual.test", "good", True),
        ("mutual.test", "", False),
        ("mutual.test", "revoked", False),
        ("mutual.test", "nameless", False),
        ("mutual.test", "foreign", False),
        ("either.test", "good", True),
        ("either.test", "", True),
        ("either.test", "foreign", False),
    ],
)
def test_clients_are_judged_by_their_certificates(world: Lab, host: str, client: str, *, served: bool) -> None:
    ran = get(world, host, *(shown(client) if client else ()), scheme="https")
    assert ran.out.endswith("200") == served, ran.text


def test_the_least_version_of_tls_is_kept(world: Lab) -> None:
    assert not get(world, "either.test", "--tls-max", "1.2", scheme="https").out.endswith("200")
    assert get(world, "shop.test", "--tls-max", "1.2", scheme="https").out.endswith("200")


def test_a_header_chooses_the_subset(world: Lab) -> None:
    for _ in range(5):
        assert '"name": "v2"' in get(world, "open.test", "-H", "x-version: v2").out


def test_weights_of_a_virtualservice_divide_requests_at_the_gateway(world: Lab) -> None:
    def seen() -> Counter[str]:
        found: Counter[str] = Counter()
        for _ in range(20):
            out = get(world, "open.test").out
            found["v2" if '"name": "v2"' in out else "v1" if '"name": "v1"' in out else out] += 1
        return found

    assert set(seen()) <= {"v1", "v2"}
    world.apply(canary(100))
    until(lambda: set(seen()), lambda names: names == {"v2"}, world.logs)
    world.apply(canary(0))
    until(lambda: set(seen()), lambda names: names == {"v1"}, world.logs)


def test_connections_are_handed_on_as_they_are(world: Lab) -> None:
    ask = ("curl", "-sS", "-m", "5", f"http://{address(world)}:9000/bytes")
    ran = world.run("ip", "netns", "exec", "outside", *ask)
    assert '"name": "v1"' in ran.out, ran.text


def test_tls_that_ends_is_handed_on_as_bytes(world: Lab) -> None:
    ran = get(world, "ended.test", scheme="https")
    assert '"name": "v1"' in ran.out, ran.text


def test_tls_that_is_handed_on_is_answered_by_the_pod(world: Lab) -> None:
    ran = until(lambda: get(world, "a.passed.test", scheme="https"), lambda r: r.out.endswith("200"), world.logs)
    assert "s_server" in ran.out, ran.text
    assert not get(world, "b.passed.test", scheme="https").out.endswith("200")


def test_a_server_for_the_mesh_takes_no_client_from_outside(world: Lab) -> None:
    assert not get(world, "inner.test", "-k", *shown("good"), scheme="https").out.endswith("200")


def test_policies_that_select_the_gateway_are_judged_there(world: Lab) -> None:
    rules = [{"to": [{"operation": {"paths": ["/denied"]}}]}]
    spec = {"selector": {"matchLabels": {"istio": "ingressgateway"}}, "action": "DENY", "rules": rules}
    meta = {"name": "closed", "namespace": ROOT}
    world.apply({"apiVersion": "security.istio.io/v1", "kind": "AuthorizationPolicy", "metadata": meta, "spec": spec})
    until(lambda: get(world, "open.test", path="/denied"), lambda r: r.out.endswith("403"), world.logs)
    assert get(world, "open.test").out.endswith("200")
    world.delete("authorizationpolicy/closed", "-n", ROOT)


def test_explain_and_real_requests_agree_from_outside_and_from_a_pod(world: Lab) -> None:
    """Server, route, policies at the gateway and the client's own: what is said is what comes of it."""
    denied: Any = {"selector": {"matchLabels": {"app": "istio-ingressgateway"}}, "action": "DENY"}
    denied["rules"] = [{"from": [{"source": {"ipBlocks": [OUTSIDE]}}], "to": [{"operation": {"paths": ["/shut"]}}]}]
    policy = {"apiVersion": "security.istio.io/v1", "kind": "AuthorizationPolicy"}
    isolated: Any = {"podSelector": {"matchLabels": {"app": "caller"}}, "policyTypes": ["Egress"]}
    isolated["egress"] = [{"to": [{"ipBlock": {"cidr": f"{address(world)}/32"}}]}]
    network = {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy"}

    def from_pod(host: str, path: str) -> str:
        url = f"http://{address(world)}{path}"
        ran = world.curl(
            "shop", "caller", url, "-H", f"Host: {host}", "-o", "/dev/null", "-w", "%{http_code}", "-m", "3"
        )
        return ran.out[-3:]

    def explained(source: str, host: str, path: str, port: int) -> tuple[int, Any]:
        words = ("--host", host, "--sni", host, "--path", path, "-o", "json")
        ran = world.tandem("explain", source, f"edge/gateway/shop:{port}", *words)
        return ran.status, ran.json()

    every = [(80, "open.test", "/"), (80, "open.test", "/shut"), (80, "other.test", "/"), (80, "shop.test", "/")]
    every += [(443, host, "/") for host in ("shop.test", "a.passed.test", "b.passed.test", "inner.test", "ended.test")]
    try:
        world.apply({**policy, "metadata": {"name": "shut", "namespace": ROOT}, "spec": denied})
        until(lambda: get(world, "open.test", path="/shut"), lambda r: r.out.endswith("403"), world.logs)
        for port, host, path in every:
            scheme = "https" if port == 443 else "http"
            code = get(world, host, scheme=scheme, path=path).out[-3:]
            status, said = explained(OUTSIDE, host, path, port)
            # A client is taken for one that has what a server asks of it.
            assert (status == 0) == (code == "200" or host == "inner.test"), (port, host, path, code, said)
            assert code not in {"301", "403", "404"} or ("denied" if code == "403" else code) in said["summary"], said
        for host, path in (("open.test", "/"), ("open.test", "/shut"), ("other.test", "/")):
            status, said = explained("shop/caller", host, path, 80)
            assert (status == 0) == (from_pod(host, path) == "200"), said
        assert explained("shop/caller", "open.test", "/", 80)[1]["ways"][0]["transport"] == "mtls"
        world.apply({**network, "metadata": {"name": "only", "namespace": "shop"}, "spec": isolated})
        until(lambda: from_pod("open.test", "/"), lambda code: code == "000", world.logs)
        status, said = explained("shop/caller", "open.test", "/", 80)
        assert (status, [rule["name"] for rule in said["decided_by"]]) == (1, ["only"])
    finally:
        world.delete("authorizationpolicy/shut", "-n", ROOT)
        world.delete("networkpolicy/only", "-n", "shop")


def test_flows_tell_the_gateway_and_the_route(world: Lab) -> None:
    path = "/told-by-flows"
    get(world, "open.test", path=path)

    def told() -> list[Any]:
        found = world.tandem("flows", "-o", "json", "--last", "200", status=0).json()["flows"]
        mine = [f for f in found if f.get("http", {}).get("path") == path]
        return [f for f in mine if f["destination"].get("namespace") == ROOT]

    flow = until(told, bool, world.logs)[0]
    assert (flow["source"]["address"], flow["destination"]["pod"]) == (OUTSIDE, "gateway/istio~ingressgateway")
    assert [(rule["kind"], rule["name"]) for rule in flow["rules"]] == [("VirtualService", "web")]


def test_what_is_wrong_with_one_server_is_told_and_the_others_are_served(world: Lab) -> None:
    servers = [
        server(443, "HTTPS", ["closed.test"], tls=ended("MUTUAL", "gone")),
        server(80, "HTTP", ["beside.test"]),
    ]
    broken = made("Gateway", "broken", {"selector": {"istio": "ingressgateway"}, "servers": servers})
    here = {"hosts": ["closed.test", "beside.test"], "gateways": ["broken"]}
    route = made("VirtualService", "beside", {**here, "http": [{"route": [share("v1", 1)]}]})
    world.tandem("apply", "-f", "-", stdin=yaml.safe_dump_all([broken, route]), status=0)
    found = until(lambda: conditions(world, "istiogateway", "broken"), bool, world.logs)
    assert found == {"Accepted": ("False", "InvalidCertificateRef"), "Programmed": ("False", "Invalid")}
    message = world.get("shop", "istiogateway", "broken")["status"]["conditions"][0]["message"]
    assert "spec.servers[0].tls.credentialName: no Secret gone" in message
    until(lambda: get(world, "beside.test"), lambda r: r.out.endswith("200"), world.logs)
    ran = get(world, "closed.test", *shown("good"), scheme="https")
    assert not ran.out.endswith("200"), ran.text
    assert get(world, "open.test").out.endswith("200")
    world.delete("istiogateway/broken", "vs/beside", "-n", "shop")


def test_the_example_of_the_task_page_is_in_force_as_the_page_shows() -> None:
    with lab() as world:
        world.tandem("up", "--detach", "-f", "examples/shop", status=0)
        world.tandem("apply", "-f", "examples/istio-gateway/shop.yaml", "--wait", "20", status=0)
        where = until(lambda: world.get("shop", "gw", "shop").get("status", {}).get("addresses", []), bool, world.logs)[
            0
        ]["value"]

        def call(host: str, path: str, *more: str) -> Ran:
            return world.run("curl", "-s", "-m", "5", *more, "-H", f"Host: {host}", f"http://{where}{path}")

        until(lambda: call("www.shop.test", "/call"), lambda r: '"service": "frontend"' in r.out, world.logs)
        ask = ("-o", "/dev/null", "-w", "%{http_code} %{redirect_url}")
        assert call("secure.shop.test", "/call", *ask).out == "301 https://secure.shop.test/call"
        assert call("www.shop.test", "/old", *ask).out == "301 http://www.shop.test/call"
        assert "shop   www.shop.test" in world.tandem("get", "gw", "-n", "shop", status=0).out
        told = world.tandem("describe", "gw", "shop", "-n", "shop", status=0).out
        assert "shop/outside (www.shop.test, secure.shop.test): Accepted=True, Programmed=True" in told
        assert f"shop/shop: {where}" in world.tandem("describe", "vs", "outside", "-n", "shop", status=0).out
