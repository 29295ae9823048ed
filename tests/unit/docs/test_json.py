"""docs/reference/json.md says what the models say, and the status has the keys that it says."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import builders
from tandem.base.problems import Problem
from tandem.model.parse import parse
from tandem.views.health import ObjectState, status
from unit.docs import pages

TOOL = pages.ROOT / "tools" / "make_json_reference.py"


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    path = f"{pages.ROOT / 'src'}:{pages.ROOT / 'cni' / 'src'}:{TOOL.parent}"
    command = [sys.executable, *arguments]
    environment = {**os.environ, "PYTHONPATH": path}
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment, timeout=60)


def documented() -> dict[str, set[str]]:
    """Section of the status -> its documented keys."""
    found: dict[str, set[str]] = {}
    section = ""
    for line in (pages.ROOT / "docs" / "reference" / "json.md").read_text().splitlines():
        if line.startswith("#"):
            section = line.strip("# ")
        elif line.startswith("| `"):
            found.setdefault(section, set()).add(line.split("`")[1])
    return found


def view() -> dict[str, Any]:
    """The status of a World with one object of each sort."""
    node = parse({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "node-1"}})
    template = {"metadata": {"labels": {"app": "a"}}, "spec": {"containers": [{"name": "a", "image": "host"}]}}
    deployment, stateful = (
        parse(
            {
                "apiVersion": "apps/v1",
                "kind": kind,
                "metadata": {"name": "a", "namespace": "default"},
                "spec": {"selector": {"matchLabels": {"app": "a"}}, "template": template},
            }
        )
        for kind in ("Deployment", "StatefulSet")
    )
    policy = builders.policy("p")
    return status(
        builders.world(node, deployment, stateful, builders.pod("a"), policy),
        deliveries={},
        reports={},
        memberships={},
        objects=[ObjectState(kind="NetworkPolicy", namespace="default", name="p", programmed=True)],
        problems=[Problem(at=policy.origin("spec"), code="SelectsNoPod", text="it selects no pod")],
    )


def test_the_reference_of_the_json_forms_is_current() -> None:
    done = run(str(TOOL), "--check")
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_status_has_exactly_the_documented_keys() -> None:
    pages_say = documented()
    for section, rows in view().items():
        assert rows, f"the World has nothing for {section}"
        assert set(rows[0]) == pages_say[f"{section}[]"], section


def test_every_struct_field_has_a_meaning_or_a_name_that_says_it() -> None:
    plain = {"address", "code", "kind", "method", "name", "namespace", "path", "authority", "pod", "port", "ready"}
    plain |= {"version", "phase", "request_id", "duration_ms", "destination", "allowed", "severity"}
    silent = []
    for line in (pages.ROOT / "docs" / "reference" / "json.md").read_text().splitlines():
        cells = [cell.strip() for cell in line.split("|")]
        if line.startswith("| `") and cells[3].removesuffix("May be absent.").strip() == "":
            silent.append(cells[1].strip("`"))
    assert set(silent) <= plain
