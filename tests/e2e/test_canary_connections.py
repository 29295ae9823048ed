"""Canaries of connections, end to end: versions that speak first, break connections off, or cannot be reached."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from e2e.lab import Lab, lab, until
from e2e.objects import Raw, container, deployment, idle, namespace, pod, service
from e2e.test_canary import POOL, Asking, canary, kept, reaches, status

pytestmark = pytest.mark.root

PORT = 5432
GATEWAY = "gateway.networking.k8s.io/v1"
SPEAKING = '''
"""Says its name to whoever connects; with HOW=reset it breaks off whatever is opened."""
import os, socket, socketserver, struct

class Handler(socketserver.BaseRequestHandler):
    def handle(self):
        if os.environ["HOW"] == "reset":
            self.request.recv(1)
            self.request.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            return self.request.close()
        self.request.sendall(os.environ["NAME"].encode())
        while self.request.recv(99): pass

    def finish(self):
        pass

class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = daemon_threads = True
    request_queue_size = 128
    def shutdown_request(self, request):
        try:
            super().shutdown_request(request)
        except OSError:
            pass

Server(("0.0.0.0", 5432), Handler).serve_forever(poll_interval=0.05)
'''
CONNECT = """
import socket, sys, threading, time
host = sys.argv[1]
held = []
def ask():
    while True:
        try:
            s = socket.create_connection((host, 5432), timeout=5)
            s.sendall(b"hello")
            said = s.recv(99).decode() or "-"
            if len(held) < 40: held.append(s)
            else: s.close()
        except OSError:
            said = "-"
        sys.stdout.write(said + "\\n"); sys.stdout.flush()
        time.sleep(0.03)
for _ in range(3):
    threading.Thread(target=ask, daemon=True).start()
sys.stdin.read()
"""
"""Keeps connecting until its input ends; a line for each connection. The first ones are held open."""


def version(name: str, says: str, how: str = "") -> list[Raw]:
    made = container("/usr/bin/python3", "/speaking/app.py", port=PORT, name=says)
    made["env"].append({"name": "HOW", "value": how})
    made["volumeMounts"].append({"name": "speaking", "mountPath": "/speaking"})
    body = deployment("shop", name, made)
    body["spec"]["template"]["spec"]["volumes"].append({"name": "speaking", "configMap": {"name": "speaking"}})
    return [body, front(name)]


def front(name: str, app: str = "") -> Raw:
    made = service("shop", name, app=app or name)
    made["spec"]["ports"] = [{"name": "tcp-db", "port": PORT, "targetPort": PORT}]
    return made


@pytest.fixture(scope="module")
def world() -> Iterator[Lab]:
    with lab() as made:
        made.tandem("up", "--detach", "--nodes", "2", "--lb-pool", POOL, status=0)
        meta = {"name": "speaking", "namespace": "shop"}
        made.apply(
            *namespace("shop", mesh=True),
            {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": {"app.py": SPEAKING}},
            pod("shop", "client", idle(), nodeName="node-1"),
            pod("shop", "other", idle(), nodeName="node-2"),
        )
        yield made


def made(world: Lab, name: str, how: str = "") -> None:
    world.apply(front(name, f"{name}-v1"), *version(f"{name}-v1", "one"), *version(f"{name}-v2", "two", how))


def connecting(world: Lab, name: str) -> Any:
    program = ["/usr/bin/python3", "-u", "-c", CONNECT, name]
    return kept(*(world.begin("shop", client, *program, stdin=True) for client in ("client", "other")))


def all_of(asking: Asking, name: str) -> None:
    until(lambda: asking.answers(60), lambda answers: answers == {name: 60})


def test_a_good_version_gets_all_connections_by_a_tcproute_and_without_one(world: Lab) -> None:
    """Also while its connections stay open: they count as soon as they are."""
    made(world, "good")
    parent = {"group": "", "kind": "Service", "name": "good"}
    rules = [{"backendRefs": [{"name": "good", "port": PORT}]}]
    meta = {"name": "good", "namespace": "shop"}
    world.apply(
        {"apiVersion": GATEWAY, "kind": "TCPRoute", "metadata": meta, "spec": {"parentRefs": [parent], "rules": rules}}
    )
    with connecting(world, "good") as connections:
        until(lambda: connections.answers(60), lambda answers: answers == {"one": 60}, world.logs)
        world.apply(canary("good"))
        found = reaches(world, "good", phase="Promoted")
        assert [e["weight"] for e in found["history"]] == [0, 20, 60, 100]
        assert min(found["canary"]["requests"], found["stable"]["requests"]) >= 10
        assert (found["canary"]["successRate"], found["canary"]["latencyMs"]) == (100, 0)
        all_of(connections, "two")
    text = world.tandem("explain", "shop/client", f"shop/svc/good:{PORT}", status=0).text
    assert "100% of what goes to Service shop/good is the canary's" in text
    assert "good-v2" in text


def test_a_version_that_breaks_connections_off_is_rolled_back(world: Lab) -> None:
    made(world, "bad", how="reset")
    with connecting(world, "bad") as connections:
        world.apply(canary("bad"))
        found = reaches(world, "bad", phase="RolledBack")
        assert (found["weight"], found["reason"]) == (0, "SuccessRateTooLow")
        assert found["message"].endswith("of the canary's connections succeeded, not 95.0%")
        assert found["canary"]["successRate"] < 50
        assert found["stable"]["successRate"] == 100
        all_of(connections, "one")


def test_a_gateway_divides_connections_too(world: Lab) -> None:
    made(world, "edge", how="reset")
    meta = {"name": "edge", "namespace": "shop"}
    listeners = [{"name": "db", "port": PORT, "protocol": "TCP"}]
    rules = [{"backendRefs": [{"name": "edge", "port": PORT}]}]
    world.apply(
        {
            "apiVersion": GATEWAY,
            "kind": "Gateway",
            "metadata": meta,
            "spec": {"gatewayClassName": "tandem", "listeners": listeners},
        },
        {
            "apiVersion": GATEWAY,
            "kind": "TCPRoute",
            "metadata": meta,
            "spec": {"parentRefs": [{"name": "edge"}], "rules": rules},
        },
    )
    (address,) = until(
        lambda: world.get("shop", "gateway", "edge").get("status", {}).get("addresses"), bool, world.logs
    )
    with kept(world.start("/usr/bin/python3", "-u", "-c", CONNECT, address["value"])) as connections:
        until(lambda: connections.answers(20), lambda answers: answers == {"one": 20}, world.logs)
        world.apply(canary("edge", steps=[{"weight": 40}]))
        found = reaches(world, "edge", phase="RolledBack")
        assert found["reason"] == "SuccessRateTooLow"
        all_of(connections, "one")
        world.apply(*version("edge-v3", "three"))
        world.apply(canary("edge", canary={"service": "edge-v3"}, steps=[{"weight": 40}]))
        reaches(world, "edge", phase="Promoted")
        all_of(connections, "three")


def test_latency_of_connections_is_refused_with_its_path(world: Lab) -> None:
    made(world, "slow")
    world.tandem("apply", "-f", "-", stdin=yaml.safe_dump(canary("slow", analysis={"latency": {"max": "1s"}})))
    conditions = until(lambda: status(world, "slow")["conditions"], bool)
    accepted = next(c for c in conditions if c["type"] == "Accepted")
    assert (accepted["status"], accepted["reason"]) == ("False", "UnsupportedField")
    assert accepted["message"].startswith("spec.analysis.latency: ")
