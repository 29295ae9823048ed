"""gRPC from pod to pod through a real Envoy: HTTP/2 all the way, trailers and all."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from meshbuild import attached, endpoint, endpoints, service, view
from netns.meshlab import Lab
from tandem.ir.fabric import AppProtocol

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


@pytest.mark.parametrize("app", [AppProtocol.GRPC, AppProtocol.HTTP])
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
