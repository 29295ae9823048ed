"""What a kind is called."""

from __future__ import annotations

from tandem.model import core, network
from tandem.model.kind import Kind


def test_a_kind_of_the_core_has_no_group_before_its_version() -> None:
    base = {"versions": ("v1", "v1beta1"), "kind": "X", "plural": "xs"}
    assert Kind(group="", cls=core.Pod, **base).api_version == "v1"  # type: ignore[arg-type]
    own = Kind(group="tandem.io", cls=network.Network, **base)  # type: ignore[arg-type]
    assert (own.api_version, own.name, own.singular) == ("tandem.io/v1", "Network", "x")
