"""Telemetry under `tandem up`: the example, its conditions, what flows tell, and what is refused with its line."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import yaml

from e2e.lab import Lab, lab, until
from e2e.objects import account, idle, namespace, pod, service, web

pytestmark = pytest.mark.root

EXAMPLE = Path(__file__).parents[2] / "examples/telemetry/errors-only.yaml"


@pytest.fixture(scope="module")
def world() -> Iterator[Lab]:
    with lab() as found:
        found.tandem("up", "--detach", status=0)
        found.apply(
            *namespace("shop", mesh=True),
            account("shop", "orders"),
            account("shop", "caller"),
            pod("shop", "orders", web("orders"), serviceAccountName="orders"),
            pod("shop", "caller", idle(), serviceAccountName="caller"),
            service("shop", "orders"),
        )
        found.settled()
        yield found


def conditions(world: Lab, kind: str, name: str) -> dict[str, tuple[str, str]]:
    found = world.get("shop", kind, name).get("status", {}).get("conditions", [])
    return {c["type"]: (c["status"], c["message"]) for c in found}


def asked(world: Lab, path: str) -> str:
    """The status of a request to the Service."""
    url = f"http://orders.shop{path}"
    return world.inside("shop", "caller", "curl", "-sS", "-o", "/dev/null", "-w", "%{http_code}", url).out


def told(world: Lab) -> set[str]:
    """The paths of all requests of which there is a flow."""
    found: list[dict[str, Any]] = world.tandem("flows", "--last", "200", "-o", "json", status=0).json()["flows"]
    return {flow["http"]["path"] for flow in found if "http" in flow}


def left_out(world: Lab, number: int) -> bool:
    """Whether of two requests only the one that failed is told: logs arrive in order, so the other would be there."""
    assert asked(world, f"/well/{number}") == "200"
    assert asked(world, f"/ill/{number}") == "503"
    found = until(lambda: told(world), lambda paths: f"/ill/{number}" in paths, world.logs)
    return f"/well/{number}" not in found


def test_the_example_leaves_out_what_is_well(world: Lab) -> None:
    assert asked(world, "/before") == "200"
    until(lambda: told(world), lambda found: "/before" in found, world.logs)
    ran = world.tandem("apply", "-f", str(EXAMPLE))
    assert ran.status == 0, ran.err
    until(lambda: conditions(world, "telemetry", "errors-only"), lambda c: c.get("Programmed", ("",))[0] == "True")
    accepted = conditions(world, "telemetry", "errors-only")["Accepted"]
    assert accepted[0] == "True"
    assert "what reaches gateways" in accepted[1]
    route = {"match": [{"uri": {"prefix": "/ill"}}], "directResponse": {"status": 503}}
    rest = {"route": [{"destination": {"host": "orders"}}]}
    meta = {"name": "ill", "namespace": "shop"}
    world.apply(
        {
            "apiVersion": "networking.istio.io/v1",
            "kind": "VirtualService",
            "metadata": meta,
            "spec": {"hosts": ["orders"], "http": [route, rest]},
        }
    )
    until(lambda: asked(world, "/ill"), lambda code: code == "503", world.logs)
    numbers = count()
    until(lambda: left_out(world, next(numbers)), bool, world.logs)


def test_what_is_not_taken_is_told_and_leaves_nothing_out(world: Lab) -> None:
    raw = yaml.safe_load(EXAMPLE.read_text())
    raw["spec"]["accessLogging"][0]["filter"]["expression"] = "response.codes >= 400"
    world.tandem("apply", "-f", "-", stdin=yaml.safe_dump(raw), status=0)
    found = until(
        lambda: conditions(world, "telemetry", "errors-only"), lambda c: c.get("Accepted", ("",))[0] == "False"
    )
    assert "spec.accessLogging[0].filter.expression: response.codes is no attribute" in found["Accepted"][1]
    until(lambda: (asked(world, "/open"), told(world))[1], lambda paths: "/open" in paths, world.logs)
    world.delete("telemetry", "errors-only", "-n", "shop")


def test_proxy_config_is_taken_and_told_field_by_field(world: Lab) -> None:
    meta = {"name": "own", "namespace": "shop"}
    spec = {"concurrency": 2, "environmentVariables": {"LEVEL": "hidden"}, "image": {"imageType": "debug"}}
    raw = {"apiVersion": "networking.istio.io/v1beta1", "kind": "ProxyConfig", "metadata": meta, "spec": spec}
    world.apply(raw)
    found = until(lambda: conditions(world, "proxyconfig", "own"), lambda c: "Accepted" in c, world.logs)
    assert found["Accepted"][0] == "True"
    for path in ("spec.concurrency", "spec.environmentVariables[LEVEL]", "spec.image.imageType"):
        assert f"{path}: has no effect" in found["Accepted"][1]
    assert "hidden" not in found["Accepted"][1]


def test_unknown_fields_and_kinds_are_refused_with_their_line(world: Lab) -> None:
    text = EXAMPLE.read_text().replace("expression:", "expr:")
    ran = world.tandem("apply", "-f", "-", stdin=text)
    assert ran.status != 0
    line = text.splitlines().index(next(found for found in text.splitlines() if "expr:" in found)) + 1
    assert f"stdin:{line}: " in ran.err
    assert "spec.accessLogging[0].filter.expr: unknown field" in ran.err
    plugin = {"apiVersion": "extensions.istio.io/v1alpha1", "kind": "WasmPlugin", "metadata": {"name": "x"}}
    ran = world.tandem("apply", "-f", "-", stdin=yaml.safe_dump(plugin))
    assert ran.status != 0
    assert "stdin:2: kind: " in ran.err
    assert "AuthorizationPolicy with action CUSTOM" in ran.err
