"""A table in several transactions is the same table, and nothing is asked of it before it is whole."""

from __future__ import annotations

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nodeviews import view_of
from property.worlds import worlds
from tandem.compile.nft.node import compile_nft
from tandem.drivers.nft.chunks import split
from tandem.drivers.nft.fake import FakeNft
from tandem.drivers.nft.plan import AddElements, Delta, plan
from tandem.model.world import World
from tandem.state import nft

MANY = nft.ruleset(
    chains=(
        nft.Chain(name="judge", rules=(nft.Rule(match=(nft.InSet((nft.Field.SADDR4,), "s"),), then=(nft.Accept(),)),)),
        nft.Chain(
            name="base",
            rules=(nft.Rule(then=(nft.Dispatch((nft.Field.DADDR4,), "m"),)),),
            base=nft.Hook(type="filter", hook="forward", priority=0),
        ),
    ),
    sets=(nft.Set(name="s", type=("ipv4_addr",), elements=frozenset((f"10.0.{n}.1",) for n in range(100))),),
    maps=(
        nft.Map(
            name="m",
            type=("ipv4_addr",),
            elements=frozenset(((f"10.1.{n}.1",), nft.Goto("judge")) for n in range(100)),
        ),
    ),
)


def test_a_large_table_is_made_in_parts_of_the_bound() -> None:
    parts = split(plan(None, MANY), 30)
    sizes = [sum(len(o.elements) for o in p.operations if isinstance(o, AddElements)) for p in parts]
    assert max(sizes) <= 30
    assert sum(sizes) == 200
    assert len(parts) > 7


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(worlds(), st.integers(1, 40))
def test_the_parts_make_the_table_and_only_the_last_one_hooks_it(world: World, bound: int) -> None:
    wanted, driver = compile_nft(view_of(world)), FakeNft()
    parts = split(plan(None, wanted), bound)
    for part in parts:
        table = driver.read()
        assert table is None or not any(c.base for c in table.chains)
        driver.apply(part)
        assert driver.read() == part.after
    assert driver.read() == wanted
    assert parts[-1].after == wanted


def test_what_is_small_or_a_change_is_one_transaction() -> None:
    change = plan(MANY, nft.ruleset())
    assert split(change, 1) == (change,)
    whole = plan(None, MANY)
    assert split(whole) == (whole,)
    assert split(Delta()) == ()


def test_what_was_refused_in_the_middle_is_finished_by_the_next_plan() -> None:
    driver = FakeNft()
    for part in split(plan(None, MANY), 30)[:4]:
        driver.apply(part)
    driver.apply(plan(driver.read(), MANY))
    assert driver.read() == MANY
