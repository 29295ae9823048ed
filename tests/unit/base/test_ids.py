"""Identifiers cost nothing and travel as text."""

from __future__ import annotations

import msgspec

from tandem.base.ids import ContainerId, PodUid


def test_an_identifier_is_its_text() -> None:
    assert PodUid("u-1") == "u-1"
    assert isinstance(ContainerId("c"), str)


def test_an_identifier_travels_as_text() -> None:
    assert msgspec.json.encode(PodUid("u-1")) == b'"u-1"'
