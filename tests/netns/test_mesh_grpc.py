"""gRPC from pod to pod through a real Envoy: HTTP/2 all the way, trailers and all."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import builders
from meshbuild import attached, endpoint, endpoints, service, view
from meshworlds import grpcroute, parent
from netns.meshapps import dial
from netns.meshlab import Lab
from tandem.ir.fabric import AppProtocol
from tandem.ir.mesh import RouteTable
from tandem.model.world import World
from tandem.translate.mesh import translate_mesh
from tandem.translate.options import Options

pytestmark = pytest.mark.root

SERVER = """
import grpc, sys
from concurrent import futures
class Echo(grpc.GenericRpcHandler):
    def service(self, details):
        xfcc = dict(details.invocation_metadata).get("x-forwarded-client-cert", "")
        def answer(request, context):
            context.set_trailing_metadata((("x-trailer", "yes"),))
            return request + b" " + xfcc.encode()
        return grpc.unary_unary_rpc_method_handler(answer)
server = grpc.server(futures.ThreadPoolExecutor(4))
server.add_generic_rpc_handlers((Echo(),))
server.add_insecure_port("0.0.0.0:9000")
server.start()
print("ready", flush=True)
server.wait_for_termination()
"""
CLIENT = """
import grpc, sys
with grpc.insecure_channel(sys.argv[1]) as channel:
    answer, call = channel.unary_unary("/shop.Echo/Say").with_call(b"hi", timeout=10)
    print(answer.decode(), dict(call.trailing_metadata()))
"""


def python(netns: Path, code: str, *args: str) -> list[str]:
    return ["nsenter", f"--net={netns}", sys.executable, "-c", code, *args]


@pytest.mark.parametrize("app", [AppProtocol.GRPC, AppProtocol.HTTP, AppProtocol.DETECTED])
def test_a_call_keeps_its_trailers_and_names_the_caller(app: AppProtocol) -> None:
    with Lab("h" + app.value[0]) as lab:
        a = attached("a", "10.244.0.2", netns=str(lab.pod("a", "10.244.0.2")))
        b = attached("b", "10.244.0.3", netns=str(lab.pod("b", "10.244.0.3")))
        lab.apply(view(a, b, service("echo", "10.96.1.1", ("rpc", 80, app)), endpoints("echo", endpoint(b, rpc=9000))))
        with subprocess.Popen(python(Path(b.netns), SERVER), stdout=subprocess.PIPE, text=True) as server:
            try:
                assert server.stdout is not None
                assert server.stdout.readline() == "ready\n"
                command = python(Path(a.netns), CLIENT, "10.96.1.1:80")
                done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
            finally:
                server.kill()
        assert done.returncode == 0, done.stderr
        assert done.stdout.startswith("hi ")
        assert f"URI={a.pod.identity}" in done.stdout
        assert "x-trailer" in done.stdout


ECHO = Path(__file__).parents[1] / "conformance" / "echo.py"
ASK = """
import grpc, json, queue, sys
target, sticky = sys.argv[1:]
channel = grpc.insecure_channel(target)
def call(path, metadata=()):
    try:
        body, call = channel.unary_unary(path).with_call(b"", metadata=metadata, timeout=10)
        return json.loads(body), dict(call.initial_metadata())
    except grpc.RpcError as err:
        return err.code().name, {}
def pods(path, metadata=()):
    return sorted({call(path, metadata)[0]["pod"] for _ in range(20)})
_, first = call("/x.Sticky/Get")
said, streamed = queue.Queue(), []
answers = channel.stream_stream("/x.Copied/Stream")(iter(said.get, None), timeout=10)
for word in (b"a", b"b", b"c"):
    said.put(word)
    streamed.append(next(answers).decode())
said.put(None)
print(json.dumps({
    "sticky": pods("/x.Sticky/Get", ((sticky, first[sticky]),)),
    "spread": pods("/x.Spread/Get"),
    "copied": pods("/x.Copied/Get"),
    "gone": call("/x.Gone/Get")[0],
    "nobody": call("/x.Nobody/Get")[0],
    "streamed": streamed,
}))
"""


def grpc_table() -> RouteTable:
    """What control makes of a GRPCRoute with a session, a mirror and a backend that is not there."""

    def rule(name: str, *backends: str, **more: Any) -> dict[str, Any]:
        refs = [{"name": b, "port": 80} for b in backends]
        return {"matches": [{"method": {"service": f"x.{name}"}}], "backendRefs": refs, **more}

    copy = {"type": "RequestMirror", "requestMirror": {"backendRef": {"name": "two", "port": 80}}}
    sticky = {"type": "Header", "header": {"name": "x-session"}}
    rules = [
        rule("Sticky", "echo", sessionPersistence=sticky),
        rule("Spread", "echo"),
        rule("Copied", "one", filters=[copy]),
        rule("Gone", "gone"),
    ]
    ports = [{"name": "grpc", "port": 80}]
    services = [builders.service(name, ns="shop", ports=ports) for name in ("echo", "one", "two")]
    world = World.of([*services, grpcroute(ns="shop", parentRefs=[parent("echo")], rules=rules)])
    return translate_mesh(world, Options())[0].tables["shop/echo"]


@contextlib.contextmanager
def echoing(netns: str, name: str) -> Iterator[None]:
    command = ["nsenter", f"--net={netns}", sys.executable, str(ECHO)]
    with subprocess.Popen(command, env={**os.environ, "NAME": name}) as process:
        try:
            wait_for(Path(netns), 7070)
            yield
        finally:
            process.kill()


def wait_for(netns: Path, port: int) -> None:
    deadline = time.monotonic() + 30
    while True:
        with contextlib.suppress(OSError), contextlib.closing(dial(netns, "127.0.0.1", port)):
            return
        assert time.monotonic() < deadline, f"nobody listens to {port}"
        time.sleep(0.05)


def test_a_route_of_grpc_keeps_sessions_copies_calls_streams_and_answers_in_grpc() -> None:
    with Lab("hr") as lab, contextlib.ExitStack() as apps:
        addresses = {"a": "10.244.0.2", "v1": "10.244.0.3", "v2": "10.244.0.4"}
        pods = {name: attached(name, ip, netns=str(lab.pod(name, ip))) for name, ip in addresses.items()}
        v1, v2 = (endpoint(pods[name], grpc=7070) for name in ("v1", "v2"))
        for name in ("v1", "v2"):
            apps.enter_context(echoing(pods[name].netns, name))
        fronts = {"echo": ("10.96.1.1", [v1, v2]), "one": ("10.96.1.2", [v1]), "two": ("10.96.1.3", [v2])}
        parts: list[Any] = [*pods.values(), grpc_table()]
        for name, (ip, members) in fronts.items():
            parts += [service(name, ip, ("grpc", 80, AppProtocol.GRPC)), endpoints(name, *members)]
        lab.apply(view(*parts))
        command = python(Path(pods["a"].netns), ASK, "10.96.1.1:80", "x-session")
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr
        found = json.loads(done.stdout)
        assert len(found.pop("sticky")) == 1
        assert found == {
            "spread": ["v1", "v2"],
            "copied": ["v1"],
            "gone": "UNAVAILABLE",
            "nobody": "UNIMPLEMENTED",
            "streamed": ["a", "b", "c"],
        }
        copies = lab.ads.log_of("destination|uid-v2", lambda entry: entry.request.path == "/x.Copied/Get")
        assert copies
