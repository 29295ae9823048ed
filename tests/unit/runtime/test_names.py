"""What is known of names: one server's words, and time."""

from __future__ import annotations

import msgspec
import pytest

from tandem.runtime import names as module
from tandem.runtime.names import AGAIN, KEPT, LEAD, SHORTEST, UNWANTED, Index, Name, Names
from tandem.state.dns import NameAnswer

EXACT, WILD = "api.shop.test", "*.cdn.test"
BOTH = frozenset({EXACT, WILD})
T = 1_700_000_000.0


def answer(name: str, *addresses: str, ttl: int = 30, version: int = 4) -> NameAnswer:
    return NameAnswer(name=name, version=version, addresses=addresses, ttl=ttl)


@pytest.fixture
def names() -> Names:
    made = Names()
    made.want(BOTH, T)
    return made


def opened(names: Names) -> dict[str, tuple[str, ...]]:
    """Patterns that have addresses."""
    return {pattern: found for pattern, found in names.learned.items() if found}


def refuse(names: Names, name: str, now: float) -> None:
    assert name in names.ask(now)
    assert not names.answered(name, (), now, whole=False)


def test_what_a_pod_is_told_is_learned_for_every_pattern_of_the_name(names: Names) -> None:
    names.want(BOTH | {"*.test", "a.cdn.test", "other.test"}, T)
    assert names.take(answer("a.cdn.test", "192.0.2.1"), T)
    assert opened(names) == dict.fromkeys(("*.cdn.test", "*.test", "a.cdn.test"), ("192.0.2.1",))


def test_the_same_again_changes_nothing_and_gives_the_same_object(names: Names) -> None:
    names.take(answer("a.cdn.test", "192.0.2.1"), T)
    before = names.learned
    assert not names.take(answer("a.cdn.test", "192.0.2.1"), T + 1)
    assert names.learned is before


def test_nothing_is_kept_of_a_name_that_no_policy_is_about(names: Names) -> None:
    for name in ("cdn.test", "xcdn.test", "www.api.shop.test", "shop.test"):
        assert not names.take(answer(name, "192.0.2.1"), T)
    assert set(names.known) == {EXACT}
    assert opened(names) == {}


def test_a_name_that_is_written_out_is_asked_for_at_once_and_when_its_server_asks_anew(names: Names) -> None:
    assert names.ask(T) == [EXACT]
    assert names.ask(T) == []
    assert names.answered(EXACT, [answer(EXACT, "192.0.2.1", ttl=30)], T + 0.5, whole=True)
    assert opened(names) == {EXACT: ("192.0.2.1",)}
    assert names.next_due() == T + 31
    assert names.ask(T + 31) == [EXACT]


def test_a_name_below_a_wildcard_is_asked_for_before_it_ends(names: Names) -> None:
    refuse(names, EXACT, T)
    names.take(answer("a.cdn.test", "192.0.2.1"), T)
    names.ask(T + AGAIN)
    assert names.next_due() == T + SHORTEST - LEAD


def test_what_a_name_lacks_is_not_known_before_its_server_said_something(names: Names) -> None:
    assert names.learned == {WILD: ()}
    refuse(names, EXACT, T)
    assert names.learned == {WILD: ()}
    names.ask(T + AGAIN)
    assert names.answered(EXACT, [answer(EXACT)], T + AGAIN, whole=True)
    assert names.learned == {EXACT: (), WILD: ()}


def test_a_name_without_addresses_below_a_wildcard_is_not_kept(names: Names) -> None:
    assert not names.take(answer("a.cdn.test"), T)
    assert set(names.known) == {EXACT}


def test_an_address_ends_when_its_time_is_over_and_its_server_has_others(names: Names) -> None:
    names.take(answer("a.cdn.test", "192.0.2.1"), T)
    end = T + SHORTEST
    assert "a.cdn.test" in names.ask(end - LEAD)
    assert names.answered("a.cdn.test", [answer("a.cdn.test", "192.0.2.2")], end - LEAD, whole=True)
    assert opened(names) == {WILD: ("192.0.2.1", "192.0.2.2")}
    assert "a.cdn.test" in names.ask(end)
    assert names.answered("a.cdn.test", [answer("a.cdn.test", "192.0.2.2")], end, whole=True)
    assert opened(names) == {WILD: ("192.0.2.2",)}
    assert names.lapsed == {WILD: ("192.0.2.1",)}


def test_a_long_ttl_counts_and_a_short_one_is_not_shorter_than_the_least(names: Names) -> None:
    names.take(answer("a.cdn.test", "192.0.2.1", ttl=600), T)
    names.take(answer("b.cdn.test", "192.0.2.2", ttl=1), T)
    known = names.known
    assert known["a.cdn.test"].until == {"192.0.2.1": T + 600}
    assert known["b.cdn.test"].until == {"192.0.2.2": T + SHORTEST}


def test_a_server_that_says_nothing_changes_nothing(names: Names) -> None:
    names.take(answer("a.cdn.test", "192.0.2.1"), T)
    for after in range(0, 100_000, 1000):
        refuse(names, "a.cdn.test", T + SHORTEST + after)
        assert opened(names) == {WILD: ("192.0.2.1",)}
    end = T + 200_000
    assert "a.cdn.test" in names.ask(end)
    assert names.answered("a.cdn.test", [answer("a.cdn.test")], end, whole=True)
    assert opened(names) == {}


def test_one_family_that_is_silent_keeps_its_addresses_and_only_its(names: Names) -> None:
    names.take(answer("a.cdn.test", "192.0.2.1"), T)
    names.take(answer("a.cdn.test", "2001:db8::1", version=6), T)
    end = T + SHORTEST
    names.ask(end)
    assert names.answered("a.cdn.test", [answer("a.cdn.test")], end, whole=False)
    assert opened(names) == {WILD: ("2001:db8::1",)}


def test_a_name_that_no_longer_exists_ends(names: Names) -> None:
    names.ask(T)
    names.answered(EXACT, [answer(EXACT, "192.0.2.1")], T, whole=True)
    names.ask(T + 31)
    assert not names.answered(EXACT, [answer(EXACT, ttl=5)], T + 31, whole=True)
    names.ask(T + SHORTEST)
    assert names.answered(EXACT, [answer(EXACT, ttl=5)], T + SHORTEST, whole=True)
    assert opened(names) == {}
    assert EXACT in names.known


def test_a_name_below_a_wildcard_is_renewed_for_some_time_after_a_pod_has_asked(names: Names) -> None:
    names.take(answer("a.cdn.test", "192.0.2.1"), T)
    now = T
    while now < T + KEPT + 3 * SHORTEST:
        now += SHORTEST - LEAD
        names.ask(now)
        names.answered("a.cdn.test", [answer("a.cdn.test", "192.0.2.1")], now, whole=True)
        assert (opened(names) == {WILD: ("192.0.2.1",)}) == (now < T + KEPT + SHORTEST - LEAD)
    assert names.lapsed == {WILD: ("192.0.2.1",)}


def test_an_address_that_comes_back_has_not_lapsed(names: Names) -> None:
    names.take(answer("a.cdn.test", "192.0.2.1"), T)
    names.ask(T + SHORTEST)
    names.answered("a.cdn.test", [answer("a.cdn.test")], T + SHORTEST, whole=True)
    assert names.take(answer("a.cdn.test", "192.0.2.1"), T + SHORTEST + 1)
    assert (opened(names), names.lapsed) == ({WILD: ("192.0.2.1",)}, {})


def test_an_address_of_two_names_ends_with_the_second(names: Names) -> None:
    names.take(answer("a.cdn.test", "192.0.2.1"), T)
    names.take(answer("b.cdn.test", "192.0.2.1"), T)
    end = T + SHORTEST
    names.ask(end)
    names.answered("a.cdn.test", [answer("a.cdn.test")], end, whole=True)
    assert opened(names) == {WILD: ("192.0.2.1",)}
    assert names.answered("b.cdn.test", [answer("b.cdn.test")], end, whole=True)
    assert opened(names) == {}


def test_what_lapsed_is_forgotten_when_nobody_is_connected_to_it(names: Names) -> None:
    names.take(answer("a.cdn.test", "192.0.2.1", "192.0.2.2"), T)
    end = T + SHORTEST
    names.ask(end)
    names.answered("a.cdn.test", [answer("a.cdn.test")], end, whole=True)
    names.forget((), end + 9, after=10)
    assert names.lapsed == {WILD: ("192.0.2.1", "192.0.2.2")}
    names.forget({"192.0.2.2"}, end + 10, after=10)
    assert names.lapsed == {WILD: ("192.0.2.2",)}
    names.forget((), end + 11, after=10)
    assert names.lapsed == {}
    assert set(names.known) == {EXACT}


def test_a_new_pattern_has_what_is_known_of_its_names_already(names: Names) -> None:
    names.take(answer("a.cdn.test", "192.0.2.1"), T)
    names.want(BOTH | {"a.cdn.test"}, T + 1)
    assert opened(names) == {WILD: ("192.0.2.1",), "a.cdn.test": ("192.0.2.1",)}
    assert names.ask(T + 1) == ["a.cdn.test", EXACT]


def test_a_policy_that_is_replaced_does_not_cost_what_is_known(names: Names) -> None:
    names.take(answer("a.cdn.test", "192.0.2.1"), T)
    names.want(frozenset(), T + 1)
    assert opened(names) == {}
    names.want(BOTH, T + 2)
    assert opened(names) == {WILD: ("192.0.2.1",)}


def test_a_name_that_no_policy_is_about_any_more_is_dropped_after_a_while(names: Names) -> None:
    names.take(answer("a.cdn.test", "192.0.2.1"), T)
    names.want(frozenset(), T)
    for now in (T + UNWANTED - 1, T + UNWANTED - 1 + SHORTEST):
        for name in names.ask(now):
            names.answered(name, [answer(name, "192.0.2.1")], now, whole=True)
    assert names.known == {}


def test_who_was_asked_for_longest_ago_makes_room(names: Names, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST", 2)
    for number, label in enumerate("abac"):
        names.take(answer(f"{label}.cdn.test", f"192.0.2.{number}"), T + number)
    assert set(names.known) == {EXACT, "a.cdn.test", "c.cdn.test"}
    assert opened(names) == {WILD: ("192.0.2.0", "192.0.2.2", "192.0.2.3")}


def test_one_name_has_no_more_than_so_many_addresses(names: Names, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST", 2)
    for number in range(4):
        names.take(answer("a.cdn.test", f"192.0.2.{number}"), T + number)
    assert opened(names) == {WILD: ("192.0.2.2", "192.0.2.3")}


def test_a_hundred_addresses_of_one_name_are_learned(names: Names) -> None:
    many = tuple(f"192.0.2.{n}" for n in range(200))
    names.take(answer("a.cdn.test", *many), T)
    assert set(names.learned[WILD]) == set(many)


def test_a_new_agent_goes_on_with_what_the_old_one_knew(names: Names) -> None:
    names.take(answer("a.cdn.test", "192.0.2.1"), T)
    names.ask(T)
    names.answered(EXACT, [answer(EXACT, "192.0.2.7")], T, whole=True)
    kept = msgspec.json.decode(msgspec.json.encode(names.known), type=dict[str, Name])
    after = Names(kept)
    assert opened(after) == {}
    later = T + 100_000
    after.want(BOTH, later)
    assert opened(after) == {WILD: ("192.0.2.1",), EXACT: ("192.0.2.7",)}
    assert after.ask(later) == ["a.cdn.test", EXACT]


def test_an_index_counts_by_how_many_names_an_address_is_there() -> None:
    index = Index()
    index.add(("p", "q"), ("1", "2"))
    index.add(("p",), ("1",))
    first = index.sorted()
    assert first == {"p": ("1", "2"), "q": ("1", "2")}
    index.add(("p",), ("1",), -1)
    assert index.changes == 4
    assert index.sorted() is first
    index.add(("p",), ("1",), -1)
    assert index.sorted() == {"p": ("2",), "q": ("1", "2")}
    assert index.changes == 5
