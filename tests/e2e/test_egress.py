"""Hosts outside the mesh from a manifest to a request: names, addresses, modes and policy on a real node."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from yaml import safe_load_all

from certificates import Authority
from e2e.lab import Lab, lab, until
from e2e.objects import Raw, container, idle, namespace, pod, policy, web

pytestmark = pytest.mark.root

EXAMPLES = Path(__file__).parents[2] / "examples" / "egress"
HOST = "partner.example.com"


VAULT, CA, OTHERS = "vault.example.com", Authority("vault"), Authority("others")
OWN = CA.issue("client.example.com")
SERVE = "s_server -quiet -www -accept 8443 -cert /app/own.pem -key /app/own.pem -CAfile /app/ca.pem"


def vault() -> list[Raw]:
    """A host that asks for a certificate of its authority."""
    apps, *more = namespace("vault")[::-1]
    apps["data"] |= {"own.pem": b"".join(CA.issue(VAULT)).decode(), "ca.pem": CA.pem.decode()}
    asks = "-Verify", "1", "-verify_return_error"
    return [*more, apps, pod("vault", "vault", container("openssl", *SERVE.split(), *asks, port=8443))]


def mutual(world: Lab) -> list[Raw]:
    ports = [{"number": 80, "name": "http", "protocol": "HTTP", "targetPort": 8443}]
    ends = [{"address": str(world.get("vault", "pod", "vault")["status"]["podIP"])}]
    entry = {"hosts": [VAULT], "ports": ports, "resolution": "STATIC", "endpoints": ends}
    tls = {"mode": "MUTUAL", "credentialName": "vault-client"}
    kinds = {"ServiceEntry": entry, "DestinationRule": {"host": VAULT, "trafficPolicy": {"tls": tls}}}
    meta = {"name": "vault", "namespace": "shop"}
    api = "networking.istio.io/v1"
    return [{"apiVersion": api, "kind": kind, "metadata": meta, "spec": spec} for kind, spec in kinds.items()]


def secret(**data: bytes) -> Raw:
    meta = {"name": "vault-client", "namespace": "shop"}
    encoded = {field: base64.b64encode(value).decode() for field, value in data.items()}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": meta, "data": encoded}


@pytest.fixture(scope="module")
def world() -> Iterator[Lab]:
    """`client` is in the mesh, `plain` is not; `partner` is nobody's Service and plays a host outside."""
    with lab() as made:
        made.tandem("up", "--detach", status=0)
        made.apply(
            *namespace("shop", mesh=True),
            *namespace("legacy"),
            pod("shop", "client", idle(), labels={"app": "client"}),
            pod("legacy", "plain", idle()),
            pod("legacy", "partner", web("partner")),
            *vault(),
        )
        yield made


def address(world: Lab) -> str:
    return str(world.get("legacy", "pod", "partner")["status"]["podIP"])


def example(name: str, world: Lab) -> list[Raw]:
    """The manifests of the task page, with the address that the partner has here."""
    text = (EXAMPLES / name).read_text().replace("203.0.113.10", address(world))
    return [raw | {"metadata": {"namespace": "shop"} | raw["metadata"]} for raw in safe_load_all(text)]


def code(world: Lab, url: str, who: tuple[str, str] = ("shop", "client")) -> str:
    return world.curl(*who, url, "-m", "4").out.rpartition("\n")[2]


def entry(world: Lab) -> Any:
    return world.get("shop", "serviceentry", "partner").get("status", {})


def test_unmodified_clients_reach_a_host_by_its_name_in_the_mesh_or_not(world: Lab) -> None:
    world.apply(*example("partner.yaml", world))
    status = until(lambda: entry(world), lambda s: s.get("addresses"), world.logs)
    assert status["addresses"][0]["host"] == HOST
    assert status["addresses"][0]["value"].startswith("240.240.")
    for who in (("shop", "client"), ("legacy", "plain")):
        until(lambda who=who: code(world, f"http://{HOST}/", who), lambda c: c == "200", world.logs)  # type: ignore[misc]
    flow = until(
        lambda: world.tandem("flows", "-n", "shop", "-o", "json", status=0).json()["flows"],
        lambda flows: any(f["destination"].get("service") == f"shop/{HOST}" for f in flows),
        world.logs,
    )
    assert {f["verdict"] for f in flow} == {"allowed"}


def test_a_registry_only_namespace_reaches_what_it_sees_and_flows_say_why_not_more(world: Lab) -> None:
    world.apply(*example("partner.yaml", world), *example("registry-only.yaml", world))
    url = f"http://{address(world)}:8080/"
    until(lambda: code(world, url), lambda c: c == "000", world.logs)
    until(lambda: code(world, f"http://{HOST}/"), lambda c: c == "200", world.logs)
    assert code(world, url, ("legacy", "plain")) == "200"

    def denied() -> list[Any]:
        flows = world.tandem("flows", "--denied", "-o", "json", status=0).json()["flows"]
        return [f for f in flows if "REGISTRY_ONLY" in f.get("reason", "")]

    rule = until(denied, bool, world.logs)[-1]["rules"][0]
    assert (rule["kind"], rule["name"], rule["path"]) == ("Sidecar", "default", "spec.outboundTrafficPolicy")
    world.delete("-n", "shop", "sidecar", "default")
    until(lambda: code(world, url), lambda c: c == "200", world.logs)


def test_what_policy_denies_an_entry_does_not_open(world: Lab) -> None:
    world.apply(*example("partner.yaml", world))
    until(lambda: code(world, f"http://{HOST}/"), lambda c: c == "200", world.logs)
    dns = [{"ports": [{"protocol": p, "port": 53} for p in ("UDP", "TCP")]}]
    world.apply(policy("shop", "dns-alone", "client", policyTypes=["Egress"], egress=dns))
    until(lambda: code(world, f"http://{HOST}/"), lambda c: c in {"000", "503", "504"}, world.logs)
    allowed = [*dns, {"to": [{"ipBlock": {"cidr": f"{address(world)}/32"}}]}]
    world.apply(policy("shop", "dns-alone", "client", policyTypes=["Egress"], egress=allowed))
    until(lambda: code(world, f"http://{HOST}/"), lambda c: c == "200", world.logs)
    world.delete("-n", "shop", "networkpolicy", "dns-alone")


def test_the_proxy_shows_the_key_of_a_secret_and_sends_nothing_without_it(world: Lab) -> None:
    def answer() -> str:
        return world.curl("shop", "client", f"http://{VAULT}/", "-m", "4").out

    world.apply(*mutual(world), secret(cert=OWN[0], key=OWN[1], cacert=CA.pem))
    until(answer, lambda out: "client.example.com" in out and out.endswith("200"), world.logs)
    # What another authority signed is not believed, and the newest content counts.
    world.apply(secret(cert=OWN[0], key=OWN[1], cacert=OTHERS.pem))
    until(answer, lambda out: out.endswith("503"), world.logs)
    world.apply(secret(cert=OWN[0], key=OWN[1], cacert=CA.pem))
    until(answer, lambda out: out.endswith("200"), world.logs)
    world.delete("-n", "shop", "secret", "vault-client")
    until(answer, lambda out: out.endswith("503"), world.logs)
    conditions = world.get("shop", "destinationrule", "vault")["status"]["conditions"]
    assert [(c["status"], c["reason"]) for c in conditions if c["type"] == "Accepted"] == [("False", "SecretNotFound")]
    assert OWN[1].decode().splitlines()[1] not in world.logs()
