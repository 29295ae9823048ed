"""What manifests mean, with real pods, a real Envoy and a real kernel: policies, routes, membership, identities."""

from __future__ import annotations

import json
import subprocess
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from e2e.lab import REPO, RUN, Lab, lab, until
from e2e.objects import (
    Raw,
    account,
    deployment,
    greeter,
    idle,
    namespace,
    pod,
    policy,
    service,
    strict,
    virtual_service,
    web,
)
from e2e.probing import probe

pytestmark = pytest.mark.root

DNS: Raw = {
    "to": [{"ipBlock": {"cidr": "10.96.0.10/32"}}],
    "ports": [{"protocol": "UDP", "port": 53}, {"protocol": "TCP", "port": 53}],
}


@pytest.fixture(scope="module")
def world() -> Iterator[Lab]:
    """`mesh`: a, b (own identities), web, other; `plain`: caller, web, other, a TCP server that speaks first."""
    with lab() as made:
        made.tandem("up", "--detach", status=0)
        made.apply(
            *namespace("mesh", mesh=True),
            *namespace("plain"),
            account("mesh", "a"),
            account("mesh", "b"),
            pod("mesh", "a", idle(), serviceAccountName="a"),
            pod("mesh", "b", idle(), serviceAccountName="b"),
            deployment("mesh", "web", web("one"), labels={"version": "one"}),
            service("mesh", "web"),
            deployment("mesh", "web-two", web("two"), labels={"version": "two"}),
            service("mesh", "other", app="web-two"),
            pod("plain", "caller", idle()),
            pod("plain", "web", web("web")),
            service("plain", "web"),
            pod("plain", "other", web("other")),
            service("plain", "other"),
        )
        yield made


@pytest.fixture
def temporary(world: Lab) -> Iterator[list[str]]:
    """`kind namespace name` of what a test applies for itself."""
    made: list[str] = []
    yield made
    for entry in made:
        kind, namespace_, name = entry.split()
        world.delete("-n", namespace_, kind, name)


def address(world: Lab, namespace_: str, name: str) -> str:
    found: str = world.get(namespace_, "pod", name)["status"]["podIP"]
    return found


def code(world: Lab, namespace_: str, pod_: str, url: str, *options: str) -> str:
    """The HTTP status of one request; `000` if there was no answer."""
    return world.curl(namespace_, pod_, url, "-m", "1", *options).out.rpartition("\n")[2]


def body(world: Lab, namespace_: str, pod_: str, url: str, *options: str) -> Any:
    out = world.curl(namespace_, pod_, url, *options).out
    assert out.endswith("\n200"), out
    return json.loads(out.rpartition("\n")[0])


def test_egress_to_dns_and_one_service_allows_exactly_that(world: Lab, temporary: list[str]) -> None:
    rule = policy("plain", "narrow", "caller", egress=[DNS, {"to": [{"podSelector": {"matchLabels": {"app": "web"}}}]}])
    temporary.append("networkpolicy plain narrow")
    assert code(world, "plain", "caller", "http://other/") == "200"
    world.apply(rule)
    assert code(world, "plain", "caller", "http://web/") == "200"
    assert code(world, "plain", "caller", "http://other/") == "000"
    assert code(world, "plain", "caller", f"http://{address(world, 'plain', 'other')}:8080/") == "000"


KEEP_ASKING = """
import http.client, sys
server = http.client.HTTPConnection(sys.argv[1], 8080, timeout=2)
server.connect()
server.auto_open = 0
for line in sys.stdin:
    try:
        server.request("GET", "/")
        answer = server.getresponse()
        answer.read()
        print(answer.status, flush=True)
    except TimeoutError:
        print("silence", flush=True)
"""
"""One connection, on which a request is made for each line of input."""


def test_a_connection_between_pods_goes_the_fast_path_until_a_policy_ends_it(world: Lab, temporary: list[str]) -> None:
    def fast() -> Any:
        return world.status()["nodes"][0]["fastPath"]

    until(fast, lambda found: not found["why"] and found["addresses"] >= 7)
    command = ("/usr/bin/python3", "-c", KEEP_ASKING, address(world, "plain", "web"))
    with world.begin("plain", "caller", *command, stdin=True) as asking:
        before = fast()["packets"]
        assert [ask(asking) for _ in range(100)] == ["200"] * 100
        until(fast, lambda found: found["packets"] >= before + 200)
        temporary.append("networkpolicy plain shut")
        world.apply(policy("plain", "shut", "web", ingress=[]))
        assert ask(asking) == "silence"
        asking.kill()


def test_connections_outlive_that_the_fast_path_is_switched_off(world: Lab) -> None:
    def fast() -> Any:
        return world.status()["nodes"][0]["fastPath"]

    def switch(*, on: bool) -> None:
        network = {"apiVersion": "tandem.io/v1", "kind": "Network", "metadata": {"name": "default"}}
        world.apply({**network, "spec": {"fastPath": on}})
        until(fast, lambda found: found["addresses"] >= 7 if on else found["why"] and not found["addresses"])

    command = ("/usr/bin/python3", "-c", KEEP_ASKING, address(world, "plain", "web"))
    switch(on=True)
    with world.begin("plain", "caller", *command, stdin=True) as asking:
        try:
            assert ask(asking) == "200"
            switch(on=False)
            packets = fast()["packets"]
            assert [ask(asking) for _ in range(10)] == ["200"] * 10
            assert fast()["packets"] == packets
        finally:
            switch(on=True)
        assert ask(asking) == "200"
        asking.kill()


def ask(asking: subprocess.Popen[str]) -> str:
    """One more request on the connection; what became of it."""
    assert asking.stdin
    assert asking.stdout
    asking.stdin.write("again\n")
    asking.stdin.flush()
    return asking.stdout.readline().strip()


def test_an_ip_block_allows_its_addresses_but_not_its_exceptions(world: Lab, temporary: list[str]) -> None:
    caller, other = address(world, "plain", "caller"), address(world, "plain", "other")
    block = {"cidr": "10.244.0.0/16", "except": [f"{caller}/32"]}
    temporary.append("networkpolicy plain block")
    world.apply(policy("plain", "block", "web", ingress=[{"from": [{"ipBlock": block}]}]))
    assert code(world, "plain", "other", "http://web/") == "200", other
    assert code(world, "plain", "caller", "http://web/") == "000"


def test_default_deny_with_one_namespace_allowed(world: Lab, temporary: list[str]) -> None:
    deny = policy("plain", "deny", "web", ingress=[])
    deny["spec"]["podSelector"] = {}
    select = {"matchLabels": {"kubernetes.io/metadata.name": "mesh"}}
    temporary += ["networkpolicy plain deny", "networkpolicy plain allow"]
    world.apply(deny, policy("plain", "allow", "web", ingress=[{"from": [{"namespaceSelector": select}]}]))
    assert code(world, "plain", "caller", "http://web/") == "000"
    assert code(world, "mesh", "a", "http://web.plain/") == "200"
    assert code(world, "mesh", "a", "http://other.plain/") != "200"


def test_a_pod_is_isolated_before_its_first_process(world: Lab, temporary: list[str]) -> None:
    """A client hammers the addresses that the next pods will get; not one connection may come through."""
    world.apply(policy("plain", "sealed", "sealed", ingress=[]))
    temporary.append("networkpolicy plain sealed")
    newest = max(int(p["address"].rpartition(".")[2]) for p in world.status()["pods"])
    world.apply(pod("plain", "sealed", web("sealed")))
    temporary.append("pod plain sealed")
    first = int(address(world, "plain", "sealed").rpartition(".")[2])
    assert first > newest, "addresses are given out in turn"
    expected = f"10.244.0.{first + 1}"
    with probe(world, "plain", "caller", kind="denied", target=f"{expected}:8080") as hammer:
        hammer.more(2)
        world.apply(pod("plain", "sealed-too", web("sealed"), labels={"app": "sealed"}))
        temporary.append("pod plain sealed-too")
        assert address(world, "plain", "sealed-too") == expected
        hammer.more(5)
        assert "connected" not in hammer.outcomes, hammer.tally()
    assert code(world, "plain", "sealed-too", "http://127.0.0.1:8080/") == "200"


def test_redirection_that_somebody_flushed_is_put_back_and_told_with_the_pod(world: Lab) -> None:
    flush = "nsenter --net=$pod nft flush ruleset && echo $pod || test ! -e $pod"  # one may be on its way out
    flushed = f"for pod in /run/tandem/nodes/*/netns/*; do {flush}; done"
    assert world.run("sh", "-c", flushed, status=0).out

    def drift() -> Any:
        return [node["drift"] for node in world.status()["nodes"]]

    def repaired(nodes: Any) -> bool:
        pods = {one["pod"] for node in nodes for one in node["newest"]}
        return "mesh/a" in pods and all(node["found"] == node["repaired"] for node in nodes)

    found = until(drift, repaired, world.logs)
    assert {one["by"] for node in found for one in node["newest"]} == {"nft"}
    assert "inside pod mesh/" in " ".join(world.tandem("status").out.split())
    # That of the other end may be noticed a moment later.
    peer = "spiffe://cluster.local/ns/mesh/sa/a"
    until(lambda: body(world, "mesh", "a", "http://web/")["peer"], lambda found: found == peer, world.logs)


def test_what_somebody_took_out_of_pods_networks_is_put_back_and_told_with_the_pod(world: Lab) -> None:
    out = "ip route del default && { ip rule del pref 116 || true; }"  # pods outside the mesh have no rule
    take = f"nsenter --net=$pod sh -c '{out}' && echo $pod || test ! -e $pod"
    assert world.run("sh", "-c", f"for pod in /run/tandem/nodes/*/netns/*; do {take}; done", status=0).out

    def drift() -> Any:
        return [node["drift"] for node in world.status()["nodes"]]

    def repaired(nodes: Any) -> bool:
        what = [sentence for node in nodes for one in node["newest"] for sentence in one["what"]]
        missed = "the pod lacks the default route by 169.254.1.1" in what
        return missed and all(node["found"] == node["repaired"] for node in nodes)

    until(drift, repaired, world.logs)
    until(lambda: code(world, "mesh", "a", "http://web/"), lambda found: found == "200", world.logs)


def test_a_deployment_leaves_and_enters_the_mesh_by_a_label(world: Lab) -> None:
    seen = []
    for label in ("disabled", "enabled"):
        labels = {"version": "two", "tandem.io/mesh": label}
        world.apply(deployment("mesh", "web-two", web("two"), labels=labels))

        def alone() -> list[bool]:
            pods = [p for p in world.status()["pods"] if p["name"].startswith("web-two")]
            return [p["mesh"] for p in pods if p["ready"]] if len(pods) == 1 else []

        until(alone, lambda found: found == [label == "enabled"])  # noqa: B023 - called at once
        until(lambda: code(world, "mesh", "a", "http://other/"), lambda found: found == "200")
        seen.append(body(world, "mesh", "a", "http://other/")["peer"])
    assert seen == ["", "spiffe://cluster.local/ns/mesh/sa/a"]


def test_retries_hide_failures_and_timeouts_end_waiting(world: Lab, temporary: list[str]) -> None:
    to = [{"destination": {"host": "web"}}]
    # Without a route it is tried twice again, as in Istio: three of six.
    assert code(world, "mesh", "a", "http://web/fail/6") == "503"
    temporary.append("virtualservice mesh web")
    world.apply(
        virtual_service(
            "mesh",
            "web",
            [
                {
                    "match": [{"uri": {"prefix": "/fail"}}],
                    "route": to,
                    "retries": {"attempts": 6, "retryOn": "5xx", "perTryTimeout": "1s"},
                },
                {"match": [{"uri": {"prefix": "/slow"}}], "route": to, "timeout": "0.2s", "retries": {"attempts": 0}},
                {"route": to},
            ],
        )
    )
    codes = [code(world, "mesh", "a", "http://web/fail/6") for _ in range(5)]
    assert codes == ["200"] * 5
    assert code(world, "mesh", "a", "http://web/slow/0.9") == "504"
    assert code(world, "mesh", "a", "http://web/slow/0") == "200"


def test_a_header_chooses_the_route(world: Lab, temporary: list[str]) -> None:
    temporary.append("virtualservice mesh web")
    world.apply(
        virtual_service(
            "mesh",
            "web",
            [
                {
                    "match": [{"headers": {"end-user": {"exact": "jason"}}}],
                    "route": [{"destination": {"host": "other"}}],
                },
                {"route": [{"destination": {"host": "web"}}]},
            ],
        )
    )
    assert body(world, "mesh", "a", "http://web/")["name"] == "one"
    assert body(world, "mesh", "a", "http://web/", "-H", "end-user: jason")["name"] == "two"


def test_an_http_route_of_a_service_splits_by_path_and_says_so_in_its_status(world: Lab, temporary: list[str]) -> None:
    temporary.append("httproute mesh split")
    route = {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "HTTPRoute",
        "metadata": {"name": "split", "namespace": "mesh"},
        "spec": {
            "parentRefs": [{"group": "", "kind": "Service", "name": "web", "port": 80}],
            "rules": [
                {
                    "matches": [{"path": {"type": "PathPrefix", "value": "/two"}}],
                    "backendRefs": [{"name": "other", "port": 80}],
                },
                {"backendRefs": [{"name": "web", "port": 80}]},
            ],
        },
    }
    world.apply(route)
    assert body(world, "mesh", "a", "http://web/two")["name"] == "two"
    assert body(world, "mesh", "a", "http://web/elsewhere")["name"] == "one"
    (parent,) = world.get("mesh", "httproute", "split")["status"]["parents"]
    assert {c["type"]: c["status"] for c in parent["conditions"]}["Accepted"] == "True"


def test_strict_for_a_namespace_lets_no_byte_of_a_server_that_speaks_first_out(
    world: Lab, temporary: list[str]
) -> None:
    read = ["bash", "-c", "exec 3<>/dev/tcp/greeter.mesh/5432 && timeout 2 cat <&3"]
    temporary += ["peerauthentication mesh default", "pod mesh greeter", "service mesh greeter"]
    world.apply(pod("mesh", "greeter", greeter()), service("mesh", "greeter", port=5432, target=5432, tcp=True))
    assert "secret" in world.inside("plain", "caller", *read).out
    world.apply(strict("mesh"))
    refused = world.inside("plain", "caller", *read)
    assert refused.out == "", refused.text
    assert code(world, "plain", "caller", "http://web.mesh/") == "000"
    assert "secret" in world.inside("mesh", "a", *read).out
    assert code(world, "mesh", "a", "http://web/") == "200"


def test_interleaved_requests_of_two_pods_keep_their_identity_and_address(world: Lab) -> None:
    addresses = {name: address(world, "mesh", name) for name in ("a", "b")}
    program = (
        "import json, urllib.request\n"
        "for _ in range(100):\n"
        "    seen = json.load(urllib.request.urlopen('http://web/who', timeout=5))\n"
        "    print(seen['peer'], seen['from'])\n"
    )
    running = {name: world.begin("mesh", name, "/usr/bin/python3", "-c", program) for name in ("a", "b")}
    for name, process in running.items():
        out, err = process.communicate(timeout=60)
        expected = f"spiffe://cluster.local/ns/mesh/sa/{name} {addresses[name]}"
        assert Counter(out.splitlines()) == {expected: 100}, err


def test_kubectl_applies_the_virtual_service_and_lists_pods_with_their_addresses(
    world: Lab, temporary: list[str]
) -> None:
    def kubectl(*arguments: str) -> str:
        return world.run("kubectl", f"--kubeconfig={RUN}/kubeconfig", *arguments, status=0).out

    story = REPO / "examples" / "story" / "virtualservice-my-service.yaml"
    (given,) = [d for d in yaml.safe_load_all(story.read_text()) if d["kind"] == "VirtualService"]
    temporary.append("virtualservice mesh my-service")
    assert "created" in kubectl("apply", "-n", "mesh", "-f", str(story))
    assert "unchanged" in kubectl("apply", "-n", "mesh", "-f", str(story))
    stored = json.loads(kubectl("get", "virtualservice", "my-service", "-n", "mesh", "-o", "json"))
    assert stored["spec"] == given["spec"]
    header, *lines = kubectl("get", "pods", "-n", "mesh", "-o", "wide").splitlines()
    assert header.split()[:3] == ["NAME", "READY", "STATUS"]
    listed = {line.split()[0]: line for line in lines}
    assert address(world, "mesh", "a") in listed["a"]
    assert "node-1" in listed["a"]


def test_a_port_that_says_nothing_is_found_out(world: Lab, temporary: list[str]) -> None:
    """Requests are read, judged and shown as such; a server that speaks first is heard."""
    silent = service("mesh", "silent", app="web")
    first = service("mesh", "first", port=7000, target=5432)
    for one in (silent, first):
        one["spec"]["ports"] = [{k: v for k, v in one["spec"]["ports"][0].items() if k in {"port", "targetPort"}}]
    denial = {
        "apiVersion": "security.istio.io/v1",
        "kind": "AuthorizationPolicy",
        "metadata": {"name": "closed", "namespace": "mesh"},
        "spec": {
            "selector": {"matchLabels": {"app": "web"}},
            "action": "DENY",
            "rules": [{"to": [{"operation": {"paths": ["/closed*"]}}]}],
        },
    }
    world.apply(silent, first, pod("mesh", "first", greeter()), denial)
    temporary += ["service mesh silent", "service mesh first", "pod mesh first", "authorizationpolicy mesh closed"]
    until(lambda: code(world, "mesh", "a", "http://silent/closed"), lambda found: found == "403", world.logs)
    assert code(world, "mesh", "a", "http://silent/open") == "200"
    flows = until(
        lambda: world.tandem("flows", "-n", "mesh", "--last", "20", status=0).out,
        lambda told: "mTLS GET /open 200" in told,
        world.logs,
    )
    assert "mTLS GET /closed 403" in flows
    told = world.tandem("explain", "-n", "mesh", "pod/a", "svc/silent:80", "--path", "/closed").out
    assert "port 80 of Service mesh/silent says nothing" in told
    assert "AuthorizationPolicy mesh/closed" in told
    heard = world.inside("mesh", "a", "python3", "-c", HEAR, "first", "7000")
    assert heard.out.startswith("220 "), heard


HEAR = """
import socket, sys
with socket.create_connection((sys.argv[1], int(sys.argv[2])), 5) as sock:
    sock.settimeout(5)
    print(sock.recv(100).decode())
"""
