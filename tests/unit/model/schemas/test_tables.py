"""The grammar of the field tables."""

from __future__ import annotations

import pytest

from tandem.model.schemas import tables
from tandem.model.schemas.syntax import SCALARS

KNOWN = {"enum", "intenum", "labels", "annotations", *SCALARS}


def test_shapes_merge_keys_and_required_fields_are_read() -> None:
    containers = tables.fields("PodSpec")["containers"]
    assert (containers.type.shape, containers.type.base) == ("list", "Container")
    assert (containers.required, containers.merge_key) == (True, "name")
    assert tables.fields("ObjectMeta")["finalizers"].merge_key == ""
    assert tables.fields("VsHttpMatch")["headers"].type.shape == "map"
    assert tables.fields("ContainerPort")["protocol"].type.choices == ("TCP", "UDP", "SCTP")


@pytest.mark.parametrize("name", tables.names())
def test_every_field_has_a_known_type(name: str) -> None:
    for field, form in tables.fields(name).items():
        assert form.type.base in KNOWN or tables.is_table(form.type.base), field


@pytest.mark.parametrize("name", tables.names())
def test_every_merge_key_is_a_field_of_the_elements(name: str) -> None:
    for form in tables.fields(name).values():
        if form.merge_key:
            assert form.merge_key in tables.fields(form.type.base)
