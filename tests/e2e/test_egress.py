"""Hosts outside the mesh from a manifest to a request: names, addresses, modes and policy on a real node."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from yaml import safe_load_all

from e2e.lab import Lab, lab, until
from e2e.objects import Raw, idle, namespace, pod, policy, web

pytestmark = pytest.mark.root

EXAMPLES = Path(__file__).parents[2] / "examples" / "egress"
HOST = "partner.example.com"


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
