"""Each case: objects -> MeshIR, Problems and status, in one file to be read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
import yaml

from goldenworlds import brief, load, untimed
from tandem.model.istiogateway import IstioGateway
from tandem.model.world import World
from tandem.translate.externals import translate_externals
from tandem.translate.mesh import translate_mesh
from tandem.translate.mesh.istio.subsets import subset_problems
from tandem.translate.options import Options
from unit.translate.test_status import patches

HERE = Path(__file__).parent
CASES = sorted(p.parent for p in HERE.glob("*/in.yaml"))


def render(world: World) -> str:
    mesh, problems = translate_mesh(world, Options())
    hosts = translate_externals(world, {}, Options())
    problems = (*hosts.problems, *problems, *subset_problems(world, mesh.policies))
    status = {
        f"{p.kind} {p.namespace}/{p.name}": p.body["status"]
        for p in patches(world, problems, {}, 0.0, hosts=hosts.addresses.by_entry)
        if p.kind != IstioGateway.__name__  # of which no more than the ways through it is made here
    }
    for body in status.values():
        untimed(body)
    lines = [f"{p.severity.value} {p.code} at {p.at}: {p.text}" for p in problems]
    external = msgspec.to_builtins({"services": hosts.services, "endpoints": hosts.endpoints}) if hosts.services else {}
    out = {
        **({"hosts": brief(external)} if external else {}),
        "mesh": brief(msgspec.to_builtins(mesh)),
        "problems": lines,
        "status": status,
    }
    return yaml.safe_dump(out, sort_keys=False, width=140, allow_unicode=True)


@pytest.mark.parametrize("case", CASES, ids=lambda p: p.name)
def test_golden(case: Path, golden: Callable[[Path, str], None]) -> None:
    golden(case / "out.yaml", render(load(case / "in.yaml")))


def test_every_case_has_an_input_and_an_output() -> None:
    assert [p.name for p in HERE.iterdir() if p.is_dir() and p.name != "__pycache__" and p not in CASES] == []
