"""Gateways under `tandem up`: from the node, a neighbour and a pod, over HTTP and HTTPS, to pods in the mesh."""

from __future__ import annotations

import base64
import datetime
import json
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from e2e.lab import TANDEM, Lab, lab, until
from e2e.objects import account, container, idle, namespace, pod, service, web
from jwts import Issuer

pytestmark = pytest.mark.root

API = "gateway.networking.k8s.io/v1"
NODE, OUTSIDE = "198.51.100.1", "198.51.100.9"


def made(kind: str, name: str, spec: Any, ns: str = "edge") -> dict[str, Any]:
    return {"apiVersion": API, "kind": kind, "metadata": {"name": name, "namespace": ns}, "spec": spec}


def secret(name: str, host: str) -> dict[str, Any]:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, host)])
    now = datetime.datetime.now(datetime.UTC)  # noqa: TID251 certificates live in real time
    day = datetime.timedelta(days=1)
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(subject).public_key(key.public_key())
    builder = builder.serial_number(x509.random_serial_number()).not_valid_before(now - day).not_valid_after(now + day)
    builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), False)
    crt = builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    data = {"tls.crt": base64.b64encode(crt).decode(), "tls.key": base64.b64encode(pem).decode()}
    meta = {"name": name, "namespace": "edge"}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": meta, "type": "kubernetes.io/tls", "data": data}


LISTENERS = [
    {"name": "http", "port": 80, "protocol": "HTTP", "allowedRoutes": {"namespaces": {"from": "All"}}},
    {
        "name": "https",
        "port": 443,
        "protocol": "HTTPS",
        "hostname": "shop.test",
        "tls": {"certificateRefs": [{"name": "shop-test"}]},
        "allowedRoutes": {"namespaces": {"from": "All"}},
    },
    {"name": "bytes", "port": 9000, "protocol": "TCP", "allowedRoutes": {"namespaces": {"from": "All"}}},
    {"name": "names", "port": 5300, "protocol": "UDP", "allowedRoutes": {"namespaces": {"from": "All"}}},
    {
        "name": "sessions",
        "port": 443,
        "protocol": "TLS",
        "hostname": "*.bytes.test",
        "tls": {"mode": "Terminate", "certificateRefs": [{"name": "shop-test"}]},
        "allowedRoutes": {"namespaces": {"from": "All"}},
    },
]
ROUTE = {
    "parentRefs": [{"name": "edge", "namespace": "edge"}],
    "hostnames": ["shop.test"],
    "rules": [{"backendRefs": [{"name": "web", "port": 80}]}],
}

CONNECTIONS = {
    "parentRefs": [{"name": "edge", "namespace": "edge", "port": 9000}],
    "rules": [{"backendRefs": [{"name": "web", "port": 80}]}],
}


DATAGRAMS = {
    "parentRefs": [{"name": "edge", "namespace": "edge"}],
    "rules": [{"backendRefs": [{"name": "names", "port": 53}]}],
}
BARE = [{"backendRefs": [{"name": "bare", "port": 53}]}]
NAMES = """
import socket
u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); u.bind(("0.0.0.0", 5353))
while True:
    data, who = u.recvfrom(99); u.sendto(who[0].encode() + b" " + data, who)
"""
ASK = """
import socket, sys
u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); u.settimeout(1.0); u.connect((sys.argv[1], 5300))
try: u.send(b"x"); print(u.recv(99).decode())
except OSError as err: print(type(err).__name__)
"""
"""One datagram to the port of names, and what comes back."""


@pytest.fixture(scope="module")
def world() -> Iterator[Lab]:
    with lab() as found:
        found.add_machine("outside", "out0", at=f"{OUTSIDE}/24", ours=f"{NODE}/24")
        found.tandem("up", "--lb-pool", "198.51.100.64/28", "--detach", status=0)
        found.apply(
            *namespace("shop", mesh=True),
            *namespace("edge"),
            account("shop", "web"),
            account("shop", "caller"),
            pod("shop", "web", web("web"), serviceAccountName="web"),
            pod("shop", "caller", idle(), serviceAccountName="caller"),
            service("shop", "web"),
            secret("shop-test", "shop.test"),
            made("Gateway", "edge", {"gatewayClassName": "tandem", "listeners": LISTENERS}),
            made("HTTPRoute", "web", ROUTE, ns="shop"),
            made("TCPRoute", "web", CONNECTIONS, ns="shop"),
            pod("shop", "names", container("/usr/bin/python3", "-c", NAMES)),
            datagram_service("shop", "names"),
            made("UDPRoute", "names", DATAGRAMS, ns="shop"),
            made("TLSRoute", "web", {**ROUTE, "hostnames": ["web.bytes.test"]}, ns="shop"),
        )
        until(lambda: conditions(found).get("Programmed"), lambda c: c == ("True", "Programmed"), found.logs)
        yield found


def datagram_service(ns: str, name: str) -> dict[str, Any]:
    ports = [{"name": "udp", "port": 53, "targetPort": 5353, "protocol": "UDP"}]
    meta = {"name": name, "namespace": ns}
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": meta,
        "spec": {"selector": {"app": name}, "ports": ports},
    }


def gateway(world: Lab) -> Any:
    return world.get("edge", "gateway", "edge")


def conditions(world: Lab) -> dict[str, tuple[str, str]]:
    return {c["type"]: (c["status"], c["reason"]) for c in gateway(world).get("status", {}).get("conditions", [])}


def address(world: Lab) -> str:
    (found,) = gateway(world)["status"]["addresses"]
    return str(found["value"])


def get(host: str, at: str, *more: str, scheme: str = "http", path: str = "/") -> tuple[str, ...]:
    port = "443" if scheme == "https" else "80"
    to = ("--connect-to", f"{host}:{port}:{at}:{port}")
    return ("curl", "-sSk", "-m", "5", "-w", "\n%{http_code}", *to, *more, f"{scheme}://{host}{path}")


def test_status_has_an_address_of_the_pool_and_says_that_it_is_in_force(world: Lab) -> None:
    assert address(world).startswith("198.51.100.")
    wanted = {"Accepted": "Accepted", "Programmed": "Programmed", "ResolvedRefs": "ResolvedRefs"}
    assert conditions(world) == {kind: ("True", reason) for kind, reason in wanted.items()}
    listeners = {one["name"]: one for one in gateway(world)["status"]["listeners"]}
    assert [listeners[name]["attachedRoutes"] for name in ("http", "https", "bytes", "sessions")] == [1, 1, 1, 1]


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_the_node_a_neighbour_and_a_pod_get_through_to_the_pod_with_mtls(world: Lab, scheme: str) -> None:
    request = get("shop.test", address(world), scheme=scheme)
    outside = ("ip", "netns", "exec", "outside")
    for ask in (
        lambda: world.run(*request),
        lambda: world.run(*outside, *request),
        lambda: world.inside("shop", "caller", *request),
    ):
        ran = until(ask, lambda r: r.out.endswith("200"), world.logs)
        assert '"peer": "spiffe://cluster.local/ns/edge/sa/edge"' in ran.out, ran.text


def test_it_stays_in_force_while_routes_come_change_and_go(world: Lab) -> None:
    """Whoever watches it sees no other Programmed than True, neither of the whole nor of a listener."""
    command = " ".join([*TANDEM, *("get", "gateway", "edge", "-n", "edge", "-w", "-o", "json")])
    seen_at = world.root / "tmp" / "watched"
    watch = world.start("sh", "-c", f"echo $$ >/tmp/watcher; exec {command} >/tmp/watched")
    try:
        until(seen_at.exists, bool)
        until(seen_at.read_text, bool, world.logs)  # what there is, before anything is done
        for turn in range(3):
            routes = [
                made("HTTPRoute", f"many-{i}", {**ROUTE, "hostnames": [f"many-{turn}-{i}.test"]}, ns="shop")
                for i in range(15)
            ]
            for one in routes:
                world.tandem("apply", "-f", "-", stdin=yaml.safe_dump(one), status=0)
        last = "many-2-14.test"
        until(lambda: world.run(*get(last, address(world))).out[-3:], lambda code: code == "200", world.logs)
        world.delete("httproute", *(f"many-{i}" for i in range(15)), "-n", "shop")
        world.settled()
    finally:
        world.run("sh", "-c", "kill $(cat /tmp/watcher)")
        watch.communicate(timeout=20)
    seen = [one for one in _objects(seen_at.read_text()) if one.get("kind") == "Gateway"]
    assert len({one["metadata"]["resourceVersion"] for one in seen}) > 15  # attachedRoutes changed
    for one in seen:
        status = one["status"]
        told = [*status["conditions"], *(c for listener in status["listeners"] for c in listener["conditions"])]
        assert {c["status"] for c in told if c["type"] == "Programmed"} == {"True"}, one


def _objects(text: str) -> Iterator[Any]:
    """JSON documents, one after the other."""
    decoder, at = json.JSONDecoder(), 0
    while (text := text[at:].lstrip()) and text.startswith("{"):
        with suppress(json.JSONDecodeError):
            found, at = decoder.raw_decode(text)
            yield found
            continue
        return


def test_another_host_is_not_served(world: Lab) -> None:
    assert world.run(*get("other.test", address(world))).out.endswith("404")


def test_a_port_without_a_listener_is_refused(world: Lab) -> None:
    ask = ("ip", "netns", "exec", "outside", "curl", "-sS", "-m", "5", f"http://{address(world)}:81/")
    assert world.run(*ask).status == 7


def test_flows_tell_the_client_the_gateway_and_the_route(world: Lab) -> None:
    path = "/told-by-flows"
    world.run("ip", "netns", "exec", "outside", *get("shop.test", address(world), path=path))

    def told() -> list[Any]:
        found = world.tandem("flows", "-o", "json", "--last", "200", status=0).json()["flows"]
        mine = [f for f in found if f.get("http", {}).get("path") == path]
        return [f for f in mine if f["destination"].get("namespace") == "edge"]

    flow = until(told, bool, world.logs)[0]
    assert (flow["source"]["address"], flow["destination"]["pod"]) == (OUTSIDE, "gateway/edge")
    assert [(rule["kind"], rule["name"]) for rule in flow["rules"]] == [("HTTPRoute", "web")]


def test_a_connection_of_tcp_gets_through_with_mtls_and_flows_tell_it(world: Lab) -> None:
    ask = ("ip", "netns", "exec", "outside", "curl", "-sS", "-m", "5", f"http://{address(world)}:9000/bytes")
    ran = until(lambda: world.run(*ask), lambda r: r.status == 0, world.logs)
    assert '"peer": "spiffe://cluster.local/ns/edge/sa/edge"' in ran.out, ran.text

    def told() -> list[Any]:
        found = world.tandem("flows", "-o", "json", "--last", "200", status=0).json()["flows"]
        mine = [f for f in found if f["destination"].get("pod") == "gateway/edge" and "http" not in f]
        return [f for f in mine if f["source"]["address"] == OUTSIDE]

    flow = until(told, bool, world.logs)[0]
    assert (flow["protocol"], flow["verdict"], flow["destination"]["namespace"]) == ("TCP", "allowed", "edge")


def test_a_session_ends_at_the_gateway_and_its_bytes_go_on_with_mtls(world: Lab) -> None:
    outside = ("ip", "netns", "exec", "outside")
    ask = get("web.bytes.test", address(world), scheme="https", path="/session")
    ran = until(lambda: world.run(*outside, *ask), lambda r: r.out.endswith("200"), world.logs)
    assert '"peer": "spiffe://cluster.local/ns/edge/sa/edge"' in ran.out, ran.text
    refused = world.run(*outside, *get("other.bytes.test", address(world), scheme="https"))
    assert refused.status == 35, refused.text  # no certificate was shown


def sent(world: Lab) -> str:
    """What comes back for a datagram from outside, in words."""
    return world.run("ip", "netns", "exec", "outside", "/usr/bin/python3", "-c", ASK, address(world)).out.strip()


def test_a_datagram_reaches_the_pod_with_the_clients_address_and_flows_tell_it(world: Lab) -> None:
    until(lambda: sent(world), lambda back: back == f"{OUTSIDE} x", world.logs)

    def told() -> list[Any]:
        found = world.tandem("flows", "-o", "json", "--last", "200", status=0).json()["flows"]
        mine = [f for f in found if f["protocol"] == "UDP" and f["destination"].get("port") == 5300]
        return [f for f in mine if f["source"]["address"] == OUTSIDE]

    flow = until(told, bool, world.logs)[-1]
    assert (flow["verdict"], flow["destination"]["pod"], flow["reporter"]) == ("allowed", "gateway/edge", "kernel")
    assert [(rule["kind"], rule["name"], rule["path"]) for rule in flow["rules"]] == [
        ("UDPRoute", "names", "spec.rules[0]")
    ]
    ran = world.tandem("explain", OUTSIDE, "edge/gateway/edge:5300", "-o", "json", status=0)
    (way,) = ran.json()["ways"]
    assert (way["allowed"], way["port"], way["steps"][0]["text"]) == (True, 5353, f"seen as {OUTSIDE}")


def test_a_route_is_followed_by_who_goes_on_and_without_its_backend_a_datagram_is_lost(world: Lab) -> None:
    try:
        world.apply(
            datagram_service("shop", "bare"), made("UDPRoute", "names", {**DATAGRAMS, "rules": BARE}, ns="shop")
        )
        until(lambda: sent(world), lambda back: back == "TimeoutError", world.logs)

        def lost() -> list[Any]:
            found = world.tandem("flows", "-o", "json", "--last", "200", status=0).json()["flows"]
            return [f for f in found if f["protocol"] == "UDP" and f["verdict"] == "error"]

        flow = until(lost, bool, world.logs)[-1]
        assert flow["reason"].startswith("dropped: the backend that it falls to has no endpoint")
    finally:
        world.apply(made("UDPRoute", "names", DATAGRAMS, ns="shop"))
    until(lambda: sent(world), lambda back: back == f"{OUTSIDE} x", world.logs)


def test_a_policy_of_the_pod_judges_datagrams_by_the_clients_address(world: Lab) -> None:
    meta = {"name": "names", "namespace": "shop"}
    block = [{"from": [{"ipBlock": {"cidr": "203.0.113.0/24"}}]}]
    spec = {"podSelector": {"matchLabels": {"app": "names"}}, "policyTypes": ["Ingress"], "ingress": block}
    try:
        world.apply({"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": meta, "spec": spec})
        until(lambda: sent(world), lambda back: back == "TimeoutError", world.logs)
        assert "NetworkPolicy shop/names" in world.tandem("explain", OUTSIDE, "edge/gateway/edge:5300").out
    finally:
        world.delete("networkpolicy", "names", "-n", "shop")
    until(lambda: sent(world), lambda back: back == f"{OUTSIDE} x", world.logs)


def test_a_policy_of_a_pod_judges_what_a_gateway_opens(world: Lab) -> None:
    """Denied with all else; let in by the address that gateways have for pods of their own node."""
    meta = {"name": "shut", "namespace": "shop"}
    shut = {"podSelector": {"matchLabels": {"app": "shut"}}, "policyTypes": ["Ingress"]}
    policy = {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": meta, "spec": shut}
    route = {**ROUTE, "hostnames": ["shut.test"], "rules": [{"backendRefs": [{"name": "shut", "port": 80}]}]}
    parts = (service("shop", "shut"), made("HTTPRoute", "shut", route, ns="shop"))
    world.apply(policy, pod("shop", "shut", web("shut")), *parts)
    request = get("shut.test", address(world))
    # Dropped without a word: curl gives up before Envoy does.
    until(lambda: world.run(*request).out[-3:], lambda code: code in {"503", "000"}, world.logs)
    world.apply({**policy, "spec": {**shut, "ingress": [{"from": [{"ipBlock": {"cidr": "0.0.0.0/0"}}]}]}})
    until(lambda: world.run(*request).out[-3:], lambda code: code == "200", world.logs)


def test_an_authorization_policy_judges_a_gateway_by_its_identity(world: Lab) -> None:
    def policy(*principals: str) -> dict[str, Any]:
        rules = [{"from": [{"source": {"principals": list(principals)}}]}]
        meta = {"name": "edge-only", "namespace": "shop"}
        spec = {"selector": {"matchLabels": {"app": "web"}}, "action": "ALLOW", "rules": rules}
        return {"apiVersion": "security.istio.io/v1", "kind": "AuthorizationPolicy", "metadata": meta, "spec": spec}

    request = get("shop.test", address(world))
    try:
        world.apply(policy("cluster.local/ns/edge/sa/another"))
        until(lambda: world.run(*request).out[-3:], lambda code: code == "403", world.logs)
        world.apply(policy("cluster.local/ns/edge/sa/edge"))
        until(lambda: world.run(*request).out[-3:], lambda code: code == "200", world.logs)
    finally:
        world.delete("authorizationpolicy", "edge-only", "-n", "shop")


def test_a_policy_of_the_gateway_judges_there_and_flows_name_the_rule_and_its_line(world: Lab) -> None:
    target = {"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": "edge"}
    meta = {"name": "of-the-gateway", "namespace": "edge"}
    paths = [{"to": [{"operation": {"paths": ["/private*"]}}]}]
    outside = [{"from": [{"source": {"ipBlocks": [OUTSIDE]}}]}]

    def policy(rules: Any) -> dict[str, Any]:
        spec = {"targetRefs": [target], "action": "DENY", "rules": rules}
        return {"apiVersion": "security.istio.io/v1", "kind": "AuthorizationPolicy", "metadata": meta, "spec": spec}

    def asked(path: str, *where: str, scheme: str = "http") -> str:
        return world.run(*where, *get("shop.test", address(world), path=path, scheme=scheme)).out[-3:]

    neighbour = ("ip", "netns", "exec", "outside")
    raw = (*neighbour, "curl", "-sS", "-m", "5", f"http://{address(world)}:9000/bytes")
    file = "/tmp/of-the-gateway.yaml"
    (world.root / file[1:]).write_text(yaml.safe_dump(policy(paths)))
    world.tandem("apply", "-f", file, status=0)
    try:
        until(lambda: asked("/private/a", *neighbour), lambda code: code == "403", world.logs)
        assert [asked("/open"), asked("//private", scheme="https")] == ["200", "403"]
        assert world.curl("shop", "caller", "http://web/private").out.endswith("200")

        def told() -> list[Any]:
            found = world.tandem("flows", "--denied", "-o", "json", "--last", "200", status=0).json()["flows"]
            return [f for f in found if f.get("http", {}).get("path") == "/private/a"]

        flow = until(told, bool, world.logs)[-1]
        (rule,) = flow["rules"]
        assert (flow["source"]["address"], flow["destination"]["pod"]) == (OUTSIDE, "gateway/edge")
        assert (flow["destination"]["address"], flow["destination"]["port"]) == (address(world), 80)
        assert (rule["name"], rule["path"], rule["source"]) == ("of-the-gateway", "spec.rules[0]", f"{file}:9")
        world.apply(policy(outside))
        until(lambda: asked("/open", *neighbour), lambda code: code == "403", world.logs)
        assert asked("/private") == "200", "of the node"
        assert world.run(*raw).status != 0
    finally:
        world.delete("authorizationpolicy", "of-the-gateway", "-n", "edge")
    until(lambda: asked("/open", *neighbour), lambda code: code == "200", world.logs)


def test_a_gateway_takes_tokens_by_keys_that_the_node_fetches_from_a_pod(world: Lab) -> None:
    """No pod of the mesh needs the keys: the node, which has a way out as nodes have, asks the Service itself."""
    issuer = Issuer("https://edge.example")
    target = {"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": "edge"}
    told = {"header": "x-sub", "claim": "sub"}
    rule = {"issuer": issuer.name, "jwksUri": "http://keys.edge/jwks.json", "outputClaimToHeaders": [told]}
    files = f"mkdir -p /tmp/keys && echo '{issuer.jwks}' > /tmp/keys/jwks.json"
    serve = f"{files} && exec python3 -m http.server -d /tmp/keys 8080"
    meta = {"name": "tokens", "namespace": "edge"}
    tokens = {
        "apiVersion": "security.istio.io/v1",
        "kind": "RequestAuthentication",
        "metadata": meta,
        "spec": {"targetRefs": [target], "jwtRules": [rule]},
    }
    world.apply(pod("edge", "keys", container("sh", "-c", serve, port=8080)), service("edge", "keys"))
    world.tandem("apply", "-f", "-", stdin=yaml.safe_dump(tokens), status=0)

    def code(token: str = "") -> str:
        more = ("-H", f"authorization: Bearer {token}") if token else ()
        return world.run(*get("shop.test", address(world), *more)).out[-3:]

    world.run("ip", "route", "add", "default", "via", OUTSIDE, status=0)
    try:
        until(lambda: code(issuer.token(sub="kim")), lambda c: c == "200", world.logs)
        assert [code(), code(issuer.token(exp=1)), code("x.y.z")] == ["200", "401", "401"]
        bearer = ("-H", f"authorization: Bearer {issuer.token(sub='kim')}", "-H", "x-sub: forged")
        assert world.run(*get("shop.test", address(world), *bearer)).out.endswith("200")
    finally:
        world.run("ip", "route", "del", "default", status=0)
        world.delete("requestauthentication", "tokens", "-n", "edge")


def test_explain_and_real_requests_from_outside_agree(world: Lab) -> None:
    """Listener, policies there, route, network policy and mTLS of the pod: what is said is what comes of it."""
    target = {"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": "edge"}
    meta, note = {"name": "closed", "namespace": "edge"}, {"name": "nobody", "namespace": "shop"}
    to = [{"operation": {"paths": ["/private*"], "ports": ["80", "443"]}}]
    spec = {"targetRefs": [target], "action": "DENY", "rules": [{"to": to}]}
    denied = {"apiVersion": "security.istio.io/v1", "kind": "AuthorizationPolicy", "metadata": meta, "spec": spec}
    isolated = {"podSelector": {"matchLabels": {"app": "web"}}, "policyTypes": ["Ingress"]}
    network = {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": note, "spec": isolated}
    where, at = ("ip", "netns", "exec", "outside"), address(world)

    def asked(host: str, path: str, port: int) -> str:
        if port == 9000:
            raw = ("curl", "-sS", "-m", "5", "-o", "/dev/null", "-w", "%{http_code}", f"http://{at}:9000{path}")
            return world.run(*where, *raw).out[-3:]
        return world.run(*where, *get(host, at, path=path, scheme="https" if port == 443 else "http")).out[-3:]

    def explained(host: str, path: str, port: int) -> tuple[int, Any]:
        words = ("--host", host, "--path", path, "-o", "json")
        ran = world.tandem("explain", OUTSIDE, f"edge/gateway/edge:{port}", *words)
        return ran.status, ran.json()

    every = [(host, path, 80) for host in ("shop.test", "none.test") for path in ("/", "/private/x", "//private")]
    every += [("shop.test", path, port) for path in ("/", "/private/x") for port in (443, 9000)]
    try:
        world.apply(denied)
        until(lambda: asked("shop.test", "/private", 80), lambda code: code == "403", world.logs)
        for case in every:
            status, said = explained(*case)
            code = asked(*case)
            assert (status, said["allowed"]) == ((0, True) if code == "200" else (1, False)), (case, code, said)
            if code == "403":
                assert "AuthorizationPolicy edge/closed" in said["summary"], said
            elif code == "404":
                assert "answered with 404" in said["summary"], said
        kinds = {line["rule"]["kind"] for line in explained("shop.test", "/", 443)[1]["route"] if "rule" in line}
        assert {"Gateway", "HTTPRoute", "AuthorizationPolicy"} <= kinds
        assert explained("shop.test", "/", 80)[1]["ways"][0]["transport"] == "mtls"
        world.apply(network)
        until(lambda: asked("shop.test", "/", 80), lambda code: code != "200", world.logs)
        status, said = explained("shop.test", "/", 80)
        assert (status, [rule["kind"] for rule in said["decided_by"]]) == (1, ["NetworkPolicy"])
    finally:
        world.delete("authorizationpolicy", "closed", "-n", "edge")
        world.delete("networkpolicy", "nobody", "-n", "shop")
    until(lambda: asked("shop.test", "/", 80), lambda code: code == "200", world.logs)
    by_address = world.tandem("explain", OUTSIDE, f"{at}:80", "--host", "shop.test", status=0)
    assert "listener http (HTTP, *) takes host 'shop.test'" in by_address.out


def test_a_renewed_certificate_is_shown_and_no_key_lies_in_a_file(world: Lab) -> None:
    def shown() -> str:
        ask = f"echo | openssl s_client -connect {address(world)}:443 -servername shop.test 2>/dev/null"
        return world.run("sh", "-c", f"{ask} | openssl x509 -noout -fingerprint").out

    before = until(shown, bool, world.logs)
    renewed = secret("shop-test", "shop.test")
    world.apply(renewed)
    until(shown, lambda now: now not in {"", before}, world.logs)
    key = base64.b64decode(renewed["data"]["tls.key"]).decode().splitlines()[1]
    # The API's own store has what users put there.
    places = ("--exclude=*.db*", "--exclude-dir=pods", "--exclude-dir=netns")
    held = world.run("grep", "-rlsF", "-D", "skip", *places, key, "/run/tandem")
    assert held.out == "", held.text
