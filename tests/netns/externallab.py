"""A pod of the mesh and hosts outside of it, each a namespace; manifests go the whole way to a real Envoy."""

from __future__ import annotations

import contextlib
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import yaml

from builders import endpoint_slice, pod
from meshbuild import CONFIG, NODE, attached
from netns.meshapps import http_app
from netns.meshlab import Lab
from tandem.ir.node import AttachedPod, NodeView
from tandem.model import core
from tandem.model.parse import parse
from tandem.model.world import World
from tandem.observe.accesslog import flows_of
from tandem.observe.flow import Flow
from tandem.runtime.facts import names_for
from tandem.runtime.whois import Whois
from tandem.translate.mesh.istio.sidecar import SidecarIndex
from tandem.translate.mesh.istio.telemetry import TelemetryIndex
from tandem.translate.options import Options
from tandem.translate.world import translate_world

CLIENT, OTHER = "10.244.0.2", "10.244.0.3"
OUTSIDE = {"one": "192.0.2.10", "two": "192.0.2.11"}
"""Hosts outside the cluster, by name."""


def world_of(manifests: str) -> World:
    """The objects, in the namespace `shop` where none is given."""
    objects = []
    for raw in yaml.safe_load_all(manifests):
        raw["metadata"].setdefault("namespace", "shop")
        raw["metadata"].setdefault("uid", f"uid-{raw['metadata']['name']}")
        objects.append(parse(raw))
    slices = [endpoint_slice(o, []) for o in objects if isinstance(o, core.Service)]
    return World.of([*objects, *slices])


def view_of(manifests: str, *pods: AttachedPod, lenient: bool = False) -> NodeView:
    """What a node with these pods is told of the manifests; `lenient`: also where they have mistakes."""
    told = translate_world(world_of(manifests), Options())
    assert lenient or not [p for p in told.problems if p.severity.value == "error"], told.problems
    return NodeView(
        node=NODE,
        config=CONFIG,
        pods=pods,
        services=dict(told.services),
        endpoints=dict(told.endpoints),
        tables=dict(told.mesh.tables),
        policies=dict(told.mesh.policies),
    )


class Outside:
    """The lab with its client and its hosts."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.ns = {name: lab.pod(name, address) for name, address in {"a": CLIENT, "b": OTHER, **OUTSIDE}.items()}
        self.view: NodeView | None = None

    def apply(self, manifests: str, *, lenient: bool = False, **fields: Any) -> None:
        """Put in force what the manifests say, for the client and a pod of another namespace."""
        pods = [
            attached("a", CLIENT, netns=str(self.ns["a"])),
            attached("b", OTHER, netns=str(self.ns["b"]), namespace="other"),
        ]
        world = world_of(manifests)
        index, telemetry = SidecarIndex(world, Options()), TelemetryIndex(world, Options().root_namespace)
        told = [pod(p.pod.name, namespace=p.pod.namespace) for p in pods]
        said = [{"outbound": index.outbound(one), "logging": telemetry.logging(one)} for one in told]
        pods = [
            msgspec.structs.replace(p, pod=msgspec.structs.replace(p.pod, **fields))
            for p, fields in zip(pods, said, strict=True)
        ]
        self.view = msgspec.structs.replace(view_of(manifests, *pods, lenient=lenient), **fields)
        self.lab.apply(self.view)

    def pod(self, name: str) -> AttachedPod:
        """One of the two pods, as it was put in force."""
        assert self.view is not None
        return next(p for p in self.view.pods if p.pod.name == name)

    def address(self, host: str) -> str:
        """What the cluster's DNS says of a host."""
        assert self.view is not None
        (address,) = self.view.services[host].cluster_ips
        return address

    def curl(self, url: str, *more: str, who: str = "a", address: str = "") -> tuple[int, str]:
        """The status and the body of a request; status 0: no answer. `address`: what the name resolves to."""
        host = url.partition("://")[2].partition("/")[0].partition(":")[0]
        port = url.partition("://")[2].partition("/")[0].partition(":")[2] or ("443" if "https" in url else "80")
        named = ["--resolve", f"{host}:{port}:{address}"] if address else []
        command = ["ip", "netns", "exec", self.ns[who].name, "curl", "-s", "-m", "5", "-w", "\n%{http_code}"]
        done = subprocess.run([*command, *named, *more, url], capture_output=True, text=True, check=False)
        body, _, code = done.stdout.rpartition("\n")
        return int(code or 0), body


def flow_of(outside: Outside, log: str, path: str) -> Flow:
    """The flow of the newest entry that a log has of a path (empty: of a connection)."""

    def wanted(entry: object) -> bool:
        request = getattr(entry, "request", None)
        return (request.path if request is not None else "") == path

    entry = outside.lab.ads.log_of(log, wanted)[-1]
    assert outside.view is not None
    message = type("Message", (), {})()
    message.http_logs = type("Logs", (), {"log_entry": [entry] if path else []})
    message.tcp_logs = type("Logs", (), {"log_entry": [] if path else [entry]})
    (found,) = flows_of(log, message, names_for("n1", Whois(outside.view)))
    return found


@contextlib.contextmanager
def running(prefix: str) -> Iterator[Outside]:
    """With an HTTP server at port 80 of each host, which says its name."""
    with Lab(prefix) as lab, contextlib.ExitStack() as apps:
        made = Outside(lab)
        for name in OUTSIDE:
            apps.enter_context(http_app(made.ns[name], 80, name))
        yield made


def tls_context(directory: Path, chain: str, key: str, *, roots: str = "") -> ssl.SSLContext:
    """A server's; with `roots` it asks clients for a certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    for name, text in (("chain", chain), ("key", key)):
        (directory / f"{name}.pem").write_text(text)
    context.load_cert_chain(directory / "chain.pem", directory / "key.pem")
    if roots:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(cadata=roots)
    return context
