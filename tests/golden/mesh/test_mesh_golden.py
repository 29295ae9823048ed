"""Each case: objects -> MeshIR, Problems and status, in one file to be read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml

from builders import endpoint_slice
from tandem.model import core
from tandem.model.kinds import BY_KIND
from tandem.model.meta import Object
from tandem.model.parse import parse
from tandem.model.selectors import matches_map
from tandem.model.world import World
from tandem.translate.externals import translate_externals
from tandem.translate.mesh import translate_mesh
from tandem.translate.mesh.istio.subsets import subset_problems
from tandem.translate.options import Options
from unit.translate.test_status import patches

HERE = Path(__file__).parent
CASES = sorted(p.parent for p in HERE.glob("*/in.yaml"))


def _load(path: Path) -> World:
    objects: list[Object] = []
    for raw in yaml.safe_load_all(path.read_text()):
        meta = raw.setdefault("metadata", {})
        if BY_KIND[raw["kind"]].namespaced:
            meta.setdefault("namespace", "default")
        meta.setdefault("uid", f"uid-{meta.get('namespace', '')}-{meta['name']}")
        meta.setdefault("generation", 1)
        objects.append(parse(raw))
    pods = [o for o in objects if isinstance(o, core.Pod)]
    for service in [o for o in objects if isinstance(o, core.Service)]:
        behind = [
            p
            for p in pods
            if p.metadata.namespace == service.metadata.namespace
            and matches_map(service.spec.selector, p.metadata.labels)
        ]
        objects.append(endpoint_slice(service, behind))
    return World.of(objects)


def _brief(value: Any) -> Any:
    """Without what is empty: a reviewer reads what is there."""
    if isinstance(value, dict):
        small = {k: _brief(v) for k, v in value.items()}
        return {k: v for k, v in small.items() if v}
    if isinstance(value, (list, tuple)):
        return [_brief(v) for v in value]
    return value


def render(world: World) -> str:
    mesh, problems = translate_mesh(world, Options())
    hosts = translate_externals(world, {}, Options())
    problems = (*hosts.problems, *problems, *subset_problems(world, mesh.policies))
    status = {
        f"{p.kind} {p.namespace}/{p.name}": p.body["status"]
        for p in patches(world, problems, {}, 0.0, hosts=hosts.addresses.by_entry)
    }
    for body in status.values():
        _untimed(body)
    lines = [f"{p.severity.value} {p.code} at {p.at}: {p.text}" for p in problems]
    external = msgspec.to_builtins({"services": hosts.services, "endpoints": hosts.endpoints}) if hosts.services else {}
    out = {
        **({"hosts": _brief(external)} if external else {}),
        "mesh": _brief(msgspec.to_builtins(mesh)),
        "problems": lines,
        "status": status,
    }
    return yaml.safe_dump(out, sort_keys=False, width=140, allow_unicode=True)


def _untimed(value: Any) -> None:
    for item in value if isinstance(value, list) else value.values() if isinstance(value, dict) else ():
        _untimed(item)
    if isinstance(value, dict):
        value.pop("lastTransitionTime", None)


@pytest.mark.parametrize("case", CASES, ids=lambda p: p.name)
def test_golden(case: Path, golden: Callable[[Path, str], None]) -> None:
    golden(case / "out.yaml", render(_load(case / "in.yaml")))


def test_every_case_has_an_input_and_an_output() -> None:
    assert [p.name for p in HERE.iterdir() if p.is_dir() and p.name != "__pycache__" and p not in CASES] == []
