"""A pod -> what containerd tells CNI plugins of it: `runtimeConfig` by capability, before plugins choose. Pure.

Host ports of all containers, and bandwidth from the two annotations, with the burst that containerd sends.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

from tandem.model import core

ANNOTATIONS: Final = {"ingress": "kubernetes.io/ingress-bandwidth", "egress": "kubernetes.io/egress-bandwidth"}
BURST: Final = 0xFFFFFFFF
"""Bits; containerd sends the largest 32-bit number."""
LEAST: Final = 1_000
MOST: Final = 10**15
"""Bits a second, as Kubernetes bounds the annotations."""
_QUANTITY: Final = re.compile(r"(\d+(?:\.\d+)?)(?:([kMGTP]i?|Ki)|e(\d+))?")
_POWERS: Final = {"k": 1, "K": 1, "M": 2, "G": 3, "T": 4, "P": 5}


class BandwidthError(ValueError):
    """An annotation is no rate; the text names it."""


def capabilities(pod: core.Pod) -> dict[str, Any]:
    """By name of the capability; those with nothing to say are missing. Raises BandwidthError."""
    found: dict[str, Any] = {}
    mappings = [
        {"hostPort": p.host_port, "containerPort": p.container_port, "protocol": p.protocol.lower()}
        | ({"hostIP": p.host_ip} if p.host_ip else {})
        for container in pod.spec.containers
        for p in container.ports
        if p.host_port
    ]
    if mappings:
        found["portMappings"] = mappings
    bandwidth: dict[str, int] = {}
    for side, annotation in ANNOTATIONS.items():
        text = pod.metadata.annotations.get(annotation)
        if text:
            bandwidth |= {f"{side}Rate": _rate(annotation, text), f"{side}Burst": BURST}
    if bandwidth:
        found["bandwidth"] = bandwidth
    return found


def declared(plugin: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """The plugin's configuration as it is executed: without `capabilities`, with the values of those it declares."""
    wanted = plugin.get("capabilities") or {}
    config = {key: value for key, value in plugin.items() if key != "capabilities"}
    given = {name: value for name, value in values.items() if wanted.get(name) is True}
    return config | {"runtimeConfig": given} if given else config


def _rate(annotation: str, text: str) -> int:
    match = _QUANTITY.fullmatch(text)
    if match is None:
        raise BandwidthError(f"metadata.annotations[{annotation}]: a number of bits a second (10M), not {text!r}")
    number, unit, exponent = match.groups()
    base = 1024 if unit and unit.endswith("i") else 1000
    rate = int(Decimal(number) * (base ** _POWERS[unit[0]] if unit else 10 ** int(exponent or 0)))
    if not LEAST <= rate <= MOST:
        raise BandwidthError(f"metadata.annotations[{annotation}]: from 1k to 1P bits a second, not {text!r}")
    return rate
