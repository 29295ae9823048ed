"""The class that a cluster has at first."""

from __future__ import annotations

from tandem.cluster.classes import first_class
from tandem.model.parse import parse
from tandem.model.schema import validate
from tandem.model.world import World
from tandem.translate.gateway.status import class_patch


def test_it_is_sound_and_ours() -> None:
    raw = first_class().raw
    assert validate(raw) == []
    (found,) = World.of([parse(raw)]).objects()
    assert class_patch(found, 0.0) is not None  # type: ignore[arg-type]
