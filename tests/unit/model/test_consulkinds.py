"""Which kinds of Consul are served, and what is said of the others."""

from __future__ import annotations

import pytest

from tandem.model.consulkinds import CONSUL, INSTEAD
from tandem.model.schema import validate


def test_all_are_of_consuls_group_and_version() -> None:
    assert {kind.api_version for kind in CONSUL} == {"consul.hashicorp.com/v1alpha1"}


def test_what_is_served_is_not_refused() -> None:
    assert {kind.kind for kind in CONSUL}.isdisjoint(INSTEAD)


@pytest.mark.parametrize("kind", sorted(INSTEAD))
def test_a_kind_that_is_not_served_is_refused_with_what_does_the_same(kind: str) -> None:
    raw = {"apiVersion": "consul.hashicorp.com/v1alpha1", "kind": kind, "metadata": {"name": "x"}, "spec": {}}
    assert validate(raw) == [f"kind: consul.hashicorp.com/v1alpha1 {kind} is not served: {INSTEAD[kind]}"]
