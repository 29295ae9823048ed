"""Kinds of our own group."""

from __future__ import annotations

from tandem.model.kinds import KINDS
from tandem.model.ownkinds import OWN


def test_they_are_all_that_there_are_of_the_group() -> None:
    assert tuple(kind for kind in KINDS if kind.group == "tandem.io") == OWN
    assert {kind.versions for kind in OWN} == {("v1",)}
