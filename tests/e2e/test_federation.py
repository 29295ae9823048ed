"""Peers of another trust domain, whose SPIRE (its Workload API) tells who signs for them: let in, judged, called."""

from __future__ import annotations

import base64
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from e2e.lab import Lab, Ran, lab, until
from e2e.objects import Raw, container, deployment, greeter, idle, namespace, pod, service, web
from issuing import authority
from workloadapi import WorkloadApiServer, der, workload_api

pytestmark = pytest.mark.root

EXAMPLES: Final = Path(__file__).parents[2] / "examples" / "trust"
PARTNER: Final = yaml.safe_load((EXAMPLES / "partner.yaml").read_text())
SOCKET: Final = PARTNER["spec"]["spire"]["socket"]
DOMAIN: Final = "partner.example"
WEB, OTHER = f"spiffe://{DOMAIN}/web", f"spiffe://{DOMAIN}/other"
OURS: Final = "spiffe://cluster.local/ns/shop/sa/default"
ROOT, NEXT = authority("partner"), authority("partner, later")
SVIDS: Final = {
    "web": ROOT.svid(WEB),
    "other": ROOT.svid(OTHER),
    "later": NEXT.svid(WEB),
    "two": ROOT.svid(WEB, OURS),
    "ours": ROOT.svid(OURS),
    "third": NEXT.svid("spiffe://third.example/web"),
}
SERVER: Final = """
import http.server, json, ssl, sys
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        names = dict(self.connection.getpeercert()["subjectAltName"])
        body = json.dumps({"peer": names["URI"]}).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain("/svid/web.crt", "/svid/web.key")
context.load_verify_locations("/svid/mesh.crt")
context.verify_mode = ssl.CERT_REQUIRED
context.set_alpn_protocols(["http/1.1"])
server = http.server.ThreadingHTTPServer(("0.0.0.0", 8443), Handler)
server.socket = context.wrap_socket(server.socket, server_side=True)
server.serve_forever()
"""
"""Of the partner: shows its SVID, asks for one of the mesh, and answers with whom it sees."""
KEPT: Final = """
import http.client, ssl, sys
context = ssl._create_unverified_context()
context.load_cert_chain("/svid/web.crt", "/svid/web.key")
context.set_alpn_protocols(["http/1.1"])
server = http.client.HTTPSConnection("web.shop", 443, context=context, timeout=10)
server.auto_open = True
server.connect()
server.auto_open = False
for line in sys.stdin:
    server.request("GET", "/")
    answer = server.getresponse()
    answer.read()
    print(answer.status, flush=True)
"""
"""A request on one and the same connection for each line."""


def istio(kind: str, name: str, group: str = "security", **spec: Any) -> Raw:
    meta = {"name": name, "namespace": "shop"}
    return {"apiVersion": f"{group}.istio.io/v1", "kind": kind, "metadata": meta, "spec": spec}


def files(data: dict[str, str]) -> Raw:
    encoded = {name: base64.b64encode(text.encode()).decode() for name, text in data.items()}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "svid", "namespace": "away"}, "data": encoded}


def with_files(name: str, body: Raw) -> Raw:
    body["volumeMounts"].append({"name": "svid", "mountPath": "/svid"})
    volumes = [{"name": "apps", "configMap": {"name": "apps"}}, {"name": "svid", "secret": {"secretName": "svid"}}]
    return pod("away", name, body, volumes=volumes)


@pytest.fixture(scope="module")
def world() -> Iterator[Lab]:
    with lab() as made:
        made.tandem("up", "--detach", status=0)
        svids = {
            f"{n}.{end}": text for n, pair in SVIDS.items() for end, text in zip(("crt", "key"), pair, strict=True)
        }
        roots = made.tandem("ca", "roots", status=0).out
        made.apply(
            *namespace("shop", mesh=True),
            *namespace("away"),
            files(svids | {"mesh.crt": roots}),
            deployment("shop", "web", web("web")),
            service("shop", "web", port=443),
            deployment("shop", "db", greeter()),
            service("shop", "db", port=5432, target=5432, tcp=True),
            pod("shop", "caller", idle()),
            with_files("client", idle()),
            with_files("server", container("/usr/bin/python3", "-c", SERVER, port=8443)),
            istio("PeerAuthentication", "default", mtls={"mode": "STRICT"}),
        )
        yield made


@pytest.fixture(scope="module")
def api(world: Lab) -> Iterator[WorkloadApiServer]:
    """The partner's agent comes after the object that names its socket."""
    world.tandem("apply", "-f", str(EXAMPLES / "partner.yaml"), status=0)
    programmed(world, f"{SOCKET}: UNAVAILABLE", f"{DOMAIN}: no root is told")
    assert refused(world, "web")
    with workload_api(Path(world.root, SOCKET.lstrip("/"))) as made:
        yield made


def programmed(world: Lab, *words: str) -> str:
    """Wait until the TrustSource is in force, or until its condition has these words."""

    def look() -> tuple[str, str]:
        conditions = world.tandem("get", "trustsource", "partner", "-o", "json", status=0).json()["status"][
            "conditions"
        ]
        found = next(c for c in conditions if c["type"] == "Programmed")
        return found["status"], found["message"]

    wanted = "False" if words else "True"
    return until(look, lambda f: f[0] == wanted and all(w in f[1] for w in words), world.logs)[1]


def ask(world: Lab, svid: str, url: str = "https://web.shop:443/", *options: str) -> Ran:
    """By a client that has no proxy: it shows an SVID, and does not look at whom it meets."""
    shown = ("--cert", f"/svid/{svid}.crt", "--key", f"/svid/{svid}.key")
    return world.curl("away", "client", url, "-k", *shown, *options)


def status(world: Lab, svid: str, *to: str) -> str:
    return ask(world, svid, *to).out[-3:]


def refused(world: Lab, svid: str) -> bool:
    return status(world, svid) == "000"


def denied(world: Lab) -> set[str]:
    """Who met a denial, by what flows say."""
    flows = world.tandem("flows", "--denied", "-n", "shop", "-o", "json", status=0).json()["flows"]
    return {flow["source"].get("identity", "") for flow in flows if flow.get("rules")}


def greeting(world: Lab, svid: str) -> str:
    shown = f"-cert /svid/{svid}.crt -key /svid/{svid}.key"
    command = f"sleep 1 | openssl s_client -connect db.shop:5432 -quiet {shown} 2>/dev/null"
    return world.inside("away", "client", "sh", "-c", command).out


def test_peers_are_let_in_once_their_roots_are_told(world: Lab, api: WorkloadApiServer) -> None:
    api.tell(None)
    programmed(world, "it grants nothing to this agent")
    assert refused(world, "web")
    api.tell({DOMAIN: der(ROOT.pem), "third.example": der(NEXT.pem)})
    programmed(world)
    found = ask(world, "web")
    assert json.loads(found.out.splitlines()[0])["peer"] == WEB, found.text
    assert "220 secret greeting" in greeting(world, "web")
    assert refused(world, "later")


def test_nobody_speaks_for_a_trust_domain_that_is_not_its_own(world: Lab, api: WorkloadApiServer) -> None:
    del api
    assert status(world, "web") == "200"
    assert refused(world, "ours")
    assert refused(world, "two")
    assert world.curl("away", "client", "https://web.shop:443/", "-k").out[-3:] == "000"  # shows nothing
    assert "greeting" not in greeting(world, "ours")


def test_policies_judge_them_by_their_principals(world: Lab, api: WorkloadApiServer) -> None:
    del api
    world.tandem("apply", "-f", str(EXAMPLES / "judged.yaml"), status=0)
    until(lambda: (status(world, "web"), status(world, "other")), lambda f: f == ("200", "403"), world.logs)
    until(lambda: denied(world), lambda found: found == {OTHER}, world.logs)
    world.delete("-n", "shop", "authorizationpolicy", "partner")
    until(lambda: status(world, "other"), lambda f: f == "200", world.logs)


def once(kept: subprocess.Popen[str]) -> str:
    """The status of one more request over the connection that is kept."""
    assert kept.stdin is not None
    assert kept.stdout is not None
    kept.stdin.write("\n")
    kept.stdin.flush()
    return kept.stdout.readline().strip()


def test_their_roots_change_and_no_connection_is_cut(world: Lab, api: WorkloadApiServer) -> None:
    with world.begin("away", "client", "/usr/bin/python3", "-c", KEPT, stdin=True) as kept:
        try:
            assert once(kept) == "200"
            api.tell({DOMAIN: der(ROOT.pem, NEXT.pem)})
            until(lambda: status(world, "later"), lambda f: f == "200", world.logs)
            assert (status(world, "web"), once(kept)) == ("200", "200")
            api.tell({DOMAIN: der(NEXT.pem)})
            until(lambda: status(world, "web"), lambda f: f == "000", world.logs)
            assert once(kept) == "200"
            api.tell({DOMAIN: der(ROOT.pem)})
            until(lambda: status(world, "web"), lambda f: f == "200", world.logs)
            assert once(kept) == "200"
        finally:
            kept.kill()


def test_pods_of_the_mesh_call_them_and_show_who_they_are(world: Lab, api: WorkloadApiServer) -> None:
    del api
    address = world.get("away", "pod", "server")["status"]["podIP"]
    port = {"number": 80, "name": "http", "protocol": "HTTP", "targetPort": 8443}
    entry = {"hosts": ["partner.test"], "ports": [port], "resolution": "STATIC", "endpoints": [{"address": address}]}
    rule = istio("DestinationRule", "partner", "networking", host="partner.test")
    tls = {"mode": "ISTIO_MUTUAL", "subjectAltNames": [WEB]}
    rule["spec"]["trafficPolicy"] = {"tls": tls}
    world.apply(istio("ServiceEntry", "partner", "networking", **entry), rule)
    found = until(lambda: world.curl("shop", "caller", "http://partner.test/").out, lambda o: "200" in o, world.logs)
    assert json.loads(found.splitlines()[0])["peer"] == OURS
    tls["subjectAltNames"] = [OTHER]
    world.apply(rule)
    until(lambda: world.curl("shop", "caller", "http://partner.test/").out[-3:], lambda o: o == "503", world.logs)


def test_gateways_that_are_for_the_mesh_let_them_in_too(world: Lab, api: WorkloadApiServer) -> None:
    del api
    port = {"number": 8443, "name": "https", "protocol": "HTTPS"}
    server = {"port": port, "hosts": ["in.test"], "tls": {"mode": "ISTIO_MUTUAL"}}
    route = {"hosts": ["in.test"], "gateways": ["in"], "http": [{"route": [{"destination": {"host": "web"}}]}]}
    world.apply(
        istio("Gateway", "in", "networking", selector={"istio": "ingressgateway"}, servers=[server]),
        istio("VirtualService", "in", "networking", **route),
    )
    address = world.get("shop", "istiogateway", "in")["status"]["addresses"][0]["value"]
    to = "https://in.test:8443/", "--resolve", f"in.test:8443:{address}"
    until(lambda: status(world, "web", *to), lambda f: f == "200", world.logs)
    assert [status(world, svid, *to) for svid in ("other", "two", "ours", "later")] == ["200", "000", "000", "000"]


def test_roots_may_be_written_in_the_cluster(world: Lab, api: WorkloadApiServer) -> None:
    del api
    assert refused(world, "third")
    data = {"ca.crt": NEXT.pem}
    meta = {"name": "third", "namespace": "away"}
    spec = {"trustDomains": ["third.example"], "roots": {"namespace": "away", "name": "third"}}
    source = {"apiVersion": "tandem.io/v1", "kind": "TrustSource", "metadata": {"name": "third"}, "spec": spec}
    world.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": data}, source)
    until(lambda: status(world, "third"), lambda f: f == "200", world.logs)
    assert (status(world, "web"), refused(world, "later")) == ("200", True)
    world.delete("trustsource", "third")
    until(lambda: status(world, "third"), lambda f: f == "000", world.logs)


def test_silence_changes_nothing_and_what_is_withdrawn_is_gone(world: Lab, api: WorkloadApiServer) -> None:
    pid = world.pid("agent")
    world.kill("agent")
    world.back("agent", pid)
    world.settled()
    assert status(world, "web") == "200"
    api.tell({})
    programmed(world, "the answer has no bundles", "what it told last goes on")
    assert status(world, "web") == "200"
    api.tell({"third.example": der(NEXT.pem)})
    programmed(world, f"{DOMAIN}: no root is told")
    until(lambda: status(world, "web"), lambda f: f == "000", world.logs)
