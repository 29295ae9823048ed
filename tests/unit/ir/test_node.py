"""What a node enforces."""

from __future__ import annotations

import msgspec
import pytest

from meshbuild import CONFIG, NODE, attached, view
from tandem.ir.node import NodeView, PortMapping


@pytest.mark.parametrize(
    ("one", "other", "meet"),
    [
        ("", "", True),
        ("", "fd00::1", True),
        ("0.0.0.0", "192.0.2.1", True),
        ("0.0.0.0", "::", False),
        ("0.0.0.0", "fd00::1", False),
        ("", "::", True),
        ("192.0.2.1", "192.0.2.2", False),
        ("fd00::1", "fd00::1", True),
    ],
)
def test_port_mappings_meet_where_one_packet_could_be_meant_for_both(one: str, other: str, *, meet: bool) -> None:
    first, second = (PortMapping(host_port=80, container_port=80, host_ip=ip) for ip in (one, other))
    assert first.overlaps(second) is second.overlaps(first) is meet


def test_a_view_begins_empty_and_views_share_nothing() -> None:
    one, two = NodeView(node=NODE, config=CONFIG), NodeView(node=NODE, config=CONFIG)
    one.services["x"] = None  # type: ignore[assignment]
    assert two.services == {}
    assert two.pods == ()


def test_equal_parts_make_equal_views() -> None:
    """A view that did not change wakes no loop."""
    assert view(attached("a", "10.244.0.2")) == view(attached("a", "10.244.0.2"))


def test_a_view_cannot_be_reassigned() -> None:
    with pytest.raises(AttributeError):
        view().node = NODE  # type: ignore[misc]


def test_a_view_can_be_shown_as_json() -> None:
    assert msgspec.json.decode(msgspec.json.encode(view(attached("a", "10.244.0.2"))), type=NodeView) == view(
        attached("a", "10.244.0.2")
    )
