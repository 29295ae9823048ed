"""Golden cases: <case>/in.yaml (a NodeView, and which kinds to show) -> out.yaml."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml

from meshbuild import CONFIG, NODE
from tandem.compile.envoy import compile_envoy
from tandem.drivers.xds.encode import encode_resource
from tandem.ir.node import NodeView
from tandem.state.xds import CLUSTER, ENDPOINT, EXTENSION, LISTENER, ROUTE

CASES = sorted(path.parent for path in Path(__file__).parent.glob("*/in.yaml"))
KINDS = {"clusters": CLUSTER, "endpoints": ENDPOINT, "extensions": EXTENSION, "listeners": LISTENER, "routes": ROUTE}


class PlainDumper(yaml.SafeDumper):
    """Writes out what is shared instead of anchors."""

    def ignore_aliases(self, data: Any) -> bool:
        del data
        return True


def _typed_first(value: Any) -> Any:
    """A copy with `@type` before all else: protobuf's parser moves it, in trees that other tests have encoded, too."""
    if isinstance(value, Mapping):
        return {k: _typed_first(value[k]) for k in sorted(value, key=lambda k: k != "@type")}
    return [_typed_first(item) for item in value] if isinstance(value, (list, tuple)) else value


def compiled(case: Path) -> str:
    """The resources that the case shows, in YAML, each after protobuf has taken it."""
    raw = yaml.safe_load((case / "in.yaml").read_text())
    shown = raw.pop("show")
    base = {"node": msgspec.to_builtins(NODE), "config": msgspec.to_builtins(CONFIG)}
    made = compile_envoy(msgspec.convert(base | raw, NodeView)).resources
    out: dict[str, list[Any]] = {}
    for kind, prefixes in shown.items():
        chosen = [r for n, r in made[KINDS[kind]].items() if n.startswith(tuple(prefixes))]
        out[kind] = _typed_first([{"origins": sorted(map(str, r.origins)), **r.body} for r in chosen])
        for resource in chosen:
            encode_resource(KINDS[kind], resource)
    return yaml.dump(msgspec.to_builtins(out), Dumper=PlainDumper, sort_keys=False, width=120)


@pytest.mark.parametrize("case", CASES, ids=lambda path: path.name)
def test_golden(case: Path, golden: Callable[[Path, str], None]) -> None:
    golden(case / "out.yaml", compiled(case))
