"""Each case: objects -> the gateway of Istio's Gateways, Problems and status, in one file to be read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
import yaml

from goldenworlds import brief, load, untimed
from tandem.model.istio import VirtualService
from tandem.model.istiogateway import IstioGateway
from tandem.model.world import World
from tandem.translate.ingress.workload import key_of
from tandem.translate.options import Options
from tandem.translate.status import Given, patches_of
from tandem.translate.world import translate_world

HERE = Path(__file__).parent
CASES = sorted(p.parent for p in HERE.glob("*/in.yaml"))


def render(world: World) -> str:
    found = translate_world(world, Options())
    made = found.edge.gateways.get("/".join(key_of(Options())))
    keys = [(o.kind, *o.key) for cls in (IstioGateway, VirtualService) for o in world.sorted(cls)]
    given = Given(balancers=found.balancers.given, edge=found.edge)
    programmed = {("IstioGateway", *key): (True, "") for key in found.edge.ingress}
    patches = patches_of(world, keys, found.told, programmed, 0.0, given=given)
    status = {f"{p.kind} {p.namespace}/{p.name}": p.body["status"] for p in patches}
    for body in status.values():
        untimed(body)
    told = [p for p in found.problems if p.at.kind in {"IstioGateway", "VirtualService"}]
    out = {
        "gateway": brief(msgspec.to_builtins(made)),
        "problems": [f"{p.severity.value} {p.code} at {p.at}: {p.text}" for p in told],
        "status": status,
    }
    return yaml.safe_dump(out, sort_keys=False, width=140, allow_unicode=True)


@pytest.mark.parametrize("case", CASES, ids=lambda p: p.name)
def test_golden(case: Path, golden: Callable[[Path, str], None]) -> None:
    golden(case / "out.yaml", render(load(case / "in.yaml")))


def test_every_case_has_an_input_and_an_output() -> None:
    assert [p.name for p in HERE.iterdir() if p.is_dir() and p.name != "__pycache__" and p not in CASES] == []
