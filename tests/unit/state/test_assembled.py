"""Trees that share a list."""

from __future__ import annotations

from tandem.state.assembled import Assembled, filled, place

WHO, WHERE = place("w"), place("n")
SHARED = ({"name": "one", "who": WHO, "deep": [{"log": f"source|{WHO}", "count": 3}]}, {"name": "two"})


def tree(who: str = "a", **head: object) -> Assembled:
    return Assembled({"name": "l", "chains": [], "last": who, **head}, "chains", SHARED, ((WHO, who), (WHERE, "/ns")))


def test_it_reads_as_the_whole_tree_in_the_order_of_its_head() -> None:
    assert dict(tree()) == {
        "name": "l",
        "chains": [{"name": "one", "who": "a", "deep": [{"log": "source|a", "count": 3}]}, {"name": "two"}],
        "last": "a",
    }
    assert list(tree()) == ["name", "chains", "last"]
    assert len(tree()) == 3


def test_equality_is_that_of_the_trees() -> None:
    assert tree() == tree()
    assert tree() == dict(tree())
    assert tree() != tree("b")
    assert tree() != tree(more=1)
    assert tree() != "a tree"
    assert tree() == Assembled(tree().head, "chains", tuple(filled(SHARED, tree().texts)))
