"""The paths at which a pod is probed, which Linkerd leaves open at Servers without routes. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

from tandem.model.core import Container, IntOrString, Pod


def probed_paths(pod: Pod) -> dict[int, tuple[str, ...]]:
    """By port the paths that probes of its containers get, in order."""
    found: dict[int, set[str]] = {}
    for container in (*pod.spec.containers, *pod.spec.init_containers):
        for port, path in _probes(container):
            found.setdefault(port, set()).add(path)
    return {port: tuple(sorted(paths)) for port, paths in sorted(found.items())}


def _probes(container: Container) -> Iterator[tuple[int, str]]:
    for probe in (container.liveness_probe, container.readiness_probe, container.startup_probe):
        if probe is None or probe.http_get is None:
            continue
        port = _number(container, probe.http_get.port)
        if port is not None:
            yield port, urlsplit(probe.http_get.path).path or "/"


def _number(container: Container, port: IntOrString) -> int | None:
    """Of the container's own ports (Linkerd)."""
    if isinstance(port, int):
        return port
    return next((p.container_port for p in container.ports if p.name == port and p.protocol == "TCP"), None)
