"""Clients of HTTP/2 at ports that say http: the server gets HTTP/1.1, and HTTP/2 where that is meant (0065)."""

from __future__ import annotations

import contextlib
import socketserver
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from conformance import http2
from meshbuild import attached, endpoint, endpoints, service, view
from netns.meshapps import http_app, listening, serving
from netns.meshlab import Lab
from tandem.ir.fabric import AppProtocol
from tandem.ir.node import AttachedPod
from tandem.ir.traffic import Pool, Traffic, TrafficPolicy

pytestmark = pytest.mark.root

ADDRESSES = {"a": "10.244.0.2", "old": "10.244.0.3", "new": "10.244.0.4"}
OLD, NEW, SAID, FREE, FORCED = (f"10.96.1.{i}" for i in range(1, 6))
PORT = 8080


class _Http2Only(socketserver.BaseRequestHandler):
    """Knows no other protocol: whoever speaks HTTP/1.1 is closed without an answer."""

    def handle(self) -> None:
        with contextlib.suppress(OSError, EOFError):
            http2.serve(self.request, b"two")


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True


@pytest.fixture(scope="module")
def pods() -> Iterator[dict[str, AttachedPod]]:
    with Lab("h2") as lab, contextlib.ExitStack() as apps:
        made = {
            name: attached(name, ip, netns=str(lab.pod(name, ip)), plain_http_ports=(PORT,))
            for name, ip in ADDRESSES.items()
        }
        apps.enter_context(http_app(Path(made["old"].netns), PORT))
        server = _Server(("127.0.0.1", 0), _Http2Only, bind_and_activate=False)
        apps.enter_context(serving(server, listening(Path(made["new"].netns), PORT)))
        fronts = {
            "old": (OLD, "old", AppProtocol.HTTP),
            "new": (NEW, "new", AppProtocol.HTTP),
            "said": (SAID, "new", AppProtocol.HTTP2),
            "free": (FREE, "new", AppProtocol.HTTP),
            "forced": (FORCED, "new", AppProtocol.HTTP),
        }
        parts: list[Any] = [*made.values()]
        for name, (ip, pod, app) in fronts.items():
            parts += [service(name, ip, ("web", 80, app)), endpoints(name, endpoint(made[pod], web=PORT))]
        for name, pool in (("free", Pool(as_client=True)), ("forced", Pool(http2=True))):
            parts.append(TrafficPolicy(namespace="shop", service=name, traffic=Traffic(pool=pool)))
        lab.apply(view(*parts))
        yield made


def ask(pods: dict[str, AttachedPod], url: str, *options: str) -> tuple[str, str]:
    """What curl gets from pod a: the body, and the status with the version that was spoken to it."""
    told = ("-w", "\n%{http_code} %{http_version}")
    command = ["nsenter", f"--net={pods['a'].netns}", "curl", "-sS", "-m", "8", *told, *options, url]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    body, _, status = done.stdout.rpartition("\n")
    return body, status


PRIOR = "--http2-prior-knowledge"


def test_a_server_of_http1_alone_answers_a_client_of_http2(pods: dict[str, AttachedPod]) -> None:
    body, status = ask(pods, f"http://{OLD}/path", PRIOR)
    assert status == "200 2"
    assert '"path": "/path"' in body
    assert f"URI={pods['a'].pod.identity}" in body


def test_a_body_and_many_requests_go_through(pods: dict[str, AttachedPod]) -> None:
    _, status = ask(pods, f"http://{OLD}/", PRIOR, "-X", "GET", "-d", "x" * 100_000)
    assert status == "200 2"
    told = [ask(pods, f"http://{OLD}/{i}", PRIOR)[0] for i in range(5)]
    assert [f'"path": "/{i}"' in body for i, body in enumerate(told)] == [True] * 5


def test_a_client_of_http1_is_as_before(pods: dict[str, AttachedPod]) -> None:
    assert ask(pods, f"http://{OLD}/", "--http1.1")[1] == "200 1.1"


def test_a_server_of_http2_alone_needs_a_port_that_says_so(pods: dict[str, AttachedPod]) -> None:
    assert ask(pods, f"http://{NEW}/", PRIOR)[1].startswith("50")
    for options in ((PRIOR,), ("--http1.1",)):
        body, status = ask(pods, f"http://{SAID}/", *options)
        assert (body, status[:3]) == ("two", "200")


def test_grpc_stays_http2_whatever_the_port_says(pods: dict[str, AttachedPod]) -> None:
    for kind in ("application/grpc", "application/grpc+proto", "application/grpc;x=y"):
        assert ask(pods, f"http://{NEW}/", PRIOR, "-H", f"content-type: {kind}") == ("two", "200 2")
    # A translation of gRPC for browsers is no gRPC: servers of HTTP/1.1 speak it.
    assert ask(pods, f"http://{OLD}/", PRIOR, "-H", "content-type: application/grpc-web")[1] == "200 2"


def test_a_rule_may_say_that_the_server_is_spoken_to_as_the_client_speaks(pods: dict[str, AttachedPod]) -> None:
    assert ask(pods, f"http://{FREE}/", PRIOR) == ("two", "200 2")
    assert ask(pods, f"http://{FREE}/", "--http1.1")[1].startswith("50")


def test_a_rule_may_say_http2_whatever_the_client_speaks(pods: dict[str, AttachedPod]) -> None:
    for options in ((PRIOR,), ("--http1.1",)):
        assert ask(pods, f"http://{FORCED}/", *options)[0] == "two"


def test_what_goes_to_an_address_of_a_pod_is_as_the_client_speaks(pods: dict[str, AttachedPod]) -> None:
    assert ask(pods, f"http://{ADDRESSES['new']}:{PORT}/", PRIOR) == ("two", "200 2")
