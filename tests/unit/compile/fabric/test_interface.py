"""What every fabric asks of a view."""

from __future__ import annotations

import msgspec

from tandem.compile.fabric.interface import others
from unit.compile.fabric.fabricviews import node, view


def test_the_others_are_in_the_order_of_their_names_and_reachable() -> None:
    lost = msgspec.structs.replace(node(4), addresses=())
    assert [n.name for n in others(view(node(3), lost, node(2)))] == ["node-2", "node-3"]
