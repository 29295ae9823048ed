"""Cells and tables; tests/golden/cli holds whole tables."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from tandem.apps.cli.columns import columns, duration, pod_status, programmed, selector_text, table, widths
from tandem.base.clock import parse_rfc3339
from tandem.model.kinds import BY_KIND, KINDS, name_of

CASE: Final = Path(__file__).parents[3] / "golden" / "cli" / "tables"
NOW: Final = parse_rfc3339("2026-01-02T00:00:00Z")


def test_the_tables_of_all_kinds(golden: Callable[[Path, str], None]) -> None:
    objects = list(yaml.safe_load_all((CASE / "in.yaml").read_text()))
    parts = []
    for kind in KINDS:
        of = columns(kind, namespaces=True, now=NOW, pod_mesh=lambda _: "in")
        rows = [o for o in objects if name_of(o) == kind.name]
        parts.append(
            "\n".join([f"# {kind.plural}{f'.{kind.group}' if kind.name != kind.kind else ''}", *table(rows, of)])
        )
    golden(CASE / "out.txt", "\n\n".join(parts) + "\n")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-5, "0s"),
        (0, "0s"),
        (119, "119s"),
        (120, "2m"),
        (192, "3m12s"),
        (3599, "59m"),
        (2 * 3600, "120m"),
        (3 * 3600 + 300, "3h5m"),
        (9 * 3600 + 300, "9h"),
        (2 * 86400 + 3600, "2d1h"),
        (20 * 86400, "20d"),
    ],
)
def test_durations_read_as_with_kubectl(seconds: int, text: str) -> None:
    assert duration(seconds) == text


def test_columns_keep_a_width_that_was_printed_before() -> None:
    of = columns(BY_KIND["ConfigMap"], namespaces=False, now=NOW, pod_mesh=lambda _: "")
    long, short = ({"kind": "ConfigMap", "metadata": {"name": n}} for n in ("a-long-name", "b"))
    row = table([short], of, widths([long], of))[1]
    assert row.index("0") == table([long], of)[1].index("0")


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({}, "Running"),
        ({"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"}}, "Terminating"),
        (
            {"status": {"containerStatuses": [{"state": {"waiting": {"reason": "CrashLoopBackOff"}}}]}},
            "CrashLoopBackOff",
        ),
        ({"status": {"phase": "Failed", "reason": "Evicted"}}, "Evicted"),
        ({"status": {}}, "Pending"),
    ],
)
def test_the_status_of_a_pod_is_its_most_telling_word(change: dict[str, Any], status: str) -> None:
    assert pod_status({"kind": "Pod", "metadata": {}, "status": {"phase": "Running"}} | change) == status


def test_a_route_is_programmed_when_every_parent_is() -> None:
    def route(*statuses: str) -> dict[str, Any]:
        parents = [{"conditions": [{"type": "Programmed", "status": s, "observedGeneration": 1}]} for s in statuses]
        return {"kind": "HTTPRoute", "metadata": {"generation": 1}, "status": {"parents": parents}}

    assert programmed(route("True", "True")) == "True"
    assert programmed(route("True", "False")) == "False"
    assert programmed(route()) == "Unknown"
    assert programmed({**route("True"), "metadata": {"generation": 2}}) == "Unknown"


def test_selectors_read_on_one_line() -> None:
    assert selector_text({}) == "<all>"
    assert selector_text(None) == "<none>"
    expression = {"key": "tier", "operator": "In", "values": ["a", "b"]}
    assert selector_text({"matchLabels": {"app": "x"}, "matchExpressions": [expression]}) == "app=x,tier In (a,b)"


def test_what_objects_say_is_no_command_to_the_terminal() -> None:
    event = {"metadata": {"name": "e"}, "reason": "R\x1b[2J", "message": "all well\nNormal  forged row"}
    lines = table([event], columns(BY_KIND["Event"], namespaces=False, now=NOW, pod_mesh=str))
    assert len(lines) == 2
    assert all(line.isprintable() for line in lines)
