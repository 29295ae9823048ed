"""What policies have in common that are attached to other objects."""

from __future__ import annotations

import msgspec

from tandem.model.attachment import AttachedStatus, PolicyTarget


def test_a_target_without_a_section_is_the_whole_object_of_the_core() -> None:
    assert PolicyTarget(kind="Service", name="web") == msgspec.convert({"kind": "Service", "name": "web"}, PolicyTarget)
    assert msgspec.to_builtins(PolicyTarget(kind="Service", name="a", section_name="b"))["sectionName"] == "b"


def test_a_status_nobody_has_written_says_nothing() -> None:
    assert (AttachedStatus().conditions, AttachedStatus().ancestors) == ((), ())
