"""Each case: objects -> what is counted at routes, gateways and pods, Problems and status, in one file to be read."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml

from gatewayworlds import gateway_class
from tandem.base.problems import by_object
from tandem.ingest.defaults import default
from tandem.ir.gateway import routes_of
from tandem.ir.limits import RateLimit as Counted
from tandem.ir.mesh import Route
from tandem.model.consuldefaults import ServiceDefaults
from tandem.model.parse import parse
from tandem.model.ratelimit import RateLimit
from tandem.model.schema import validate
from tandem.model.world import World
from tandem.translate.options import Options
from tandem.translate.status import patches_of
from tandem.translate.world import translate_world

CASES = sorted(path.parent for path in Path(__file__).parent.glob("*/in.yaml"))


def _load(path: Path) -> World:
    raws = list(yaml.safe_load_all(path.read_text()))
    for raw in raws:
        raw["metadata"] = {"namespace": "shop", "uid": f"uid-{raw['metadata']['name']}", **raw["metadata"]}
        if raw["kind"] == "Namespace":
            raw["metadata"].pop("namespace")
        assert validate(raw) == []
    return World.of([gateway_class(), *(parse(default(raw)) for raw in raws)])


def _routes(routes: Iterable[Route]) -> dict[str, list[str]]:
    return {route.name: [limit.name for limit in route.limits] for route in routes}


def _pod(limits: tuple[Counted, ...]) -> dict[str, list[int]]:
    return {limit.name: list(limit.ports) for limit in limits}


def render(world: World) -> str:
    found = translate_world(world, Options())
    told = [p for p in found.problems if p.at.kind in {"RateLimit", "ServiceDefaults"}]
    keys = [(policy.kind, *policy.key) for cls in (RateLimit, ServiceDefaults) for policy in world.sorted(cls)]
    status = {patch.name: patch.body["status"] for patch in patches_of(world, keys, by_object(told), {}, 0.0)}
    pods = {pod.name: pod.limits for pod in found.pods.values()}
    tables = {name: table.routes for name, table in found.mesh.tables.items()}
    distinct = {limit.name: limit for limits in pods.values() for limit in limits}
    edge = found.edge.gateways
    for routes in (*tables.values(), *(tuple(routes_of(gateway)) for gateway in edge.values())):
        distinct |= {limit.name: limit for route in routes for limit in route.limits}
    out = {
        "pods": {name: _pod(limits) for name, limits in sorted(pods.items())},
        "routes": {name: _routes(routes) for name, routes in tables.items()},
        "gateways": {name: _routes(routes_of(gateway)) for name, gateway in edge.items()},
        "limits": {name: msgspec.to_builtins(limit) for name, limit in sorted(distinct.items())},
        "problems": [f"{p.severity.value} {p.code} at {p.at}: {p.text}" for p in told],
        "status": _untimed(status),
    }
    return yaml.safe_dump(out, sort_keys=False, width=140, allow_unicode=True)


def _untimed(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _untimed(v) for k, v in value.items() if k != "lastTransitionTime"}
    return [_untimed(item) for item in value] if isinstance(value, list) else value


@pytest.mark.parametrize("case", CASES, ids=lambda path: path.name)
def test_golden(case: Path, golden: Callable[[Path, str], None]) -> None:
    golden(case / "out.yaml", render(_load(case / "in.yaml")))
