"""TLS of gateways under `tandem up`: towards backends in the mesh, with certificates that change, and from clients."""

from __future__ import annotations

import base64
import json
import sys
from collections.abc import Iterator
from typing import Any, Final

import pytest

from e2e.lab import REPO, Lab, lab, until
from e2e.objects import Raw, container, namespace, pod, strict
from issuing import authority

pytestmark = pytest.mark.root

API: Final = "gateway.networking.k8s.io/v1"
SYSTEM: Final = "/etc/ssl/certs/ca-certificates.crt"
TLS: Final = {"name": "tls", "mountPath": "/tmp/tls"}
CLIENTS: Final = {"name": "clients", "mountPath": "/tmp/clients"}


def made(kind: str, name: str, spec: Any) -> Raw:
    return {"apiVersion": API, "kind": kind, "metadata": {"name": name, "namespace": "shop"}, "spec": spec}


def secret(name: str, *names: str, by: str) -> Raw:
    """A certificate for these names, signed by that authority, and its key."""
    data = {
        field: base64.b64encode(text.encode()).decode()
        for field, text in zip(("tls.crt", "tls.key"), authority(by).issue(*names), strict=True)
    }
    meta = {"name": name, "namespace": "shop"}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": meta, "type": "kubernetes.io/tls", "data": data}


def bundle(name: str, of: str) -> Raw:
    meta = {"name": name, "namespace": "shop"}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": {"ca.crt": authority(of).pem}}


def server(name: str, *, asks: bool) -> Raw:
    """A pod that speaks TLS; `asks`: with clients that have a certificate alone."""
    body = container(sys.executable, str(REPO / "tests" / "conformance" / "secure.py"), port=8443)
    volumes = [
        {"name": "tls", "secret": {"secretName": "server"}},
        {"name": "clients", "configMap": {"name": "clients"}},
    ]
    mounts = [TLS, *([CLIENTS] if asks else [])]
    return pod("shop", name, {**body, "volumeMounts": mounts}, volumes=volumes)


def front(name: str) -> Raw:
    ports = [{"name": "https", "port": 443, "targetPort": 8443, "appProtocol": "https"}]
    meta = {"name": name, "namespace": "shop"}
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": meta,
        "spec": {"selector": {"app": name}, "ports": ports},
    }


def policy(name: str, **whom: Any) -> Raw:
    target = {"group": "", "kind": "Service", "name": name}
    return made("BackendTLSPolicy", name, {"targetRefs": [target], "validation": {"hostname": "vault.test", **whom}})


def route(name: str, host: str) -> Raw:
    rules = [{"backendRefs": [{"name": name, "port": 443}]}]
    return made("HTTPRoute", name, {"parentRefs": [{"name": "edge"}], "hostnames": [host], "rules": rules})


def edge() -> Raw:
    refs = [{"group": "", "kind": "ConfigMap", "name": "callers"}]
    return made(
        "Gateway",
        "edge",
        {
            "gatewayClassName": "tandem",
            "tls": {
                "backend": {"clientCertificateRef": {"name": "client"}},
                "frontend": {"default": {"validation": {"caCertificateRefs": refs}}},
            },
            "listeners": [
                {"name": "http", "port": 80, "protocol": "HTTP"},
                {"name": "https", "port": 443, "protocol": "HTTPS", "tls": {"certificateRefs": [{"name": "server"}]}},
            ],
        },
    )


@pytest.fixture(scope="module")
def world() -> Iterator[Lab]:
    with lab() as found:
        # The authority of these tests is one that the machine believes.
        found.run("sh", "-c", f"cat > /tmp/bundle && mount --bind /tmp/bundle {SYSTEM}", stdin=authority("roots").pem)
        found.tandem("up", "--detach", status=0)
        refs = [{"group": "", "kind": "ConfigMap", "name": "roots"}]
        found.apply(
            *namespace("shop", mesh=True),
            secret("server", "vault.test", by="roots"),
            secret("client", "edge-1", by="clients"),
            *(bundle(name, name) for name in ("roots", "clients", "callers")),
            server("public", asks=False),
            server("asking", asks=True),
            front("public"),
            front("asking"),
            policy("public", wellKnownCACertificates="System"),
            policy("asking", caCertificateRefs=refs),
            edge(),
            route("public", "public.test"),
            route("asking", "asking.test"),
        )
        until(lambda: answered(found, "asking.test"), bool, found.logs)
        yield found


def address(world: Lab) -> str:
    (found,) = world.get("shop", "gateway", "edge")["status"]["addresses"]
    return str(found["value"])


def ask(host: str, at: str, *more: str, scheme: str = "http") -> tuple[str, ...]:
    port = "443" if scheme == "https" else "80"
    to = ("--connect-to", f"{host}:{port}:{at}:{port}")
    return ("curl", "-sk", "-m", "5", "-w", "\n%{http_code}", *to, *more, f"{scheme}://{host}/")


def answered(world: Lab, host: str) -> Any:
    """What the application saw; None if it was not asked."""
    body, _, status = world.run(*ask(host, address(world))).out.rpartition("\n")
    return json.loads(body) if status == "200" else None


def status_of(world: Lab, host: str) -> str:
    return world.run(*ask(host, address(world))).out.rpartition("\n")[2]


def test_the_authorities_of_the_machine_are_believed_where_a_policy_says_so(world: Lab) -> None:
    seen = until(lambda: answered(world, "public.test"), bool, world.logs)
    assert (seen["pod"], seen["sni"]) == ("public", "vault.test")


def test_a_pod_that_takes_mtls_of_the_mesh_alone_gets_no_other_tls(world: Lab) -> None:
    world.apply(strict("shop"))
    until(lambda: status_of(world, "public.test"), lambda found: found == "503", world.logs)
    world.delete("peerauthentication", "default", "-n", "shop")
    until(lambda: status_of(world, "public.test"), lambda found: found == "200", world.logs)


def test_a_renewed_certificate_is_shown_without_a_lost_request_and_its_key_lies_in_no_file(world: Lab) -> None:
    assert answered(world, "asking.test")["certificate"] == "edge-1"
    renewed = secret("client", "edge-2", by="clients")
    world.apply(renewed)
    found: list[Any] = []

    def shown() -> str:
        found.append(answered(world, "asking.test"))
        return str(found[-1]["certificate"]) if found[-1] else ""

    until(shown, lambda name: name == "edge-2", world.logs)
    assert all(found), f"{found.count(None)} of {len(found)} requests failed"
    key = base64.b64decode(renewed["data"]["tls.key"]).decode().splitlines()[1]
    # The API's own store has what users put there.
    places = ("--exclude=*.db*", "--exclude-dir=pods", "--exclude-dir=netns")
    held = world.run("grep", "-rlsF", "-D", "skip", *places, key, "/run/tandem")
    assert held.out == "", held.text


def test_clients_of_an_authority_that_is_no_longer_named_are_refused(world: Lab) -> None:
    for name in ("callers", "others"):
        world.run("sh", "-c", f"cat > /tmp/{name}.pem", stdin="".join(authority(name).issue(f"{name}-1")))

    def come(name: str) -> str:
        shown = ("--cert", f"/tmp/{name}.pem")
        return world.run(*ask("public.test", address(world), *shown, scheme="https")).out.rpartition("\n")[2]

    until(lambda: (come("callers"), come("others")), lambda found: found == ("200", "000"), world.logs)
    world.apply(bundle("callers", "others"))
    until(lambda: (come("callers"), come("others")), lambda found: found == ("000", "200"), world.logs)
