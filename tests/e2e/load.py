"""Requests that go on while something happens to the mesh: HTTP/1.1, gRPC calls and streams; what became of each."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from e2e.lab import Lab
from e2e.objects import Raw, idle, namespace, pod, service, web

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


def shop(web_: Raw, rpc_: Raw) -> list[Raw]:
    """What `load` asks: two Deployments in the mesh with their Services, and clients on both nodes."""
    front = service("shop", "rpc")
    front["spec"]["ports"][0]["appProtocol"] = "grpc"
    return [
        *namespace("shop", mesh=True),
        web_,
        service("shop", "web"),
        rpc_,
        front,
        pod("shop", "client", idle(), nodeName="node-1"),
        pod("shop", "other", idle(), nodeName="node-2"),
    ]


def rpc(name: str) -> Raw:
    """A container that serves gRPC."""
    made = web(name)
    made["command"] = [sys.executable, "-c", RPC]
    return made


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
