"""Every manifest of `examples/`, and every whole object on a page for users, is taken and in force as written."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from tandem.base.problems import Severity
from tandem.ingest.defaults import default
from tandem.ingest.files import read_objects
from tandem.model.parse import parse
from tandem.model.schema import validate
from tandem.model.world import World
from tandem.translate.policy import translate_policy
from unit.docs import pages

EXAMPLES: Final = sorted(p for p in (pages.ROOT / "examples").rglob("*.yaml") if "\nkind:" in p.read_text())
_YAML: Final = re.compile(r"^```yaml\n(.*?)^```", re.MULTILINE | re.DOTALL)


def whole_objects(page: Path) -> Iterator[dict[str, Any]]:
    for block in _YAML.findall(page.read_text()):
        for raw in yaml.safe_load_all(block):
            if isinstance(raw, dict) and {"apiVersion", "kind", "metadata"} <= raw.keys():
                yield raw


def errors(raws: list[dict[str, Any]]) -> list[str]:
    """What translation of policies calls wrong."""
    _, problems = translate_policy(World.of(parse(default(raw)) for raw in raws))
    return [f"{p.at}: {p.text}" for p in problems if p.severity is Severity.ERROR]


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda p: p.name)
def test_an_example_is_taken(path: Path) -> None:
    assert errors(read_objects([path])) == []


@pytest.mark.parametrize("page", pages.tasks(), ids=lambda p: p.name)
def test_an_object_on_a_page_is_taken(page: Path) -> None:
    raws = list(whole_objects(page))
    assert [line for raw in raws for line in validate(raw)] == []
    assert errors(raws) == []


def test_objects_on_pages_are_found() -> None:
    page = pages.TASKS / "cluster-network-policy.md"
    assert [raw["kind"] for raw in whole_objects(page)] == ["ClusterNetworkPolicy"]
