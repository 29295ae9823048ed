"""What a node says of its addresses."""

from __future__ import annotations

from tandem.ir.holdings import BlockUse, Holdings


def test_a_family_is_wanted_where_it_runs_low() -> None:
    blocks = (
        BlockUse(prefix="10.0.0.0/29", size=5, used=4, cooling=0, free=1),
        BlockUse(prefix="fd00::/125", size=6, used=4, cooling=0, free=2),
    )
    held = Holdings(blocks=blocks, low={4: 1, 6: 1})
    assert (held.free(4), held.free(6)) == (1, 2)
    assert held.wants == (4,)
    assert Holdings(low={6: 1}).wants == (6,)
