"""Raw objects become values, or say where they are wrong."""

from __future__ import annotations

from typing import Any, cast

import pytest

from tandem.model import core
from tandem.model.kinds import KINDS
from tandem.model.parse import ParseError, parse


def pod(**spec: Any) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": {"containers": [], **spec}}


def test_the_kind_decides_about_the_type() -> None:
    assert isinstance(parse(pod()), core.Pod)


@pytest.mark.parametrize("kind", [k.kind for k in KINDS])
def test_every_kind_parses_from_its_name_alone(kind: str) -> None:
    """Where fields are needed, schema validation says so before."""
    assert parse({"apiVersion": "v1", "kind": kind, "metadata": {"name": "x"}}).kind == kind


def test_null_is_absent() -> None:
    found = cast("core.Pod", parse(pod(nodeName=None, containers=[{"name": "c", "args": None}])))
    assert found.spec.node_name == ""
    assert found.spec.containers[0].args == ()


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (pod(containers=[{"name": "c", "ports": [{"containerPort": "http"}]}]), r"^spec\.containers\[0\]\.ports\[0\]"),
        (pod(hostNetwork="yes"), r"^spec\.hostNetwork: Expected `bool`, got `str`$"),
        ({"kind": "Pod", "metadata": {"name": "p"}}, "^Pod: .*apiVersion"),
        ({"kind": "Banana"}, "^kind: unknown kind 'Banana'$"),
        ({}, "^kind: unknown kind None$"),
    ],
)
def test_a_mistake_is_named_by_its_field_path(raw: dict[str, Any], message: str) -> None:
    with pytest.raises(ParseError, match=message):
        parse(raw)


def test_the_input_stays_as_it_is() -> None:
    raw = pod(nodeName=None)
    parse(raw)
    assert raw == pod(nodeName=None)
