"""Borrowing, step by step, with answers that are late, old or against it."""

from __future__ import annotations

import msgspec
import pytest

from addressing import Cluster, raw_pod
from tandem.ipam.pool import AddressRefusedError, PoolFullError, Wanted
from tandem.ir.holdings import BlockUse

TWO = "10.0.0.0/28"
"""Room for two nodes with five addresses each; there is no third block."""


def full_node() -> Cluster:
    """Node a has given all of its addresses, b one; nobody has heard of it."""
    cluster = Cluster("a", "b", cidrs=TWO)
    cluster.converge()
    for n in range(5):
        cluster.agents["a"].add(f"a{n}")
    cluster.agents["b"].add("b0")
    return cluster


def lent() -> Cluster:
    cluster = full_node()
    cluster.converge()
    return cluster


def test_a_full_node_is_lent_addresses_ahead_of_need_and_gives_them() -> None:
    cluster = lent()
    assert cluster.loans() == [("10.0.0.13", "a", "Lent"), ("10.0.0.14", "a", "Lent")]
    assert cluster.agents["a"].add("more") == ("10.0.0.13",)


def test_an_address_that_is_lent_is_not_given_by_its_owner() -> None:
    owner = lent().agents["b"]
    given = [owner.add(f"b{n}")[0] for n in range(1, 3)]
    assert given == ["10.0.0.11", "10.0.0.12"]
    with pytest.raises(PoolFullError):
        owner.add("b9")
    with pytest.raises(AddressRefusedError, match="lent to another node"):
        owner.add("b9", Wanted(addresses=("10.0.0.14",)))


def test_the_borrower_waits_for_the_owners_word() -> None:
    cluster = full_node()
    for name in cluster.agents:
        cluster.hear(name)
    cluster.settle()
    assert [state for *_, state in cluster.loans()] == ["Asked", "Asked"]
    cluster.tell("a")
    with pytest.raises(PoolFullError):
        cluster.agents["a"].add("early")


def test_an_owner_that_has_given_the_address_meanwhile_declines() -> None:
    cluster = full_node()
    for name in cluster.agents:
        cluster.hear(name)
    cluster.settle()
    cluster.agents["b"].add("meanwhile", Wanted(addresses=("10.0.0.14",)))
    cluster.tell("b")
    cluster.hear("b")
    assert [loan for loan in cluster.loans() if loan[0] == "10.0.0.14"] == [("10.0.0.14", "a", "Asked")]
    cluster.converge()
    assert cluster.loans() == [("10.0.0.13", "a", "Lent")]  # and two of its own are left to the owner


def test_an_address_that_cools_down_at_its_owner_is_not_lent() -> None:
    cluster = full_node()
    cluster.agents["b"].add("short", Wanted(addresses=("10.0.0.14",)))
    cluster.converge(lambda: True)
    cluster.agents["b"].remove("short")
    cluster.converge()
    assert "10.0.0.14" not in [address for address, *_ in cluster.loans()]


def test_the_last_two_addresses_of_an_owner_are_not_lent() -> None:
    cluster = full_node()
    for n in range(1, 3):
        cluster.agents["b"].add(f"b{n}")
    cluster.converge()
    assert cluster.loans() == []


def returning() -> Cluster:
    """Node a has room again for so long that it is about to give back what it borrowed."""
    cluster = lent()
    for n in range(5):
        cluster.agents["a"].remove(f"a{n}")
    cluster.clock.advance(40.0)
    cluster.converge(lambda: True)
    cluster.clock.advance(40.0)
    cluster.hear("a")
    cluster.settle()
    assert {state for *_, state in cluster.loans()} == {"Returning"}
    return cluster


def test_what_was_borrowed_goes_back_once_it_is_not_needed() -> None:
    cluster = returning()
    cluster.converge()
    assert cluster.loans() == []
    assert cluster.agents["b"].add("b1", Wanted(addresses=("10.0.0.13",))) == ("10.0.0.13",)


def test_a_borrower_that_gives_the_address_before_it_hears_keeps_it_until_it_has_cooled_down() -> None:
    cluster = returning()
    borrower = cluster.agents["a"]
    borrower.add("late", Wanted(addresses=("10.0.0.13",)))
    cluster.converge()
    assert ("10.0.0.13", "a", "Returning") in cluster.loans()
    with pytest.raises(AddressRefusedError, match="lent"):
        cluster.agents["b"].add("b1", Wanted(addresses=("10.0.0.13",)))
    borrower.remove("late")
    cluster.converge()
    assert ("10.0.0.13", "a", "Returning") in cluster.loans()
    cluster.clock.advance(10.0)
    cluster.converge()
    assert cluster.loans() == []


def test_a_borrower_gives_nothing_that_is_on_its_way_back() -> None:
    cluster = returning()
    cluster.tell("a")
    with pytest.raises(AddressRefusedError, match="out of which nothing new is given"):
        cluster.agents["a"].add("late", Wanted(addresses=("10.0.0.13",)))


def test_an_answer_to_an_earlier_loan_of_the_address_counts_for_nothing() -> None:
    cluster = lent()
    old = cluster.reports["b"]
    assert len(old.agreed) == 2
    for key, raw in cluster.objects.items():
        if key[0] == "IPAMBlock":
            cluster.objects[key] = {**raw, "spec": {**raw["spec"], "loans": []}}
    cluster.tell("b")
    cluster.agents["b"].add("again", Wanted(addresses=("10.0.0.14",)))
    cluster.tell("a")
    cluster.hear("a")
    more = BlockUse(prefix="10.0.0.8/29", size=5, used=1, cooling=0, free=4)
    cluster.reports["b"] = msgspec.structs.replace(old, blocks=(more,), spare=("10.0.0.14",))
    cluster.settle()
    assert ("10.0.0.14", "a", "Asked") in cluster.loans()


def test_an_address_that_a_pod_asks_for_is_lent_to_its_node_and_given_to_no_other_pod() -> None:
    cluster = Cluster("a", "b", cidrs=TWO)
    cluster.converge()
    cluster.put(raw_pod("fixed", "a", "10.0.0.12"))
    cluster.converge()
    assert cluster.loans() == [("10.0.0.12", "a", "Lent")]
    assert cluster.agents["a"].add("fixed", Wanted(addresses=("10.0.0.12",))) == ("10.0.0.12",)


def test_an_address_that_is_in_use_elsewhere_stays_asked_for_until_it_is_free() -> None:
    cluster = Cluster("a", "b", cidrs=TWO)
    cluster.converge()
    cluster.agents["b"].add("holder", Wanted(addresses=("10.0.0.12",)))
    cluster.put(raw_pod("fixed", "a", "10.0.0.12"))
    cluster.converge()
    assert cluster.loans() == [("10.0.0.12", "a", "Asked")]
    cluster.agents["b"].remove("holder")
    cluster.clock.advance(10.0)
    cluster.converge()
    assert cluster.loans() == [("10.0.0.12", "a", "Lent")]


def test_an_annotation_that_is_no_address_moves_nothing() -> None:
    cluster = Cluster("a", "b", cidrs=TWO)
    cluster.converge()
    cluster.put(raw_pod("odd", "a", "no address"))
    cluster.converge()
    assert cluster.loans() == []


def test_the_loans_of_a_node_that_is_gone_end_after_the_grace_period_unless_a_pod_has_the_address() -> None:
    cluster = lent()
    cluster.put(raw_pod("alive", "a", podIP="10.0.0.13", podIPs=[{"ip": "10.0.0.13"}], phase="Running"))
    del cluster.objects["Node", "", "a"]
    cluster.reports.pop("a")
    cluster.settle()
    cluster.clock.advance(59.0)
    cluster.settle()
    assert len(cluster.loans()) == 2
    cluster.clock.advance(1.0)
    cluster.settle()
    assert cluster.loans() == [("10.0.0.13", "a", "Lent")]
