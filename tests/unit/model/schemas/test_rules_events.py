"""Where Events may be."""

from __future__ import annotations

from typing import Any

import pytest

from tandem.model.schema import validate


def event(own: str, about: str, *, group: bool = False) -> list[str]:
    meta = {"name": "e", "namespace": own}
    of: dict[str, Any] = {"kind": "Pod", "name": "p", "namespace": about}
    if group:
        form = {"apiVersion": "events.k8s.io/v1", "regarding": of, "eventTime": "2026-01-31T12:00:00.000000Z"}
    else:
        form = {"apiVersion": "v1", "involvedObject": of}
    return validate({"kind": "Event", "metadata": meta, **form})


@pytest.mark.parametrize("group", [False, True])
@pytest.mark.parametrize(("own", "about"), [("shop", "shop"), ("default", ""), ("kube-system", "")])
def test_an_event_is_where_its_object_is(own: str, about: str, *, group: bool) -> None:
    assert event(own, about, group=group) == []


@pytest.mark.parametrize(("own", "about"), [("shop", "other"), ("shop", "")])
def test_an_event_elsewhere_is_refused_with_the_path(own: str, about: str) -> None:
    (text,) = event(own, about)
    assert text.startswith(f'involvedObject.namespace: Invalid value: "{about}"')
    assert event(own, about, group=True)[0].startswith("regarding.namespace: Invalid value")


def test_fields_of_the_other_form_are_unknown() -> None:
    raw = {"apiVersion": "v1", "kind": "Event", "metadata": {"name": "e", "namespace": "n"}, "note": "x"}
    assert validate(raw) == ["note: unknown field", "involvedObject: Required value"]
