"""Manifests of the end-to-end tests, and the two programs that their pods run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

Raw = dict[str, Any]

WEB: Final = '''
"""Answers each GET with what it saw, as JSON. /fail/N: 503 but for every N-th; /slow/S: after S seconds."""
import http.server, json, os, socket, socketserver, time

served = {}
listen = os.environ.get("LISTEN", "0.0.0.0")

class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self):
        served[self.path] = served.get(self.path, 0) + 1
        word, _, number = self.path.strip("/").partition("/")
        code = 503 if word == "fail" and served[self.path] % int(number) else 200
        if word == "slow":
            time.sleep(float(number))
        body = json.dumps({
            "name": os.environ.get("NAME", ""), "path": self.path,
            "from": self.client_address[0].removeprefix("::ffff:"),
            "peer": self.headers.get("x-forwarded-client-cert", "").rpartition("URI=")[2],
            "times": served[self.path],
        }).encode() + b"\\n"
        self.send_response(code)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, form, *args):
        print(self.client_address[0], form % args, flush=True)

class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True
    request_queue_size = 128
    address_family = socket.AF_INET6 if ":" in listen else socket.AF_INET

Server((listen, 8080), Handler).serve_forever(poll_interval=0.05)
'''
GREETER: Final = '''
"""Speaks first, then closes; counts the connections on its log."""
import socketserver

class Handler(socketserver.StreamRequestHandler):
    def handle(self):
        print("connection", flush=True)
        self.wfile.write(b"220 secret greeting\\n")

class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True

Server(("0.0.0.0", 5432), Handler).serve_forever()
'''


def namespace(name: str, *, mesh: bool = False) -> list[Raw]:
    """A namespace with the programs in it."""
    labels = {"tandem.io/mesh": "enabled"} if mesh else {}
    return [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}},
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": "apps", "namespace": name},
            "data": {"web.py": WEB, "greeter.py": GREETER},
        },
    ]


def account(namespace_: str, name: str) -> Raw:
    return {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name, "namespace": namespace_}}


def container(*command: str, port: int = 0, name: str = "") -> Raw:
    """One that runs a program of `apps`; ready when its port is open."""
    made: Raw = {
        "name": "app",
        "image": "host",
        "command": list(command),
        "env": [{"name": "NAME", "value": name}],
        "volumeMounts": [{"name": "apps", "mountPath": "/app"}],
    }
    if port:
        made["ports"] = [{"name": "main", "containerPort": port}]
        made["readinessProbe"] = {"tcpSocket": {"port": port}, "periodSeconds": 1}
    return made


def web(name: str = "", *, listen: str = "") -> Raw:
    """At 0.0.0.0 unless told; `::` listens to both families."""
    made = container("/usr/bin/python3", "/app/web.py", port=8080, name=name)
    made["env"] += [{"name": "LISTEN", "value": listen}] if listen else []
    return made


def greeter() -> Raw:
    return container("/usr/bin/python3", "/app/greeter.py", port=5432)


def idle() -> Raw:
    return container("sleep", "infinity")


def _spec(body: Raw, **more: Any) -> Raw:
    volumes = [{"name": "apps", "configMap": {"name": "apps"}}]
    return {"terminationGracePeriodSeconds": 1, "containers": [body], "volumes": volumes, **more}


def pod(namespace_: str, name: str, body: Raw, *, labels: Mapping[str, str] | None = None, **more: Any) -> Raw:
    """A pod of one container, labelled `app: NAME`."""
    meta = {"name": name, "namespace": namespace_, "labels": {"app": name, **(labels or {})}}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": _spec(body, **more)}


def deployment(
    namespace_: str, name: str, body: Raw, *, replicas: int = 1, labels: Mapping[str, str] | None = None
) -> Raw:
    """A Deployment whose pods are labelled `app: NAME` and `labels`."""
    template = {"metadata": {"labels": {"app": name, **(labels or {})}}, "spec": _spec(body)}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": namespace_},
        "spec": {"replicas": replicas, "selector": {"matchLabels": {"app": name}}, "template": template},
    }


def service(namespace_: str, name: str, *, app: str = "", port: int = 80, target: int = 8080, tcp: bool = False) -> Raw:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": namespace_},
        "spec": {
            "selector": {"app": app or name},
            "ports": [
                {"name": "main", "port": port, "targetPort": target, "appProtocol": "tcp" if tcp else "http"},
            ],
        },
    }


def policy(namespace_: str, name: str, app: str, **spec: Any) -> Raw:
    """A NetworkPolicy for the pods labelled `app`; the directions are those of `spec` (`ingress=[...]`)."""
    types = [word.capitalize() for word in ("ingress", "egress") if word in spec]
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": name, "namespace": namespace_},
        "spec": {"podSelector": {"matchLabels": {"app": app}}, "policyTypes": types, **spec},
    }


def virtual_service(namespace_: str, host: str, http: Sequence[Raw]) -> Raw:
    return {
        "apiVersion": "networking.istio.io/v1",
        "kind": "VirtualService",
        "metadata": {"name": host, "namespace": namespace_},
        "spec": {"hosts": [host], "http": list(http)},
    }


def strict(namespace_: str, name: str = "default", **spec: Any) -> Raw:
    """PeerAuthentication STRICT, for the whole namespace unless `selector` is given."""
    return {
        "apiVersion": "security.istio.io/v1",
        "kind": "PeerAuthentication",
        "metadata": {"name": name, "namespace": namespace_},
        "spec": {"mtls": {"mode": "STRICT"}, **spec},
    }
