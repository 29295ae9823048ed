"""Default policies."""

from __future__ import annotations

from tandem.model.schemas.tables import fields
from tandem.translate.mesh.linkerd.defaults import EVERYTHING, SOURCES


def test_every_policy_that_the_api_knows_means_something() -> None:
    assert set(SOURCES) == set(fields("LkServerSpec")["accessPolicy"].type.choices)


def test_only_one_lets_everyone_in() -> None:
    assert [name for name, sources in SOURCES.items() if EVERYTHING in sources] == ["all-unauthenticated"]
    assert (SOURCES["deny"], SOURCES["audit"]) == ((), ())
