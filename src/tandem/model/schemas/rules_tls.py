"""TLSRoutes beyond the form of single fields: the rules of the CRDs (v1, experimental). Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from tandem.model.schemas.rules_gateway import longest, spec_of_route
from tandem.model.schemas.rules_kubernetes import Rule

_OPTIONAL: Final = "v1alpha2"
"""The version in which a route without host names is for every name."""


def _route(raw: dict[str, Any], _: str) -> Iterator[str]:
    named = raw["spec"].get("hostnames")
    if not named and not str(raw.get("apiVersion")).endswith(f"/{_OPTIONAL}"):
        yield "spec.hostnames: at least one entry is required"


def _spec(raw: dict[str, Any], at: str) -> Iterator[str]:
    if not raw["rules"]:
        yield f"{at}.rules: at least one entry is required"
    yield from longest(raw, at, {"hostnames": 1024})
    yield from spec_of_route(raw, at)


RULES: Final[dict[str, Rule]] = {"TLSRoute": _route, "GwTlsRouteSpec": _spec}
