from __future__ import annotations

from tandem.workloads.context import RETRY, pause_after


def test_pauses_grow_and_the_last_one_holds_for_ever() -> None:
    assert [pause_after(n) for n in range(8)] == [*RETRY, RETRY[-1], RETRY[-1]]
    assert list(RETRY) == sorted(RETRY)
