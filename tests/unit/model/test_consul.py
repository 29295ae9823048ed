"""Consul's objects as they are read."""

from __future__ import annotations

from consulworlds import intentions, permission, source
from tandem.model.consul import HeaderPermission


def test_a_source_has_an_action_or_permissions() -> None:
    header = {"name": "x-a", "contains": "b", "ignoreCase": True}
    found = intentions("web", source("a"), source("b", permissions=[permission("deny", header=[header])])).spec
    assert found.destination.name == "web"
    assert (found.sources[0].action, found.sources[0].permissions) == ("allow", ())
    (one,) = found.sources[1].permissions
    assert one.http is not None
    assert one.http.header == (HeaderPermission(name="x-a", contains="b", ignore_case=True),)


def test_a_source_of_elsewhere_is_told_apart() -> None:
    (found,) = intentions("web", source("a", samenessGroup="g", peer="p", partition="x")).spec.sources
    assert (found.sameness_group, found.peer, found.partition) == ("g", "p", "x")
