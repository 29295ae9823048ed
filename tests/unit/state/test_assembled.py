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


def test_what_stands_beside_is_read_as_it_is_and_tells_trees_apart() -> None:
    def with_(**beside: object) -> Assembled:
        return Assembled({"name": "l", "chains": []}, "chains", SHARED, ((WHO, "a"),), beside)  # type: ignore[arg-type]

    matcher = {"says": WHO}
    assert with_(matcher=matcher)["matcher"] is matcher
    assert list(with_(matcher=matcher)) == ["name", "chains", "matcher"]
    assert len(with_(matcher=matcher)) == 3
    assert with_(matcher=matcher) == with_(matcher=dict(matcher))
    assert with_(matcher=matcher) != with_(matcher={"says": "else"})
    assert with_(matcher=matcher) != with_()
