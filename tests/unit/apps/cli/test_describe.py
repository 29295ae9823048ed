"""tandem describe over the embedded API."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from cliobjects import pod, policy, service
from tandem.apps.cli.describe import text_of
from tandem.model.kinds import BY_KIND

Tandem = Callable[..., Any]
Manifest = Callable[..., str]


def test_a_pod_names_the_policies_that_select_it(tandem: Tandem, manifest: Manifest) -> None:
    objects = (pod(labels={"app": "web"}), policy("mine", app="web"), policy("other", app="db"), policy("every"))
    file = manifest(*objects)
    tandem("apply", "--wait", "0", "-f", file)
    out = tandem("describe", "pod", "web-0").out
    assert out.startswith("Name:         pod/web-0\nNamespace:    default\n")
    assert f"Applied from: {file}:1" in out
    assert out.split("Network policies:\n")[1].splitlines() == ["  every", "  mine"]
    assert tandem("describe", "netpol/mine").out.endswith("Pods:\n  web-0\n")


def test_a_service_lists_its_endpoints(tandem: Tandem, manifest: Manifest) -> None:
    piece = {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {"name": "web-1", "labels": {"kubernetes.io/service-name": "web"}},
        "addressType": "IPv4",
        "endpoints": [{"addresses": ["10.0.0.1"], "conditions": {"ready": False}}],
        "ports": [{"port": 8080}],
    }
    tandem("apply", "-f", manifest(service(), piece))
    assert tandem("describe", "svc", "web").out.endswith("Endpoints:\n  10.0.0.1 8080/TCP not ready\n")


def test_a_secret_is_not_shown(tandem: Tandem, manifest: Manifest) -> None:
    tandem(
        "apply",
        "-f",
        manifest({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "data": {"k": "aGVsbG8="}}),
    )
    out = tandem("describe", "secret", "s").out
    assert "aGVsbG8=" not in out
    assert "k: 8 characters of base64" in out


def test_conditions_have_a_line_each() -> None:
    condition = {"type": "Programmed", "status": "False", "reason": "Pending", "message": "waiting"}
    lines = text_of(BY_KIND["NetworkPolicy"], {**policy(), "status": {"conditions": [condition]}}, {}, 0.0)
    assert lines[-1] == "  Programmed=False (Pending): waiting"


def test_a_kind_alone_is_wrong_use(tandem: Tandem) -> None:
    assert tandem("describe", "pod").status == 2


def test_json_has_the_object_and_what_belongs_to_it(tandem: Tandem, manifest: Manifest) -> None:
    tandem("apply", "-f", manifest(pod()))
    told = json.loads(tandem("describe", "pod", "web-0", "-o", "json").out)
    assert told["object"]["metadata"]["name"] == "web-0"
    assert told["related"] == {"Network policies": []}


def test_a_gateway_its_routes_and_its_policies_name_each_other(tandem: Tandem, manifest: Manifest) -> None:
    group = "gateway.networking.k8s.io"
    listener = {"name": "http", "port": 80, "protocol": "HTTP"}
    gateway, route, policy_ = (
        {"apiVersion": api, "kind": kind, "metadata": {"name": name}, "spec": spec}
        for api, kind, name, spec in (
            (f"{group}/v1", "Gateway", "edge", {"gatewayClassName": "tandem", "listeners": [listener]}),
            (f"{group}/v1", "HTTPRoute", "web", {"parentRefs": [{"name": "edge", "sectionName": "http"}]}),
            (
                "security.istio.io/v1",
                "AuthorizationPolicy",
                "shut",
                {"action": "DENY", "rules": [{}], "targetRefs": [{"group": group, "kind": "Gateway", "name": "edge"}]},
            ),
        )
    )
    tandem("apply", "--wait", "0", "-f", manifest(gateway, route, policy_))
    out = tandem("describe", "gateway", "edge").out
    assert "Routes:\n  HTTPRoute default/web listener http: nothing was said of it yet\n" in out
    assert out.endswith("Judged by:\n  AuthorizationPolicy default/shut (DENY)\n")
    parents = tandem("describe", "httproute", "web").out
    assert parents.endswith("Parents:\n  Gateway default/edge listener http: nothing was said of it yet\n")
    assert tandem("describe", "authorizationpolicy", "shut").out.endswith("Gateways:\n  default/edge\n")


def test_what_objects_say_is_no_command_to_the_terminal(tandem: Tandem, manifest: Manifest) -> None:
    tandem("apply", "-f", manifest(service()))
    known = json.loads(tandem("get", "svc", "web", "-o", "json").out)
    event = {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": "e"},
        "involvedObject": {"kind": "Service", "name": "web", "uid": known["metadata"]["uid"]},
        "type": "Normal",
        "reason": "Said",
        "message": "\r\x9b2Jall well",
    }
    tandem("apply", "-f", manifest(event))
    out = tandem("describe", "svc", "web").out
    assert "all well" in out
    assert all(line.isprintable() for line in out.split("\n"))
