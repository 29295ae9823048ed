"""Linkerd's kinds in the registry."""

from __future__ import annotations

import pytest

from tandem.model.kinds import KINDS
from tandem.model.linkerdkinds import INSTEAD, LINKERD
from tandem.model.schema import validate


def test_every_kind_of_linkerds_groups_is_in_the_registry() -> None:
    assert tuple(kind for kind in KINDS if kind.group.endswith("linkerd.io")) == LINKERD


def test_the_older_versions_of_a_server_are_served() -> None:
    assert LINKERD[0].versions == ("v1beta3", "v1beta2", "v1beta1", "v1alpha1")


def test_what_is_served_is_not_said_to_be_missing() -> None:
    assert {kind.kind for kind in LINKERD}.isdisjoint(INSTEAD)


@pytest.mark.parametrize("kind", sorted(INSTEAD))
def test_what_is_not_served_is_refused_with_what_does_it_here(kind: str) -> None:
    raw = {"apiVersion": "policy.linkerd.io/v1alpha1", "kind": kind, "metadata": {"name": "a"}}
    assert validate(raw) == [f"kind: policy.linkerd.io/v1alpha1 {kind} is not served: {INSTEAD[kind]}"]
