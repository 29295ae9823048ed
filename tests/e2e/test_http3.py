"""HTTP/3 at gateways under `tandem up`: beside HTTPS at its port, with its routes, policies and certificates.

The client is a machine beyond the node, so that its datagrams take the way of everybody's.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from typing import Any, Final

import pytest

from e2e.lab import REPO, TANDEM, Lab, lab, until
from e2e.objects import Raw, namespace, pod, service, web
from e2e.test_gateway_tls import bundle, made, secret
from e2e.test_handover import install_another
from issuing import authority

pytestmark = pytest.mark.root

NODE, OUTSIDE = "198.51.100.1", "198.51.100.9"
NEIGHBOUR: Final = ("ip", "netns", "exec", "outside")
ROOTS: Final = "/tmp/roots.pem"
MUCH: Final = 3_000_000
TAKER: Final = """
import http.server, json
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        said = self.rfile.read(int(self.headers.get("content-length") or 0))
        body = json.dumps({"took": len(said), "headers": {k.lower(): v for k, v in self.headers.items()}}).encode()
        self.send_response(200); self.send_header("content-length", str(len(body))); self.end_headers()
        self.wfile.write(body)
    do_POST = do_GET
    def log_message(self, *_): pass
http.server.ThreadingHTTPServer(("0.0.0.0", 8080), Handler).serve_forever()
"""
"""Answers with the headers that came, and how long the body was."""


def taker() -> Raw:
    return {**web("taker"), "command": ["/usr/bin/python3", "-c", TAKER]}


def edge(*more: Any, **spec: Any) -> Raw:
    listener = {"name": "https", "port": 443, "protocol": "HTTPS", "tls": {"certificateRefs": [{"name": "server"}]}}
    found = made("Gateway", "edge", {"gatewayClassName": "tandem", "listeners": [listener, *more], **spec})
    found["metadata"]["annotations"] = {"tandem.io/http3": "true"}
    return found


def route() -> Raw:
    told = {"type": "ResponseHeaderModifier", "responseHeaderModifier": {"add": [{"name": "x-told", "value": "back"}]}}
    asked = {"type": "RequestHeaderModifier", "requestHeaderModifier": {"set": [{"name": "x-asked", "value": "there"}]}}
    matches = [{"path": {"type": "PathPrefix", "value": "/shop"}}]
    rules = [{"matches": matches, "filters": [told, asked], "backendRefs": [{"name": "web", "port": 80}]}]
    return made("HTTPRoute", "web", {"parentRefs": [{"name": "edge"}], "hostnames": ["shop.test"], "rules": rules})


class Talk:
    """A client of HTTP/3 that lives as long as the tests: connections of one word are one."""

    def __init__(self, world: Lab, at: str) -> None:
        client = (sys.executable, str(REPO / "tests" / "http3client.py"), at, "443", ROOTS)
        self._process = world.start(*NEIGHBOUR, *client)

    def ask(self, path: str = "/shop", *, on: str = "", **more: Any) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(json.dumps({"sni": "shop.test", "path": path, "on": on, **more}), file=self._process.stdin, flush=True)
        line = self._process.stdout.readline()
        assert line, self._process.communicate()[1]
        return json.loads(line)

    def status(self, path: str = "/shop", **more: Any) -> int:
        return int(self.ask(path, **more).get("status", 0))

    def end(self) -> None:
        self._process.kill()
        self._process.communicate()


@pytest.fixture(scope="module")
def world() -> Iterator[Lab]:
    with lab() as found:
        found.add_machine("outside", "out0", at=f"{OUTSIDE}/24", ours=f"{NODE}/24")
        found.tandem("up", "--lb-pool", "198.51.100.64/28", "--detach", status=0)
        found.run("sh", "-c", f"cat > {ROOTS}", stdin=authority("roots").pem)
        found.apply(
            *namespace("shop", mesh=True),
            secret("server", "shop.test", by="roots"),
            bundle("callers", "callers"),
            pod("shop", "web", taker()),
            service("shop", "web"),
            edge(),
            route(),
        )
        until(lambda: accepted(found), lambda told: told[0] == "True", found.logs)
        yield found


@pytest.fixture(scope="module")
def talk(world: Lab) -> Iterator[Talk]:
    found = Talk(world, address(world))
    until(found.status, lambda status: status == 200, world.logs)
    yield found
    found.end()


def gateway(world: Lab) -> Any:
    return world.get("shop", "gateway", "edge")


def address(world: Lab) -> str:
    (found,) = gateway(world)["status"]["addresses"]
    return str(found["value"])


def accepted(world: Lab) -> tuple[str, str]:
    """Whether the Gateway is in force, and what is told of it."""
    found = {c["type"]: c for c in gateway(world).get("status", {}).get("conditions", [])}
    return found.get("Programmed", {}).get("status", ""), found.get("Accepted", {}).get("message", "")


def by_tcp(world: Lab, path: str = "/shop", *more: str) -> str:
    """Headers, then the status and the version of HTTP."""
    to = ("--connect-to", f"shop.test:443:{address(world)}:443", "--cacert", ROOTS)
    ask = ("curl", "-sS", "-m", "5", "-D", "-", "-o", "/dev/null", "-w", "%{http_code} %{http_version}", *to, *more)
    return world.run(*NEIGHBOUR, *ask, f"https://shop.test{path}").out


def flows(world: Lab, path: str) -> list[Any]:
    found = world.tandem("flows", "-o", "json", "--last", "200", status=0).json()["flows"]
    mine = [one for one in found if one.get("http", {}).get("path") == path]
    return [one for one in mine if one["destination"].get("pod") == "gateway/edge"]


def test_requests_have_the_routes_of_https_and_tcp_tells_of_it(world: Lab, talk: Talk) -> None:
    answer = talk.ask("/shop/h3", headers={"x-own": "1"})
    assert (answer["status"], answer["headers"]["x-told"]) == (200, "back")
    seen = json.loads(answer["body"])["headers"]
    assert (seen["x-asked"], seen["x-own"], seen["x-forwarded-for"]) == ("there", "1", OUTSIDE)
    assert (seen["x-forwarded-proto"], seen["host"]) == ("https", "shop.test")
    assert talk.status("/elsewhere") == 404
    assert talk.status(host="other.test") == 404
    for version in ("2", "1.1"):
        told = by_tcp(world, "/shop", f"--http{version}")
        assert told.endswith(f"200 {version}"), told
        assert 'alt-svc: h3=":443"; ma=86400' in told
    flow = until(lambda: flows(world, "/shop/h3"), bool, world.logs)[0]
    assert (flow["source"]["address"], flow["verdict"]) == (OUTSIDE, "allowed")
    assert [(rule["kind"], rule["name"]) for rule in flow["rules"]] == [("HTTPRoute", "web")]
    told = world.tandem("explain", OUTSIDE, "shop/gateway/edge:443", "--host", "shop.test", "--path", "/shop").out
    assert "listener https (HTTPS and HTTP/3, *) takes" in told, told


def test_a_large_body_arrives_and_a_connection_goes_on_from_another_port(talk: Talk) -> None:
    answer = talk.ask("/shop", method="POST", size=MUCH, on="large", headers={"content-length": str(MUCH)})
    assert (answer["status"], json.loads(answer["body"])["took"]) == (200, MUCH)
    assert talk.status(on="large", moved=True) == 200


def test_a_policy_of_the_gateway_denies_on_a_connection_that_is_open(world: Lab, talk: Talk) -> None:
    assert talk.status("/shop/private", on="open") == 200
    target = {"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": "edge"}
    rules = [{"to": [{"operation": {"paths": ["/shop/private*"]}}], "from": [{"source": {"ipBlocks": [OUTSIDE]}}]}]
    spec = {"targetRefs": [target], "action": "DENY", "rules": rules}
    meta = {"name": "private", "namespace": "shop"}
    world.apply({"apiVersion": "security.istio.io/v1", "kind": "AuthorizationPolicy", "metadata": meta, "spec": spec})
    try:
        until(lambda: talk.status("/shop/private", on="open"), lambda status: status == 403, world.logs)
        assert talk.status("/shop", on="open") == 200

        def denied() -> list[Any]:
            return [one for one in flows(world, "/shop/private") if one["verdict"] == "denied"]

        flow = until(denied, bool, world.logs)[0]
        assert [(rule["kind"], rule["name"]) for rule in flow["rules"]] == [("AuthorizationPolicy", "private")]
    finally:
        world.delete("authorizationpolicy", "private", "-n", "shop")


def test_a_renewed_certificate_is_shown_and_who_is_there_goes_on(world: Lab, talk: Talk) -> None:
    assert talk.status(on="before") == 200
    world.apply(secret("server", "shop.test", by="others"))
    until(talk.ask, lambda answer: "error" in answer, world.logs)
    assert talk.status(on="before") == 200
    world.apply(secret("server", "shop.test", by="roots"))
    until(talk.status, lambda status: status == 200, world.logs)


def test_clients_show_the_certificates_that_https_asks_for(world: Lab, talk: Talk) -> None:
    for name in ("callers", "others"):
        world.run("sh", "-c", f"cat > /tmp/{name}.pem", stdin="".join(authority(name).issue(f"{name}-1")))
    refs = [{"group": "", "kind": "ConfigMap", "name": "callers"}]
    world.apply(edge(tls={"frontend": {"default": {"validation": {"caCertificateRefs": refs}}}}))
    try:
        until(talk.ask, lambda answer: "certificate required" in answer.get("error", ""), world.logs)
        assert talk.status(shown="/tmp/callers.pem") == 200
        assert "unknown CA" in talk.ask(shown="/tmp/others.pem").get("error", "")
    finally:
        world.apply(edge())
    until(talk.status, lambda status: status == 200, world.logs)


def test_where_a_listener_has_the_datagrams_of_the_port_nothing_is_offered_and_tcp_is_as_before(
    world: Lab, talk: Talk
) -> None:
    world.apply(edge({"name": "names", "port": 443, "protocol": "UDP"}))
    try:
        text = "HTTP/3 is not offered at port 443: a listener of UDP has the datagrams of that port"
        until(lambda: accepted(world), lambda told: told[0] == "True" and text in told[1], world.logs)
        until(talk.status, lambda status: status == 0, world.logs)
        told = by_tcp(world)
        assert told.endswith("200 2"), told
        assert "alt-svc" not in told
    finally:
        world.apply(edge())
    until(talk.status, lambda status: status == 200, world.logs)
    assert accepted(world) == ("True", "")


def test_another_envoy_takes_over_and_no_new_connection_is_lost(world: Lab, talk: Talk) -> None:
    assert talk.status(on="waiting") == 200
    install_another(world)
    restart = world.start(*TANDEM, "restart")
    answers = [talk.ask()]
    while restart.poll() is None:
        answers.append(talk.ask())
    out, err = restart.communicate()
    assert "takes over from" in out, err
    answers += [talk.ask() for _ in range(5)]
    assert [one for one in answers if one.get("status") != 200] == []
    assert talk.status(on="waiting") == 200
