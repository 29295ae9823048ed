"""Pods are replaced, scaled and killed under load: not one request fails, and nobody sleeps in a preStop hook for it.

The applications die the moment that they are told to. Clients speak HTTP/1.1 over connections that they keep, HTTP/2,
and gRPC with streams; whatever is not a whole answer is a failure.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from e2e.lab import Lab, lab, until
from e2e.objects import Raw, deployment, idle, namespace, pod, service, virtual_service, web

pytestmark = pytest.mark.root

RPC = """
import grpc, os, time
from concurrent import futures
name = os.environ["NAME"].encode()
def say(request, context):
    time.sleep(0.05)
    return name
def tell(request, context):
    for n in range(10):
        time.sleep(0.05)
        yield name
class Handler(grpc.GenericRpcHandler):
    def service(self, details):
        if details.method == "/shop.Echo/Tell":
            return grpc.unary_stream_rpc_method_handler(tell)
        return grpc.unary_unary_rpc_method_handler(say)
server = grpc.server(futures.ThreadPoolExecutor(32))
server.add_generic_rpc_handlers((Handler(),))
server.add_insecure_port("0.0.0.0:8080")
server.start()
server.wait_for_termination()
"""
"""Answers after a twentieth of a second, or ten times in half a second. SIGTERM ends it at once."""
HTTP_LOAD = """
import http.client, json, sys, threading, time
failures, answers, stop = [], {}, threading.Event()
def ask():
    server = http.client.HTTPConnection(sys.argv[1], timeout=20)
    while not stop.is_set():
        try:
            server.request("GET", "/slow/0.05")
            answer = server.getresponse()
            body = answer.read()
            if answer.status != 200:
                raise OSError(f"{answer.status} {body[:80]}")
            name = json.loads(body)["name"]
            answers[name] = answers.get(name, 0) + 1
        except (OSError, http.client.HTTPException) as err:
            failures.append(f"{time.strftime('%X')} {err!r}")
            server.close()
    server.close()
threads = [threading.Thread(target=ask) for _ in range(8)]
[t.start() for t in threads]
print("begun", flush=True)
sys.stdin.read()
stop.set()
[t.join() for t in threads]
print(json.dumps({"answers": answers, "failures": failures}))
"""
"""Eight connections, kept for as long as the other end lets them, until its input ends."""
RPC_LOAD = """
import grpc, json, sys, threading, time
failures, answers, stop = [], {}, threading.Event()
def ask(stream):
    with grpc.insecure_channel(sys.argv[1], options=[("grpc.use_local_subchannel_pool", 1)]) as channel:
        call = channel.unary_stream("/shop.Echo/Tell") if stream else channel.unary_unary("/shop.Echo/Say")
        while not stop.is_set():
            try:
                found = list(call(b"", timeout=20)) if stream else [call(b"", timeout=20)]
                if len(found) != (10 if stream else 1):
                    raise OSError(f"{len(found)} messages")
                name = found[-1].decode()
                answers[name] = answers.get(name, 0) + 1
            except (OSError, grpc.RpcError) as err:
                failures.append(f"{time.strftime('%X')} {stream} {err!r}"[:300])
threads = [threading.Thread(target=ask, args=(n % 2,)) for n in range(8)]
[t.start() for t in threads]
print("begun", flush=True)
sys.stdin.read()
stop.set()
[t.join() for t in threads]
print(json.dumps({"answers": answers, "failures": failures}))
"""
"""The same over HTTP/2: calls with one answer, and streams of ten messages."""


def rpc(name: str) -> Raw:
    made = web(name)
    made["command"] = [sys.executable, "-c", RPC]
    return made


def versions(name: str, body: Raw, *, replicas: int = 3) -> Raw:
    made = deployment("shop", name, body, replicas=replicas)
    made["spec"]["strategy"] = {"rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}
    made["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] = 20
    return made


@pytest.fixture(scope="module")
def world() -> Iterator[Lab]:
    """A Service of HTTP and one of gRPC; clients of the mesh on both nodes."""
    with lab() as made:
        made.tandem("up", "--detach", "--nodes", "2", status=0)
        grpc_front = service("shop", "rpc")
        grpc_front["spec"]["ports"][0]["appProtocol"] = "grpc"
        made.apply(
            *namespace("shop", mesh=True),
            versions("web", web("one")),
            service("shop", "web"),
            versions("rpc", rpc("one")),
            grpc_front,
            pod("shop", "client", idle(), nodeName="node-1"),
            pod("shop", "other", idle(), nodeName="node-2"),
        )
        yield made


class Load:
    """Requests that go on until `result`, which is what all clients together have to tell."""

    def __init__(self, processes: list[subprocess.Popen[str]]) -> None:
        self.processes = processes
        self.answers: dict[str, int] = {}
        self.failures: list[str] = []

    def end(self) -> None:
        for process in self.processes:
            out, err = process.communicate(timeout=90)
            told: Any = json.loads(out.splitlines()[-1]) if out.strip() else {"answers": {}, "failures": [err]}
            self.failures += told["failures"]
            answered: dict[str, int] = told["answers"]
        for name, number in answered.items():
            self.answers[name] = self.answers.get(name, 0) + number


@contextmanager
def load(world: Lab) -> Iterator[Load]:
    programs = (("/usr/bin/python3", HTTP_LOAD, "web"), (sys.executable, RPC_LOAD, "rpc:80"))
    processes = [
        world.begin("shop", client, python, "-u", "-c", program, target, stdin=True)
        for client in ("client", "other")
        for python, program, target in programs
    ]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "begun\n"
    made = Load(processes)
    try:
        yield made
    finally:
        made.end()


def pods(world: Lab, app: str) -> list[Any]:
    found = world.get("shop", "pods")["items"]
    return [p for p in found if p["metadata"]["labels"].get("app") == app]


def alone(world: Lab, name: str, number: int, body: str) -> Any:
    """Until so many pods, all of that body, are all there is of a Deployment."""

    def whole(found: list[Any]) -> bool:
        names = [p["spec"]["containers"][0]["env"][0]["value"] for p in found]
        return names == [body] * number and all("deletionTimestamp" not in p["metadata"] for p in found)

    return until(lambda: pods(world, name), whole, world.logs)


def test_a_rolling_update_loses_no_request(world: Lab) -> None:
    with load(world) as requests:
        world.apply(versions("web", web("two")), versions("rpc", rpc("two")))
        for name in ("web", "rpc"):
            alone(world, name, 3, "two")
    assert requests.failures == []
    assert min(requests.answers["one"], requests.answers["two"]) > 20


def test_scaling_down_and_up_loses_no_request(world: Lab) -> None:
    with load(world) as requests:
        for number in (1, 3):
            world.apply(versions("web", web("two"), replicas=number), versions("rpc", rpc("two"), replicas=number))
            for name in ("web", "rpc"):
                alone(world, name, number, "two")
    assert requests.failures == []
    assert requests.answers["two"] > 40


def test_deleted_pods_lose_no_request(world: Lab) -> None:
    with load(world) as requests:
        for name in ("web", "rpc"):
            world.delete("-n", "shop", "pod", pods(world, name)[0]["metadata"]["name"])
        world.settled()
    assert requests.failures == []


RETRIES: Raw = {"attempts": 5, "retryOn": "5xx,reset,connect-failure,refused-stream,unavailable,cancelled,internal"}


def test_killed_applications_lose_no_request_that_may_be_asked_again(world: Lab) -> None:
    for name in ("web", "rpc"):
        http: list[Raw] = [{"route": [{"destination": {"host": name}}], "retries": RETRIES}]
        world.apply(virtual_service("shop", name, http))
    with load(world) as requests:
        for name in ("web", "rpc"):
            victim = pods(world, name)[0]["metadata"]["name"]
            world.inside("shop", victim, "sh", "-c", "kill -9 -1")
        world.settled()
    assert [f for f in requests.failures if " 1 " not in f] == []
