"""Which addresses come next."""

from __future__ import annotations

import pytest

from tandem.base.addresses import family
from tandem.ipam.pool import ANY, AddressRefusedError, Count, Pool, PoolFullError, Use, Wanted

FIVE = Pool.of("10.0.0.0/29")
BOTH = Pool.of("10.0.0.0/29", "fd00::/125")


def give(pool: Pool, *taken: str, last: str = "", wanted: Wanted = ANY) -> str:
    use = Use(taken=frozenset(taken), last={family(last): last} if last else {})
    return pool.give(wanted, use)[0]


def test_every_address_of_every_block_is_given_once() -> None:
    pool, taken, last = Pool.of("10.0.0.0/29", "10.0.1.0/29"), set[str](), ""
    for _ in range(10):
        last = give(pool, *taken, last=last)
        assert last not in taken
        taken.add(last)
    assert taken == {f"10.0.{block}.{n}" for block in (0, 1) for n in range(2, 7)}


def test_a_freed_address_is_not_given_again_at_once() -> None:
    assert give(FIVE, last="10.0.0.2") == "10.0.0.3"


def test_the_search_goes_round() -> None:
    assert give(FIVE, "10.0.0.6", last="10.0.0.5") == "10.0.0.2"
    two = Pool.of("10.0.0.0/29", "10.0.1.0/29")
    assert give(two, last="10.0.0.6") == "10.0.1.2"
    assert give(two, last="10.0.1.6") == "10.0.0.2"


def test_the_search_comes_back_to_the_beginning_of_the_block_in_which_it_began() -> None:
    assert give(FIVE, "10.0.0.4", "10.0.0.5", "10.0.0.6", "10.0.0.2", last="10.0.0.4") == "10.0.0.3"


def test_a_last_address_of_another_prefix_starts_anew() -> None:
    assert give(FIVE, last="10.9.0.5") == "10.0.0.2"


def test_a_full_pool_names_blocks_size_and_cure() -> None:
    with pytest.raises(PoolFullError, match=r"10\.0\.0\.0/30 is full: all 1 addresses are in use; delete pods"):
        give(Pool.of("10.0.0.0/30"), "10.0.0.2")


def test_foreign_addresses_do_not_fill_a_pool() -> None:
    assert give(Pool.of("10.0.0.0/30"), "10.9.0.1", "10.9.0.2") == "10.0.0.2"


def test_a_node_without_a_block_says_so() -> None:
    with pytest.raises(PoolFullError, match="no block of IPv6 addresses"):
        Pool(blocks=FIVE.blocks, families=(4, 6)).give(ANY, Use())


def test_a_pod_gets_one_address_of_each_family() -> None:
    assert BOTH.give(ANY, Use(last={4: "10.0.0.3", 6: "fd00::5"})) == ("10.0.0.4", "fd00::6")


def test_one_full_family_fails_the_whole() -> None:
    taken = frozenset(f"fd00::{n}" for n in range(2, 8))
    with pytest.raises(PoolFullError, match="fd00::/125 is full"):
        BOTH.give(ANY, Use(taken=taken))


def test_an_address_asked_for_in_one_family_leaves_the_other_to_us() -> None:
    assert BOTH.give(Wanted(addresses=("fd00::7",)), Use()) == ("10.0.0.2", "fd00::7")


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("10.9.0.1", "outside 10.0.0.0/29, this node's pod prefixes"),
        ("10.0.0.1", "the node's own"),
        ("10.0.0.3", "taken by another pod"),
        ("10.0.0.4", "lent to another node"),
        ("10.0.0.5", "cools down for 8 s more"),
        ("fd00::1", "no IPv6 addresses to give"),
        ("10.0.1.2", "out of which nothing new is given"),
    ],
)
def test_an_address_that_cannot_be_given_is_refused_with_the_reason(address: str, words: str) -> None:
    blocks = (*FIVE.blocks, *(() if address == "10.9.0.1" else Pool.of("10.0.1.0/29").blocks))
    closed = frozenset({"10.0.1.0/29"})
    pool = Pool(blocks=blocks, families=(4,), withheld=frozenset({"10.0.0.4"}), closed=closed)
    use = Use(taken=frozenset({"10.0.0.3"}), released={"10.0.0.5": 100.0}, now=122.5, cool_down=30.0)
    with pytest.raises(AddressRefusedError, match=words):
        pool.give(Wanted(addresses=(address,)), use)


def test_an_address_that_cools_down_is_passed_over_until_it_may_be_given() -> None:
    one = Pool.of("10.0.0.5/32")
    hot = Use(released={"10.0.0.5": 100.0}, now=129.0, cool_down=30.0)
    with pytest.raises(PoolFullError, match="1 cool down, the next is free in 1 s"):
        one.give(ANY, hot)
    assert one.give(ANY, Use(released={"10.0.0.5": 100.0}, now=130.0, cool_down=30.0)) == ("10.0.0.5",)


def test_lent_and_reserved_addresses_and_closed_blocks_are_passed_over() -> None:
    pool = Pool(
        blocks=Pool.of("10.0.1.0/29", "10.0.0.0/29").blocks,
        families=(4,),
        closed=frozenset({"10.0.1.0/29"}),
        withheld=frozenset({"10.0.0.2"}),
        reserved=("10.0.0.3/32", "10.0.0.4/31"),
    )
    assert give(pool) == "10.0.0.6"
    assert [c.free for c in pool.counts(Use())] == [0, 1]
    assert pool.counts(Use(taken=frozenset({"10.0.0.6"})))[1].free == 0


def test_what_is_used_cools_is_lent_or_reserved_is_not_free() -> None:
    pool = Pool(
        blocks=Pool.of("10.0.0.0/28", "10.0.9.9/32").blocks,
        families=(4,),
        withheld=frozenset({"10.0.0.4"}),
        reserved=("10.0.0.8/29", "10.0.0.12/30", "10.0.0.0/31"),
    )
    use = Use(taken=frozenset({"10.0.0.2", "10.0.0.9"}), released={"10.0.0.3": 9.0}, now=10.0, cool_down=5.0)
    assert pool.counts(use) == (
        Count(prefix="10.0.0.0/28", size=13, used=2, cooling=1, free=3),
        Count(prefix="10.0.9.9/32", size=1, used=0, cooling=0, free=1),
    )


def test_what_would_be_given_last_is_lent_first() -> None:
    pool = Pool.of("10.0.0.0/29", "10.0.1.0/29", "10.0.9.9/32", "fd00::/126")
    use = Use(taken=frozenset({"10.0.1.6"}))
    assert pool.spare(use, most=2) == ("10.0.1.5", "10.0.1.4", "fd00::3", "fd00::2")


def test_a_reserved_address_is_given_to_those_who_ask_for_it() -> None:
    pool = Pool(blocks=FIVE.blocks, families=(4,), reserved=("10.0.0.0/29",))
    assert give(pool, wanted=Wanted(addresses=("10.0.0.3",))) == "10.0.0.3"
    with pytest.raises(PoolFullError):
        give(pool)


def test_ranges_are_searched_in_their_order_and_round() -> None:
    ranges = Wanted(ranges=((("10.0.0.5", "10.0.0.6"), ("10.0.0.2", "10.0.0.3")),))
    assert give(FIVE, wanted=ranges) == "10.0.0.5"
    assert give(FIVE, wanted=ranges, last="10.0.0.6") == "10.0.0.2"
    assert give(FIVE, "10.0.0.5", wanted=ranges, last="10.0.0.3") == "10.0.0.6"
    with pytest.raises(PoolFullError, match=r"no address is free in the ranges asked for: 10\.0\.0\.5 to 10\.0\.0\.6"):
        give(FIVE, "10.0.0.5", "10.0.0.6", "10.0.0.2", "10.0.0.3", wanted=ranges)
