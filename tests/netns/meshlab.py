"""A node in miniature: pods as namespaces behind a router namespace, one real Envoy, one ADS and access-log server.

Everything runs in namespaces of its own name; sockets inside a pod are made by a thread that enters it for that.
"""

from __future__ import annotations

import contextlib
import datetime
import http.client
import json
import os
import queue
import shutil
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent import futures
from pathlib import Path
from typing import Any, Self

import grpc
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from envoy.service.accesslog.v3 import als_pb2, als_pb2_grpc
from envoy.service.discovery.v3 import ads_pb2_grpc, discovery_pb2
from google.protobuf import any_pb2

from tandem.base.netns import in_netns
from tandem.compile.envoy import compile_envoy
from tandem.compile.nft.capture import compile_capture
from tandem.drivers.envoy.bootstrap import RUNTIME
from tandem.drivers.nft.plan import plan
from tandem.drivers.nft.real import Libnftables
from tandem.drivers.xds.encode import Encoder, encode_resource
from tandem.drivers.xds.messages import Encoded
from tandem.ir.node import AttachedPod, NodeView
from tandem.state import ownership
from tandem.state.xds import CLUSTER, ENDPOINT, ENVOY, EXTENSION, LISTENER, ROUTE, SECRET, Resource

ORDER = (CLUSTER, ENDPOINT, EXTENSION, LISTENER, ROUTE)


class Ca:
    """Signs SPIFFE certificates."""

    def __init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "lab")])
        usage = x509.KeyUsage(
            digital_signature=False, content_commitment=False, key_encipherment=False, data_encipherment=False,
            key_agreement=False, key_cert_sign=True, crl_sign=True, encipher_only=False, decipher_only=False,
        )  # fmt: skip
        root = self._builder(self._name, self._key).add_extension(
            x509.BasicConstraints(ca=True, path_length=None), True
        )
        self.root = self._pem(root.add_extension(usage, True).sign(self._key, hashes.SHA256()))

    def _builder(self, subject: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
        now = datetime.datetime.now(datetime.UTC)  # noqa: TID251 certificates live in real time
        day = datetime.timedelta(days=1)
        builder = x509.CertificateBuilder().subject_name(subject).issuer_name(self._name).public_key(key.public_key())
        builder = builder.serial_number(x509.random_serial_number())
        return builder.not_valid_before(now - day).not_valid_after(now + day)

    @staticmethod
    def _pem(certificate: x509.Certificate) -> str:
        return certificate.public_bytes(serialization.Encoding.PEM).decode()

    def issue(self, identity: str | x509.GeneralName) -> tuple[str, str]:
        """Certificate and key in PEM; of a text: it is a URI."""
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.UniformResourceIdentifier(identity) if isinstance(identity, str) else identity
        names = x509.SubjectAlternativeName([name])
        builder = self._builder(x509.Name([]), key).add_extension(names, True)
        secret = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        return self._pem(builder.sign(self._key, hashes.SHA256())), secret.decode()

    def secret(self, name: str) -> dict[str, Any]:
        """The SDS resource of a name."""
        if name == "ROOTCA":
            return {"name": name, "validation_context": {"trusted_ca": {"inline_string": self.root}}}
        chain, key = self.issue(name)
        pair = {"certificate_chain": {"inline_string": chain}, "private_key": {"inline_string": key}}
        return {"name": name, "tls_certificate": pair}


class Ads(ads_pb2_grpc.AggregatedDiscoveryServiceServicer, als_pb2_grpc.AccessLogServiceServicer):  # type: ignore[misc]
    """Delta ADS for one Envoy, and its access logs."""

    def __init__(self, ca: Ca) -> None:
        self.resources: dict[str, dict[str, Any]] = {kind: {} for kind in (*ORDER, SECRET)}
        self.logs: list[tuple[str, Any]] = []
        self.refusals: list[str] = []
        self.withheld: set[str] = set()
        self._ca = ca
        self._queue: queue.Queue[Any] = queue.Queue()
        self._pending: set[str] = set()
        self._wanted: dict[str, set[str]] = {}
        self._idle = threading.Condition()

    def push(self, resources: dict[str, dict[str, Any]]) -> None:
        """Send what differs, in Envoy's order, and wait until all of it was answered."""
        clusters: list[str] = []
        for kind in ORDER:
            old, new = self.resources[kind], resources.get(kind, {})
            # A changed cluster waits for its endpoints to be sent again.
            again = clusters if kind == ENDPOINT else []
            changed = [name for name in new if old.get(name) != new[name] or name in again]
            clusters = changed if kind == CLUSTER else clusters
            gone = [name for name in old if name not in new]
            self.resources[kind] = dict(new)
            if changed or gone:
                self._queue.put((kind, changed, gone))

    def issue(self, name: str) -> None:
        """Send a certificate that was withheld, or a new one."""
        self.withheld.discard(name)
        self._queue.put((SECRET, [name], []))

    def _secret(self, name: str) -> dict[str, Any] | None:
        return None if name in self.withheld else self._ca.secret(name)

    def settle(self, seconds: float = 10.0) -> None:
        """Wait until Envoy has answered everything that was sent."""
        deadline = time.monotonic() + seconds
        quiet = 0
        while quiet < 5:
            with self._idle:
                busy = bool(self._pending) or not self._queue.empty()
            quiet = 0 if busy else quiet + 1
            if time.monotonic() > deadline:
                raise AssertionError(f"Envoy has not answered {self._pending}")
            time.sleep(0.02)
        assert not self.refusals, self.refusals

    def DeltaAggregatedResources(self, requests: Iterator[Any], _context: Any) -> Iterator[Any]:  # noqa: N802
        reader = threading.Thread(target=self._read, args=(requests,), daemon=True)
        reader.start()
        count = 0
        while True:
            item = self._queue.get()
            if item is None:
                return
            kind, changed, gone = item
            wanted = self._wanted.get(kind, set())
            if "*" not in wanted:
                changed = [name for name in changed if name in wanted]
                gone = [name for name in gone if name in wanted]
                if not changed and not gone:
                    continue
            count += 1
            response = discovery_pb2.DeltaDiscoveryResponse(type_url=kind, nonce=str(count))
            for name in changed:
                body = self._secret(name) if kind == SECRET else self.resources[kind].get(name)
                if body is None:
                    gone.append(name)
                    continue
                try:
                    encoded = (
                        body if isinstance(body, Encoded) else encode_resource(kind, Resource(name=name, body=body))
                    )
                except Exception as err:
                    self.refusals.append(f"{name}: {err}")
                    raise
                packed = any_pb2.Any(type_url=kind, value=encoded.value)
                response.resources.append(discovery_pb2.Resource(name=name, version=encoded.version, resource=packed))
            response.removed_resources.extend(gone)
            with self._idle:
                self._pending.add(str(count))
            yield response

    def _read(self, requests: Iterator[Any]) -> None:
        with contextlib.suppress(grpc.RpcError):
            for request in requests:
                kind = request.type_url
                if request.response_nonce:
                    with self._idle:
                        self._pending.discard(request.response_nonce)
                    if request.error_detail.message:
                        self.refusals.append(request.error_detail.message)
                first = kind not in self._wanted
                wanted = self._wanted.setdefault(kind, set())
                asked = list(request.resource_names_subscribe)
                wanted.update(asked)
                wanted.difference_update(request.resource_names_unsubscribe)
                if first and not asked:
                    wanted.add("*")
                    self._queue.put((kind, list(self.resources[kind]), []))
                elif asked:
                    self._queue.put((kind, asked, []))
        self._queue.put(None)

    def StreamAccessLogs(self, requests: Iterator[Any], _context: Any) -> Any:  # noqa: N802
        name = ""
        with contextlib.suppress(grpc.RpcError):
            for request in requests:
                name = request.identifier.log_name or name
                entries = [*request.http_logs.log_entry, *request.tcp_logs.log_entry]
                self.logs.extend((name, entry) for entry in entries)
        return als_pb2.StreamAccessLogsResponse()

    def log_of(self, name: str, wanted: Callable[[Any], bool] = bool, seconds: float = 5.0) -> list[Any]:
        """The entries of a log that are wanted, as soon as there is one; [] if none comes in time."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            found = [entry for log, entry in list(self.logs) if log == name and wanted(entry)]
            if found:
                return found
            time.sleep(0.05)
        return []


def bootstrap(socket_path: Path, admin: Path) -> dict[str, Any]:
    """Envoy's bootstrap: everything by ADS; `agent` takes the access logs."""
    options = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
    http2 = {
        options: {
            "@type": ENVOY + "extensions.upstreams.http.v3.HttpProtocolOptions",
            "explicit_http_config": {"http2_protocol_options": {}},
        }
    }

    def pipe(name: str) -> dict[str, Any]:
        endpoint = {"endpoint": {"address": {"pipe": {"path": str(socket_path)}}}}
        assignment = {"cluster_name": name, "endpoints": [{"lb_endpoints": [endpoint]}]}
        return {
            "name": name, "type": "STATIC", "typed_extension_protocol_options": http2, "load_assignment": assignment
        }  # fmt: skip

    ads = {"ads": {}, "resource_api_version": "V3"}
    services = [{"envoy_grpc": {"cluster_name": "xds"}}]
    return {
        "node": {"id": "lab", "cluster": "lab"},
        "admin": {"address": {"pipe": {"path": str(admin)}}},
        "dynamic_resources": {
            "ads_config": {"api_type": "DELTA_GRPC", "transport_api_version": "V3", "grpc_services": services},
            "lds_config": ads,
            "cds_config": ads,
        },
        "static_resources": {"clusters": [pipe("xds"), pipe("agent")]},
        "layered_runtime": RUNTIME,
    }


class Lab:
    """Use as a context manager; `pod()` makes pods, `apply()` gives Envoy and the pods what a view compiles to."""

    def __init__(self, prefix: str, *, link: str = "v") -> None:
        self.prefix = f"tdm{os.getpid()}{prefix}"
        self.link = link
        """What the names of pods' links begin with."""
        self.ca = Ca()
        self.ads = Ads(self.ca)
        self._encoder = Encoder()
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> Self:
        try:
            self._start()
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def _start(self) -> None:
        self.dir = Path(tempfile.mkdtemp(prefix=self.prefix))
        self._stack.callback(shutil.rmtree, self.dir, ignore_errors=True)
        self.node = self.namespace("node")
        self._ip("node", "addr add 10.244.0.1/32 dev lo")
        in_netns(str(self.node), lambda: Path("/proc/sys/net/ipv4/ip_forward").write_text("1"))
        server = grpc.server(futures.ThreadPoolExecutor(32))
        ads_pb2_grpc.add_AggregatedDiscoveryServiceServicer_to_server(self.ads, server)
        als_pb2_grpc.add_AccessLogServiceServicer_to_server(self.ads, server)
        server.add_insecure_port(f"unix:{self.dir}/xds.sock")
        server.start()
        self._stack.callback(lambda: server.stop(0).wait())
        config = self.dir / "envoy.json"
        config.write_text(json.dumps(bootstrap(self.dir / "xds.sock", self.dir / "admin.sock")))
        self.log = self.dir / "envoy.log"
        command = ["nsenter", f"--net={self.node}", shutil.which("envoy") or "envoy", "-c", str(config)]
        command += ["--concurrency", "2", "--disable-hot-restart", "-l", "warning", "--drain-time-s", "1"]
        command += ["--log-path", str(self.log)]
        self.envoy = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self._stack.callback(self._stop_envoy)

    def _stop_envoy(self) -> None:
        self.envoy.kill()
        self.envoy.wait()
        self.ads._queue.put(None)

    def namespace(self, name: str) -> Path:
        full = f"{self.prefix}-{name}"
        subprocess.run(["ip", "netns", "add", full], check=True)
        self._stack.callback(subprocess.run, ["ip", "netns", "del", full], check=False, capture_output=True)
        self._ip(name, "link set lo up")
        return Path("/run/netns") / full

    def _ip(self, name: str, text: str) -> None:
        subprocess.run(["ip", "-n", f"{self.prefix}-{name}", *text.split()], check=True)

    def pod(self, name: str, address: str) -> Path:
        """A namespace with a routed /32 link to the node, and the routing rules that ADD installs in every pod."""
        path = self.namespace(name)
        link = f"{self.link}{name}"
        self._ip("node", f"link add {link} type veth peer name eth0 netns {self.prefix}-{name}")
        self._ip("node", f"link set {link} up")
        self._ip("node", "addr add 169.254.1.1/32 dev " + link)
        self._ip("node", f"route add {address}/32 dev {link} src 10.244.0.1")
        self._ip(name, f"addr add {address}/32 dev eth0")
        self._ip(name, "link set eth0 up")
        self._ip(name, "route add 169.254.1.1 dev eth0 scope link")
        self._ip(name, "route add default via 169.254.1.1")
        for mark in (ownership.INBOUND_MARK, ownership.TPROXY_MARK):
            self._ip(name, f"rule add fwmark {mark} lookup {ownership.POD_ROUTE_TABLE}")
        self._ip(name, f"route add local default dev lo table {ownership.POD_ROUTE_TABLE}")
        return path

    def apply(self, view: NodeView) -> None:
        """What the agent would do: the pods' tables first, then Envoy."""
        for attached in view.pods:
            if attached.pod.meshed:
                self.capture(view, attached)
        snapshot = compile_envoy(view)
        encoded = self._encoder.encode(snapshot)
        self.ads.push(encoded)
        self.wait_for_listeners(set(encoded[LISTENER]))

    def capture(self, view: NodeView, attached: AttachedPod) -> None:
        Libnftables(attached.netns).apply(plan(None, compile_capture(view, attached)))

    def wait_for_listeners(self, names: set[str], seconds: float = 20.0) -> None:
        """Until Envoy's active listeners are exactly these, and it has answered everything."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if self.envoy.poll() is not None:
                raise AssertionError(f"Envoy ended: {self.log.read_text()}")
            with contextlib.suppress(OSError, ValueError):
                statuses = json.loads(self.admin("/listeners?format=json")).get("listener_statuses", [])
                if {status["name"] for status in statuses} == names:
                    self.ads.settle()
                    return
            assert not self.ads.refusals, self.ads.refusals
            time.sleep(0.05)
        raise AssertionError(f"Envoy has not the listeners {sorted(names)}: {self.log.read_text()}")

    def links(self) -> set[str]:
        """Names of the node's links."""
        text = subprocess.run(["ip", "-j", "-n", f"{self.prefix}-node", "link"], check=True, capture_output=True).stdout
        return {link["ifname"] for link in json.loads(text)}

    def delete(self, name: str) -> None:
        """Take away the name of a pod's namespace; the kernel ends it when nothing holds it any more."""
        subprocess.run(["ip", "netns", "del", f"{self.prefix}-{name}"], check=True)

    def admin(self, path: str) -> str:
        """Envoy's admin interface."""
        with contextlib.closing(http.client.HTTPConnection("admin", timeout=5)) as client:
            client.sock = socket.socket(socket.AF_UNIX)
            client.sock.connect(str(self.dir / "admin.sock"))
            client.request("GET", path)
            return client.getresponse().read().decode()
