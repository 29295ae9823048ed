"""Another authority under load: a new root, one of OpenSSL's making, one as Istio has them; not one request fails."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from e2e.lab import Lab, lab, until
from e2e.load import load, rpc, shop
from e2e.objects import deployment, idle, pod, web

pytestmark = pytest.mark.root

OPENSSL = """
cd /tmp
openssl req -x509 -newkey rsa:3072 -nodes -days 30 -subj "/CN=company root" -keyout root.key -out root.crt \\
    -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign 2>&1
openssl req -newkey rsa:2048 -nodes -subj "/CN=mesh of the company" -keyout mesh.key -out mesh.csr 2>&1
printf "basicConstraints=critical,CA:TRUE,pathlen:0\\nkeyUsage=critical,keyCertSign\\n" > mesh.ext
openssl x509 -req -in mesh.csr -CA root.crt -CAkey root.key -days 20 -extfile mesh.ext -out mesh.crt 2>&1
"""


@pytest.fixture(scope="module")
def world() -> Iterator[Lab]:
    with lab() as made:
        made.tandem("up", "--detach", "--nodes", "2", status=0)
        strict = {
            "apiVersion": "security.istio.io/v1",
            "kind": "PeerAuthentication",
            "metadata": {"name": "default", "namespace": "shop"},
            "spec": {"mtls": {"mode": "STRICT"}},
        }
        apps = (deployment("shop", name, body, replicas=2) for name, body in (("web", web("one")), ("rpc", rpc("one"))))
        made.apply(*shop(*apps), strict)
        yield made


def signers(world: Lab) -> set[str]:
    """Who signed what the nodes have."""
    return {c["signer"] for node in world.status()["nodes"] for c in node["certificates"]}


def everywhere(world: Lab, fingerprint: str) -> None:
    until(lambda: signers(world), lambda found: found == {fingerprint}, world.logs)


def fresh_connections(world: Lab) -> None:
    """A pod that starts now, and so has never spoken to anybody."""
    world.apply(pod("shop", "late", idle()))
    until(lambda: world.curl("shop", "late", "http://web/").out[-3:], lambda code: code == "200", world.logs)
    world.delete("-n", "shop", "pod", "late")


def test_it_has_a_root_and_an_intermediate_from_the_beginning(world: Lab) -> None:
    told = world.tandem("ca", "show", "-o", "json", status=0).json()
    assert (told["secret"], told["signs"], told["subject"]) == (
        "tandem-system/tandem-ca",
        True,
        "CN=tandem authority of cluster.local",
    )
    assert [(root["subject"], root["trustedUntil"]) for root in told["roots"]] == [
        ("CN=tandem root of cluster.local", "")
    ]
    everywhere(world, told["fingerprint"])
    assert "PRIVATE" not in world.tandem("ca", "show", status=0).text


def test_a_new_root_costs_no_request(world: Lab) -> None:
    before = world.tandem("ca", "show", "-o", "json", status=0).json()
    with load(world) as requests:
        told = world.tandem("ca", "rotate", "-o", "json", status=0).json()
        everywhere(world, told["fingerprint"])
        fresh_connections(world)
    assert requests.failures == []
    old, new = told["roots"]
    assert old["fingerprint"] == before["roots"][0]["fingerprint"] != new["fingerprint"]
    assert (old["trustedUntil"] > before["notAfter"][:2], new["trustedUntil"]) == (True, "")


def test_an_authority_of_ones_own_is_taken_and_a_wrong_one_is_not(world: Lab) -> None:
    world.run("sh", "-ec", OPENSSL, status=0)
    files = ("--cert", "/tmp/mesh.crt", "--key", "/tmp/mesh.key")
    before = world.tandem("ca", "show", "-o", "json", status=0).json()
    wrong = world.tandem("ca", "import", *files[:3], "/tmp/root.key", "--roots", "/tmp/root.crt", status=1)
    assert "the key does not belong to the certificate" in wrong.err
    assert "no root that is given has issued" in world.tandem("ca", "import", *files, status=1).err
    assert world.tandem("ca", "show", "-o", "json", status=0).json() == before
    with load(world) as requests:
        told = world.tandem("ca", "import", *files, "--roots", "/tmp/root.crt", "-o", "json", status=0).json()
        everywhere(world, told["fingerprint"])
        fresh_connections(world)
    assert requests.failures == []
    assert told["subject"] == "CN=mesh of the company"
    assert [root["subject"] for root in told["roots"] if not root["trustedUntil"]] == ["CN=company root"]
    assert '"tandem-root" not found' in world.tandem("get", "secret", "tandem-root", "-n", "tandem-system").err


def cacerts(world: Lab, *, tls: bool = False) -> dict[str, Any]:
    """As `istioctl`'s users make it, of the same root, with a chain; or as cert-manager does."""
    folder = Path(world.root, "tmp")
    certificate, key, root = ((folder / name).read_bytes() for name in ("mesh.crt", "mesh.key", "root.crt"))
    data = {"tls.crt": certificate, "tls.key": key, "ca.crt": root}
    if not tls:
        own = {"ca-cert.pem": certificate, "ca-key.pem": key, "root-cert.pem": root}
        data = {**own, "cert-chain.pem": certificate + root}
    encoded = {name: base64.b64encode(value).decode() for name, value in data.items()}
    meta = {"name": "cacerts", "namespace": "istio-system"}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": meta, "data": encoded}


def test_what_is_plugged_into_istio_counts_and_is_told_where_it_is_wrong(world: Lab) -> None:
    world.run("sh", "-ec", OPENSSL, status=0)  # another one
    made = cacerts(world)
    with load(world) as requests:
        world.tandem("apply", "-f", "-", stdin=yaml.safe_dump(made), status=0)
        look = lambda: world.tandem("ca", "show", "-o", "json", status=0).json()  # noqa: E731
        plugged = "istio-system/cacerts"
        told = until(look, lambda found: found["signs"] and found["secret"] == plugged, world.logs)
        everywhere(world, told["fingerprint"])
        broken = {**made, "data": {**made["data"], "ca-key.pem": base64.b64encode(b"nonsense").decode()}}
        world.tandem("apply", "-f", "-", stdin=yaml.safe_dump(broken), status=0)
        problems = until(
            lambda: [p["text"] for p in world.status()["problems"] if p["code"] == "InvalidAuthority"], bool, world.logs
        )
        assert problems[0].endswith("the authority before it goes on")
        fresh_connections(world)
        world.run("sh", "-ec", OPENSSL, status=0)  # a third one
        world.tandem("delete", "secret", "cacerts", "-n", "istio-system", status=0)
        world.tandem("apply", "-f", "-", stdin=yaml.safe_dump(cacerts(world, tls=True)), status=0)
        before = told["fingerprint"]
        told = until(look, lambda f: f["secret"] == plugged and f["signs"] and f["fingerprint"] != before, world.logs)
        everywhere(world, told["fingerprint"])
        fresh_connections(world)
    assert requests.failures == []
    assert "counts before any other" in world.tandem("ca", "rotate", status=1).err
