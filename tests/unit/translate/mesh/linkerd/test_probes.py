"""Paths at which pods are probed."""

from __future__ import annotations

from typing import Any

from builders import pod
from tandem.translate.mesh.linkerd.probes import probed_paths


def get(port: int | str, path: str | None = None) -> dict[str, Any]:
    return {"httpGet": {"port": port, **({"path": path} if path is not None else {})}}


def test_paths_are_gathered_by_port_and_have_no_query() -> None:
    first = {
        "name": "a",
        "ports": [{"name": "http", "containerPort": 8080}],
        "livenessProbe": get("http", "/live?x=1"),
        "readinessProbe": get(8080, "/ready"),
        "startupProbe": get(9090),
    }
    assert probed_paths(pod("p", spec={"containers": [first]})) == {8080: ("/live", "/ready"), 9090: ("/",)}


def test_names_are_those_of_the_container_that_is_probed() -> None:
    first = {"name": "a", "livenessProbe": get("http", "/")}
    ports = [{"name": "http", "containerPort": 8080}]
    second = {"name": "b", "ports": ports, "livenessProbe": {"tcpSocket": {"port": 1}}}
    assert probed_paths(pod("p", spec={"containers": [first, second]})) == {}


def test_sidecars_are_probed_too() -> None:
    sidecar = {"name": "s", "restartPolicy": "Always", "livenessProbe": get(4191, "/live")}
    assert probed_paths(pod("p", spec={"containers": [{"name": "c"}], "initContainers": [sidecar]})) == {
        4191: ("/live",)
    }
