"""One Event in two forms."""

from __future__ import annotations

import msgspec
import pytest

from tandem.apiserver.deletion import Options
from tandem.apiserver.errors import Refusal
from tandem.apiserver.eventforms import field, shown, stored
from tandem.apiserver.paths import parse_path
from tandem.apiserver.store import Store
from tandem.apiserver.verbs import MERGE, Verbs
from tandem.base.clock import FixedClock

CORE = {
    "apiVersion": "v1",
    "kind": "Event",
    "metadata": {"name": "e", "namespace": "default"},
    "involvedObject": {"kind": "Pod", "name": "web", "namespace": "default"},
    "reason": "BackOff",
    "message": "again",
    "count": 2,
    "type": "Warning",
    "source": {"component": "c"},
    "firstTimestamp": "2026-01-31T12:00:00Z",
}
GROUP = {
    "apiVersion": "events.k8s.io/v1",
    "kind": "Event",
    "metadata": {"name": "e", "namespace": "default"},
    "regarding": {"kind": "Pod", "name": "web", "namespace": "default"},
    "reason": "BackOff",
    "note": "again",
    "deprecatedCount": 2,
    "type": "Warning",
    "deprecatedSource": {"component": "c"},
    "deprecatedFirstTimestamp": "2026-01-31T12:00:00Z",
}
OLD, NEW = (f"/{root}/namespaces/default/events" for root in ("api/v1", "apis/events.k8s.io/v1"))


@pytest.fixture
def verbs() -> Verbs:
    made = Verbs(Store(), clock=FixedClock())
    made.ensure_built_in()
    return made


def test_each_form_is_the_other_under_other_names() -> None:
    assert shown(CORE) == GROUP
    assert stored(GROUP) == CORE


def test_fields_of_selectors_go_by_either_name() -> None:
    assert [field(f) for f in ("regarding.uid", "involvedObject.uid", "reason")] == [
        "involvedObject.uid",
        "involvedObject.uid",
        "reason",
    ]


def test_what_is_made_in_one_form_is_read_changed_and_deleted_in_the_other(verbs: Verbs) -> None:
    body = {**GROUP, "eventTime": "2026-01-31T12:00:00.000000Z"}
    made = verbs.create(parse_path(NEW), body)
    assert made.raw["involvedObject"]["name"] == "web"
    assert msgspec.json.decode(made.encode("events.k8s.io/v1"))["note"] == "again"
    assert verbs.current(parse_path(f"{OLD}/e")).raw["message"] == "again"
    verbs.patch(parse_path(f"{NEW}/e"), {"note": "often", "deprecatedCount": 3}, MERGE)
    changed = verbs.patch(parse_path(f"{OLD}/e"), {"type": "Normal"}, MERGE)
    assert (changed.raw["message"], changed.raw["count"], changed.raw["type"]) == ("often", 3, "Normal")
    _, gone = verbs.delete(parse_path(f"{NEW}/e"), Options())
    assert gone


def test_what_is_wrong_is_named_as_it_was_written(verbs: Verbs) -> None:
    with pytest.raises(Refusal, match=r"eventTime: Required value"):
        verbs.create(parse_path(NEW), GROUP)
    with pytest.raises(Refusal, match=r"regarding: unknown field"):
        verbs.create(parse_path(OLD), {**CORE, "regarding": {}})
