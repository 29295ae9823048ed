"""Whose transaction it was; with a kernel: tests/contract/test_nft_watch.py."""

from __future__ import annotations

import asyncio

import pytest

from tandem.drivers.nft.watch import Change, KernelWatch, Span
from tandem.drivers.nft.watch_wire import Generation
from unit.drivers.nft.test_watch_wire import OURS, removed

THEIRS = Generation(number=8, process="nft", pid=7)
CHANGE = Change(things=("rule of chain forward removed",), process="nft", pid=7)


def judged(*spans: Span, done: Generation = THEIRS, chunk: bytes | None = None) -> Change | None:
    async def main() -> Change | None:
        made = KernelWatch(OURS)
        made._spans.extend(spans)
        return made._judge(done, [removed("forward") if chunk is None else chunk])

    return asyncio.run(main())


@pytest.mark.parametrize(
    ("spans", "told"),
    [
        ((), CHANGE),
        ((Span(before=7, after=8),), None),
        ((Span(before=6, after=7),), CHANGE),
        ((Span(before=6, after=8),), None),
        ((Span(before=6, after=8, claimed=True),), CHANGE),
    ],
    ids=["nobody of us", "ours alone", "before", "one of two, and the first", "one of two, and ours is known"],
)
def test_a_transaction_is_ours_by_its_number(spans: tuple[Span, ...], told: Change | None) -> None:
    assert judged(*spans) == told


def test_what_does_not_concern_our_tables_is_not_told() -> None:
    assert judged(chunk=removed("forward", b"docker\0")) is None
    span = Span(before=6, after=8)
    assert judged(span, chunk=removed("forward", b"docker\0")) is None
    assert not span.claimed


def test_a_generation_that_was_accounted_for_is_not_looked_at_again() -> None:
    async def main() -> list[Change | None]:
        made = KernelWatch(OURS)
        return [made._judge(THEIRS, [removed("forward")]) for _ in range(2)]

    assert asyncio.run(main()) == [CHANGE, None]
