"""Large deltas in parts: what each stage holds. That no packet meets a third verdict is in tests/property."""

from __future__ import annotations

from tandem.drivers.nft.fake import FakeNft
from tandem.drivers.nft.plan import AddChain, AddElements, Delta, ReplaceTable, apply, plan
from tandem.drivers.nft.split import split
from tandem.state import nft
from tandem.state.nft import Field


def _table(name: str, number: int, *, hook: str = "forward") -> nft.Ruleset:
    """One pod whose chain `name` looks into a set of its own."""
    elements = frozenset((f"10.0.{i >> 8}.{i & 255}",) for i in range(number))
    look = nft.Rule(match=(nft.InSet((Field.SADDR4,), f"s-{name}"),), then=(nft.Counter(f"c-{name}"), nft.Accept()))
    return nft.ruleset(
        chains=(
            nft.Chain(name=name, rules=(look, nft.Rule(then=(nft.Drop(),)))),
            nft.Chain(
                name="base",
                base=nft.Hook(type="filter", hook=hook, priority=0),
                rules=(nft.Rule(then=(nft.Dispatch((Field.DADDR4,), "pods"),)),),
            ),
        ),
        sets=(nft.Set(name=f"s-{name}", type=("ipv4_addr",), elements=elements),),
        maps=(nft.Map(name="pods", type=("ipv4_addr",), elements=frozenset({(("10.9.9.9",), nft.Jump(name))})),),
        counters=frozenset({f"c-{name}"}),
    )


def _states(parts: tuple[Delta, ...], state: nft.Ruleset | None) -> list[nft.Ruleset]:
    found = []
    for part in parts:
        state = apply(part, state)
        found.append(state)
    return found


def test_what_is_small_stays_one_transaction() -> None:
    delta = plan(_table("a", 3), _table("b", 3))
    assert split(delta, 100) == (delta,)


def test_the_pod_changes_over_in_one_part_once_all_it_needs_is_there() -> None:
    old, new = _table("a", 30), _table("b", 30)
    parts = split(plan(old, new), 10)
    states = _states(parts, old)
    assert states[-1] == new
    assert parts[-1].after == new
    seen = [next(iter(m.elements))[1] for state in states for m in state.maps if m.name == "pods"]
    turn = seen.index(nft.Jump("b"))
    assert seen == [nft.Jump("a")] * turn + [nft.Jump("b")] * (len(seen) - turn)
    assert len(next(s for s in states[turn].sets if s.name == "s-b").elements) == 30
    assert len(next(s for s in states[turn].sets if s.name == "s-a").elements) == 30
    assert all(sum(len(o.elements) for o in part.operations if isinstance(o, AddElements)) <= 10 for part in parts)


def test_a_table_that_is_replaced_is_not_split_and_a_first_one_begins_to_judge_last() -> None:
    new = _table("b", 30)
    delta = plan(None, new)
    assert split(delta, 10) == (delta,)
    parts = split(delta, 10, fresh=True)
    assert len(parts) > 3
    assert parts[0].operations[0] == ReplaceTable()
    hooked = [i for i, part in enumerate(parts) if any(isinstance(o, AddChain) and o.base for o in part.operations)]
    assert hooked == [len(parts) - 1]
    assert _states(parts, None)[-1] == new


def test_a_base_chain_that_goes_judges_up_to_the_change() -> None:
    old, new = _table("a", 30), _table("b", 30)
    without = nft.ruleset(chains=(old.chain("a"),), sets=old.sets, counters=old.counters)
    parts = split(plan(old, without), 1)
    assert {c.name for c in _states(parts, old)[0].chains} == {"a"}
    assert _states(split(plan(without, new), 5), without)[-1] == new


def test_rules_and_counters_are_shared_out_too() -> None:
    rules = tuple(nft.Rule(then=(nft.Counter(f"c{i}"),)) for i in range(25))
    new = nft.ruleset(chains=(nft.Chain(name="x", rules=rules),), counters=frozenset(f"c{i}" for i in range(25)))
    states = _states(split(plan(nft.ruleset(), new), 10), nft.ruleset())
    assert [len(s.counters) for s in states][:2] == [10, 20]
    assert states[-1] == new


def test_what_was_refused_in_the_middle_is_finished_by_the_next_plan() -> None:
    driver, new = FakeNft(), _table("b", 30)
    for part in split(plan(None, new), 10, fresh=True)[:3]:
        driver.apply(part)
    assert not any(c.base for c in (driver.read() or new).chains)
    driver.apply(plan(driver.read(), new))
    assert driver.read() == new


def test_nothing_to_do_is_no_transaction() -> None:
    assert split(Delta()) == ()
