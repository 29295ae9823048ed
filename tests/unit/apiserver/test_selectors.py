"""labelSelector and fieldSelector."""

from __future__ import annotations

import pytest

from tandem.apiserver.errors import Refusal
from tandem.apiserver.selectors import both, parse_field_selector, parse_label_selector
from tandem.model.kinds import BY_KIND

POD, EVENT = BY_KIND["Pod"], BY_KIND["Event"]
RAW = {
    "metadata": {"name": "web", "namespace": "shop", "labels": {"app": "web", "tier": "front"}},
    "spec": {"nodeName": "n1"},
    "status": {"phase": "Running"},
}


@pytest.mark.parametrize(
    ("text", "matches"),
    [
        ("app=web", True),
        ("app==web,tier!=back", True),
        ("app in (web, api),tier", True),
        ("app notin (web)", False),
        ("!missing", True),
        ("!app", False),
        ("missing!=x", True),
        ("app=api", False),
        ("app=", False),
    ],
)
def test_label_selectors(text: str, *, matches: bool) -> None:
    predicate = parse_label_selector(text)
    assert predicate is not None
    assert predicate(RAW) is matches


@pytest.mark.parametrize(
    ("text", "matches"),
    [
        ("metadata.name=web", True),
        ("metadata.namespace!=shop", False),
        ("spec.nodeName=n1,status.phase=Running", True),
        ("spec.nodeName=", False),
        ("spec.hostNetwork=false", True),
        ("spec.hostNetwork!=true", True),
        ("spec.hostNetwork=true", False),
    ],
)
def test_field_selectors(text: str, *, matches: bool) -> None:
    predicate = parse_field_selector(text, POD)
    assert predicate is not None
    assert predicate(RAW) is matches


@pytest.mark.parametrize(("said", "matches"), [({}, True), ({"unschedulable": True}, False)])
def test_nodes_that_take_pods_can_be_asked_for(said: dict[str, bool], *, matches: bool) -> None:
    predicate = parse_field_selector("spec.unschedulable=false", BY_KIND["Node"])
    assert predicate is not None
    assert predicate({"metadata": {"name": "n"}, "spec": said}) is matches


def test_an_empty_selector_selects_everything() -> None:
    assert parse_label_selector("") is None
    assert parse_field_selector("", POD) is None
    assert both(None, None) is None


def test_both_must_hold() -> None:
    first, second = parse_label_selector("app=web"), parse_field_selector("metadata.name=x", POD)
    joined = both(first, second)
    assert joined is not None
    assert not joined(RAW)
    assert both(first, None) is first


@pytest.mark.parametrize("text", ["a b c", "a in b", "-x=1", "a=b c"])
def test_a_wrong_label_selector_is_refused(text: str) -> None:
    with pytest.raises(Refusal, match="unable to parse"):
        parse_label_selector(text)


def test_a_field_that_is_not_indexed_is_refused() -> None:
    with pytest.raises(Refusal, match=r"supported are metadata\.name"):
        parse_field_selector("spec.containers=x", POD)
    with pytest.raises(Refusal, match=r"supported are metadata\.name"):
        parse_field_selector("involvedObject.name=x", POD)
    with pytest.raises(Refusal, match=r"supported are metadata\.name"):
        parse_field_selector("spec.nodeName=x", EVENT)


@pytest.mark.parametrize(
    ("text", "matches"),
    [
        ("involvedObject.kind=Pod,involvedObject.name=web,involvedObject.uid=u", True),
        ("involvedObject.name=db", False),
        ("regarding.name=web,reportingController=", True),
        ("type!=Normal,reason=BackOff,source=tandem-runtime", True),
        ("source=other", False),
    ],
)
def test_events_are_selected_by_what_they_are_about_in_either_form(text: str, *, matches: bool) -> None:
    raw = {
        "metadata": {"name": "e"},
        "involvedObject": {"kind": "Pod", "name": "web", "uid": "u"},
        "type": "Warning",
        "reason": "BackOff",
        "source": {"component": "tandem-runtime"},
    }
    predicate = parse_field_selector(text, EVENT)
    assert predicate is not None
    assert predicate(raw) is matches
