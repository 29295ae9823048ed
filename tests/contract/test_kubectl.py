"""The real kubectl against the embedded API server."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from apiserving import RunningServer

POD = """\
apiVersion: v1
kind: Pod
metadata: {name: web, labels: {app: web, old: "1"}}
spec:
  containers: [{name: c, image: host, command: [sleep, "1"]}]
"""
DEPLOYMENT = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers: [{name: c, image: host, ports: [{containerPort: 80}]}]
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {selector: {app: web}, ports: [{port: 80}]}
"""
ROUTE = """\
apiVersion: networking.istio.io/v1alpha3
kind: VirtualService
metadata: {name: web}
spec:
  hosts: [web]
  http: [{route: [{destination: {host: web, subset: v1}}]}]
"""
EVENT = """\
apiVersion: v1
kind: Event
metadata: {{name: {name}}}
involvedObject: {{kind: Pod, namespace: default, name: web, uid: {uid}, fieldPath: "spec.containers{{c}}"}}
type: Warning
reason: {reason}
message: Back-off of c
count: 4
firstTimestamp: "2026-01-31T12:00:00Z"
lastTimestamp: "2026-01-31T12:05:00Z"
source: {{component: tandem-runtime, host: n1}}
"""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RunningServer]:
    with RunningServer(tmp_path) as running:
        yield running


def ok(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_apply_creates_configures_and_removes_what_the_manifest_dropped(server: RunningServer) -> None:
    assert ok(server.kubectl("apply", "-f", "-", stdin=POD)) == "pod/web created\n"
    assert ok(server.kubectl("apply", "-f", "-", stdin=POD)) == "pod/web unchanged\n"
    assert ok(server.kubectl("apply", "-f", "-", stdin=POD.replace(', old: "1"', ""))) == "pod/web configured\n"
    assert json.loads(ok(server.kubectl("get", "pod", "web", "-o", "json")))["metadata"]["labels"] == {"app": "web"}


def test_get_shows_tables(server: RunningServer) -> None:
    ok(server.kubectl("apply", "-f", "-", stdin=POD))
    ok(server.kubectl("apply", "-f", "-", stdin=DEPLOYMENT))
    lines = ok(server.kubectl("get", "pods", "-o", "wide")).splitlines()
    assert lines[0].split() == ["NAME", "READY", "STATUS", "RESTARTS", "AGE", "IP", "NODE"]
    assert lines[1].split()[:4] == ["web", "0/1", "Pending", "0"]
    assert "10.96.0.16" in ok(server.kubectl("get", "all", "-A"))


def test_warnings_reach_the_user(server: RunningServer) -> None:
    assert server.kubectl("apply", "-f", "-", stdin=POD).stderr == "Warning: looked at Pod\n"


def test_a_wrong_field_is_refused_with_its_path(server: RunningServer) -> None:
    done = server.kubectl("apply", "-f", "-", stdin=POD.replace("command", "comand"))
    assert done.returncode == 1
    assert 'spec.containers[0].comand: unknown field (did you mean "command"?)' in done.stderr


def old(server: RunningServer) -> bool:
    """Debian 12's kubectl 1.20: it reads OpenAPI 2 alone, of which the server has an empty document."""
    version = json.loads(ok(server.kubectl("version", "--client", "-o", "json")))["clientVersion"]
    return int(version["minor"].rstrip("+")) < 27


def test_describe_and_label(server: RunningServer) -> None:
    ok(server.kubectl("create", "-f", "-", stdin=POD))
    ok(server.kubectl("label", "pod", "web", "tier=front"))
    assert "tier=front" in ok(server.kubectl("describe", "pod", "web"))
    assert ok(server.kubectl("logs", "web", "--tail=5")) == "default/web/c\ntail=5\n"


def test_explain_knows_the_fields_or_says_that_the_client_is_too_old(server: RunningServer) -> None:
    done = server.kubectl("explain", "pod.spec.containers.ports")
    assert ("couldn't find resource" in done.stderr) if old(server) else ("containerPort" in ok(done))


def test_diff_shows_the_change_and_makes_none(server: RunningServer) -> None:
    ok(server.kubectl("apply", "-f", "-", stdin=DEPLOYMENT))
    done = server.kubectl("diff", "-f", "-", stdin=DEPLOYMENT.replace("replicas: 2", "replicas: 3"))
    assert (done.returncode, "+  replicas: 3" in done.stdout) == ((2, False) if old(server) else (1, True))
    assert ok(server.kubectl("get", "deploy", "web", "-o", "jsonpath={.spec.replicas}")) == "2"


def test_an_old_version_is_served_from_the_same_store(server: RunningServer) -> None:
    ok(server.kubectl("apply", "-f", "-", stdin=ROUTE))
    ok(server.kubectl("apply", "-f", "-", stdin=ROUTE.replace("v1}", "v2}")))
    raw = json.loads(ok(server.kubectl("get", "virtualservices.v1beta1.networking.istio.io", "web", "-o", "json")))
    assert raw["apiVersion"] == "networking.istio.io/v1beta1"
    assert raw["spec"]["http"][0]["route"][0]["destination"]["subset"] == "v2"


def test_delete_waits_until_a_namespace_is_gone(server: RunningServer) -> None:
    namespace = "apiVersion: v1\nkind: Namespace\nmetadata: {name: shop}\n"
    ok(server.kubectl("create", "-f", "-", stdin=namespace))
    ok(server.kubectl("create", "-n", "shop", "-f", "-", stdin=DEPLOYMENT))
    ok(server.kubectl("delete", "namespace", "shop"))
    assert "shop" not in ok(server.kubectl("get", "ns", "-o", "name"))


def test_a_watch_shows_what_comes(server: RunningServer) -> None:
    command = ["kubectl", "--kubeconfig", str(server.kubeconfig), "get", "pods", "-w", "--no-headers"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as watching:
        assert watching.stdout is not None
        try:
            ok(server.kubectl("create", "-f", "-", stdin=POD))
            assert watching.stdout.readline().split()[:3] == ["web", "0/1", "Pending"]
            ok(server.kubectl("delete", "pod", "web"))
            assert watching.stdout.readline().split()[0] == "web"
        finally:
            watching.terminate()


def test_events_are_shown_listed_followed_and_described(server: RunningServer) -> None:
    ok(server.kubectl("apply", "-f", "-", stdin=POD))
    uid = ok(server.kubectl("get", "pod", "web", "-o", "jsonpath={.metadata.uid}"))
    ok(server.kubectl("create", "-f", "-", stdin=EVENT.format(name="web.1", uid=uid, reason="BackOff")))
    ok(server.kubectl("create", "-f", "-", stdin=EVENT.format(name="web.2", uid="other", reason="Killing")))
    shown = ok(server.kubectl("get", "events"))
    head, first, second = shown.splitlines()
    assert head.split() == ["LAST", "SEEN", "TYPE", "REASON", "OBJECT", "MESSAGE"]
    assert first.split()[1:] == ["Warning", "BackOff", "pod/web", "Back-off", "of", "c"]
    assert "Killing" in second
    assert "SUBOBJECT" in ok(server.kubectl("get", "ev", "-o", "wide"))
    chosen = ("--field-selector", f"involvedObject.kind=Pod,involvedObject.uid={uid}", "-o", "name")
    assert ok(server.kubectl("get", "events", *chosen)).split() == ["event/web.1"]
    note = ("get", "events.events.k8s.io", "web.1", "-o", "jsonpath={.note} {.regarding.name} {.deprecatedCount}")
    assert ok(server.kubectl(*note)) == "Back-off of c web 4"
    described = ok(server.kubectl("describe", "pod", "web"))
    (line,) = [text for text in described.splitlines() if "BackOff" in text]
    assert line.split()[:2] == ["Warning", "BackOff"]
    assert "(x4 over " in line
    assert "tandem-runtime" in line
    assert "Killing" not in described, "of an earlier pod of the name"
    done = server.kubectl("get", "events", "--field-selector", "spec.nodeName=x")
    assert "field selector 'spec.nodeName=x' is not supported" in done.stderr
    ok(server.kubectl("delete", "events", "--all"))
    assert "No resources found" in server.kubectl("get", "events").stderr


def test_scale_changes_the_replicas(server: RunningServer) -> None:
    ok(server.kubectl("apply", "-f", "-", stdin=DEPLOYMENT))
    ok(server.kubectl("scale", "deploy", "web", "--replicas=5"))
    assert ok(server.kubectl("get", "deploy", "web", "-o", "jsonpath={.spec.replicas}")) == "5"


def test_what_is_not_supported_says_so(server: RunningServer) -> None:
    done = server.kubectl("apply", "--server-side", "-f", "-", stdin=POD)
    assert "use kubectl apply without --server-side" in done.stderr
    done = server.kubectl("create", "quota", "a", "--hard=pods=1")
    assert done.returncode == 1


def test_create_by_generator(server: RunningServer) -> None:
    ok(server.kubectl("create", "namespace", "shop"))
    ok(server.kubectl("create", "-n", "shop", "configmap", "a", "--from-literal=a=b"))
    ok(server.kubectl("create", "-n", "shop", "secret", "generic", "s", "--from-literal=a=b"))
    ok(server.kubectl("create", "-n", "shop", "serviceaccount", "robot"))
    ok(server.kubectl("create", "-n", "shop", "service", "clusterip", "web", "--tcp=80:8080"))
    ok(server.kubectl("create", "-n", "shop", "deployment", "web", "--image=host", "--replicas=2", "--", "sleep", "9"))
    read = ("get", "-n", "shop", "-o")
    assert ok(server.kubectl(*read, "jsonpath={.data}", "configmap", "a")) == '{"a":"b"}'
    assert ok(server.kubectl(*read, "jsonpath={.data}", "secret", "s")) == '{"a":"Yg=="}'
    assert ok(server.kubectl(*read, "jsonpath={.spec.ports[0].targetPort}", "service", "web")) == "8080"
    spec = json.loads(ok(server.kubectl(*read, "jsonpath={.spec}", "deploy", "web")))
    assert (spec["replicas"], spec["selector"]) == (2, {"matchLabels": {"app": "web"}})
    assert spec["template"]["spec"]["containers"][0]["command"] == ["sleep", "9"]
