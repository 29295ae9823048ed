"""Linkerd's kinds in the registry."""

from __future__ import annotations

from tandem.model.kinds import KINDS
from tandem.model.linkerdkinds import LINKERD


def test_every_kind_of_linkerds_groups_is_in_the_registry() -> None:
    assert tuple(kind for kind in KINDS if kind.group.endswith("linkerd.io")) == LINKERD


def test_the_older_versions_of_a_server_are_served() -> None:
    assert LINKERD[0].versions == ("v1beta3", "v1beta2", "v1beta1", "v1alpha1")
