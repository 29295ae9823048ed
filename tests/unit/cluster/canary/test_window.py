"""What is known of an interval, and of which nodes it is not."""

from __future__ import annotations

from tandem.cluster.canary.window import Counted, Heard, Window, counted
from tandem.ir.tally import Tallies, Tally

NAMES = ("shop/web", "shop/v1", "shop/v2")


def told(stable: int, canary: int, epoch: str = "e") -> Tallies:
    sums = {"shop/v1": Tally(requests=stable), "shop/v2": Tally(requests=canary)}
    return Tallies(epoch=epoch, counted={"shop/web": sums})


def heard(at: float, stable: int, canary: int, epoch: str = "e") -> Heard:
    return Heard(tallies=told(stable, canary, epoch), at=at)


def look(window: Window, now: dict[str, Heard], *nodes: str) -> tuple[int, int, tuple[str, ...]]:
    found = counted(window, now, nodes, until=20.0, names=NAMES)
    assert isinstance(found, Counted)
    return found.stable.requests, found.canary.requests, found.missing


WINDOW = Window(since=10.0, first={"a": told(5, 1), "b": told(7, 2)})


def test_what_all_nodes_counted_since_the_beginning() -> None:
    assert look(WINDOW, {"a": heard(20.1, 15, 4), "b": heard(20.0, 8, 3)}, "a", "b") == (11, 4, ())


def test_a_node_that_was_not_heard_after_the_end_is_missing_and_what_it_told_counts() -> None:
    assert look(WINDOW, {"a": heard(20.1, 15, 4), "b": heard(19.9, 8, 3)}, "a", "b") == (11, 4, ("b",))


def test_a_node_that_is_away_or_new_is_missing() -> None:
    assert look(WINDOW, {"a": heard(20.1, 15, 4)}, "a", "b") == (10, 3, ("b",))
    assert look(WINDOW, {"a": heard(20.1, 15, 4), "c": heard(20.1, 9, 9)}, "a", "c") == (10, 3, ("c",))
    assert look(WINDOW.without({"b"}), {"a": heard(20.1, 15, 4), "b": heard(20.1, 8, 3)}, "a", "b") == (10, 3, ("b",))


def test_an_agent_that_began_anew_has_not_counted_all_the_time() -> None:
    assert look(WINDOW, {"a": heard(20.1, 15, 4, "f")}, "a") == (0, 0, ("a",))
    assert look(WINDOW, {"a": heard(20.1, 2, 4)}, "a") == (0, 3, ("a",))


def test_a_node_without_clients_is_not_waited_for() -> None:
    assert look(WINDOW, {"a": heard(20.1, 15, 4)}, "a") == (10, 3, ())


def test_what_was_not_counted_yet_at_the_beginning_counts_from_nothing() -> None:
    empty = Window(since=10.0, first={"a": Tallies(epoch="e")})
    assert look(empty, {"a": heard(20.1, 15, 4)}, "a") == (15, 4, ())
