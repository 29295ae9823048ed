"""Who gets which block, and when it goes back."""

from __future__ import annotations

import pytest

from addressing import Cluster, block, pool, raw_node, raw_pod, reservation
from tandem.cluster.blocks import absent, block_name, holders, share_out
from tandem.cluster.networks import PodNetwork
from tandem.cluster.space import Known
from tandem.cluster.writes import Create
from tandem.ipam.pool import PoolFullError, Wanted
from tandem.ir.holdings import BlockUse, Holdings
from tandem.model.meta import Object
from tandem.model.parse import parse
from tandem.model.world import World

MANY = "10.0.0.0/26"


def created(world: World) -> list[tuple[str, str]]:
    return [
        (w.raw["spec"]["node"], w.raw["spec"]["cidr"])
        for w in share_out(world, Known())
        if isinstance(w, Create) and w.raw["kind"] == "IPAMBlock"
    ]


def nodes(*names: str) -> list[Object]:
    return [parse(raw_node(name)) for name in names]


def test_a_cluster_without_pools_gets_those_of_its_pod_network() -> None:
    writes = share_out(World.of(nodes("a")), Known(), PodNetwork.parse("10.0.0.0/16,fd00::/56"))
    assert [w.raw["metadata"]["name"] for w in writes if isinstance(w, Create)] == ["default", "default-ipv6"]


def test_each_node_has_a_block_of_each_family_and_says_so() -> None:
    cluster = Cluster("a", "b", cidrs="10.0.0.0/26,fd00::/64")
    cluster.settle()
    assert cluster.blocks("a") == ["10.0.0.0/29", "fd00::/125"]
    assert cluster.blocks("b") == ["10.0.0.8/29", "fd00::8/125"]
    assert cluster.objects["Node", "", "b"]["spec"] == {
        "podCIDR": "10.0.0.8/29",
        "podCIDRs": ["10.0.0.8/29", "fd00::8/125"],
    }


def test_what_a_node_had_before_there_were_blocks_becomes_its_block() -> None:
    raw = {**raw_node("a"), "spec": {"podCIDR": "10.0.0.16/28", "podCIDRs": ["10.0.0.16/28"]}}
    world = World.of([pool("10.0.0.0/26", blockSize=29), parse(raw), parse(raw_node("b"))])
    assert created(world) == [("a", "10.0.0.16/28")]
    known = World.of([*world.objects(), block("10.0.0.16/28", "a")])
    assert created(known) == [("b", "10.0.0.0/29")]


def test_a_node_gets_a_block_only_of_a_pool_that_serves_it() -> None:
    world = World.of(
        [
            pool("10.0.0.0/26", "a-off", blockSize=29, disabled=True),
            pool("10.1.0.0/26", "b-gpu", blockSize=29, nodeSelector={"matchLabels": {"gpu": "yes"}}),
            pool("10.2.0.0/26", "c-rest", blockSize=29, nodeSelector={"matchExpressions": [EXISTS_NOT]}),
            parse(raw_node("fast", gpu="yes")),
            parse(raw_node("slow")),
        ]
    )
    assert created(world) == [("fast", "10.1.0.0/29"), ("slow", "10.2.0.0/29")]


EXISTS_NOT = {"key": "gpu", "operator": "DoesNotExist"}


def test_a_block_that_is_reserved_as_a_whole_is_passed_over() -> None:
    world = World.of([pool("10.0.0.0/26", blockSize=29), reservation("r", "10.0.0.0/28"), *nodes("a")])
    assert created(world) == [("a", "10.0.0.16/29")]


def test_a_node_that_runs_low_gets_another_block_once() -> None:
    cluster = Cluster("a", cidrs=MANY)
    cluster.converge()
    for n in range(4):
        cluster.agents["a"].add(f"p{n}")
    cluster.hear("a")
    cluster.settle()
    assert cluster.blocks("a") == ["10.0.0.0/29", "10.0.0.8/29"]
    cluster.settle()  # it has not heard of it yet, and still says that it runs low
    assert len(cluster.blocks("a")) == 2
    cluster.tell("a")
    cluster.agents["a"].add("p4")
    assert cluster.agents["a"].add("p5") == ("10.0.0.10",)


def grown() -> Cluster:
    cluster = Cluster("a", cidrs=MANY)
    cluster.converge()
    for n in range(5):
        cluster.agents["a"].add(f"p{n}")
    cluster.converge()
    assert len(cluster.blocks("a")) == 2
    return cluster


def idle() -> Cluster:
    """The second block was unused for so long that it is marked; the node has not heard yet."""
    cluster = grown()
    for n in range(5):
        cluster.agents["a"].remove(f"p{n}")
    cluster.clock.advance(20.0)
    cluster.hear("a")
    cluster.settle()
    marked = {key[2]: raw["spec"].get("returning") for key, raw in cluster.objects.items() if key[0] == "IPAMBlock"}
    assert not marked["10-0-0-0-29"]
    assert marked["10-0-0-8-29"]
    return cluster


def test_a_block_that_has_been_idle_goes_back_and_the_first_never() -> None:
    cluster = idle()
    cluster.converge()
    cluster.clock.advance(100.0)
    cluster.converge()
    assert cluster.blocks("a") == ["10.0.0.0/29"]


def test_an_idle_block_stays_where_the_node_would_ask_for_it_again() -> None:
    cluster = grown()
    cluster.clock.advance(100.0)
    cluster.converge()
    assert len(cluster.blocks("a")) == 2


def test_a_block_of_which_the_node_gave_an_address_before_it_heard_stays() -> None:
    cluster = idle()
    cluster.agents["a"].add("late", Wanted(addresses=("10.0.0.12",)))
    cluster.converge()
    assert len(cluster.blocks("a")) == 2
    cluster.agents["a"].remove("late")
    cluster.converge()
    assert len(cluster.blocks("a")) == 2, "it cools down"
    cluster.clock.advance(10.0)
    cluster.converge()
    assert cluster.blocks("a") == ["10.0.0.0/29"]


def test_a_marked_block_is_opened_again_before_another_is_given() -> None:
    cluster = idle()
    cluster.tell("a")
    for n in range(5):
        cluster.agents["a"].add(f"q{n}")
    with pytest.raises(PoolFullError):
        cluster.agents["a"].add("q5")
    cluster.hear("a")
    # What the node has answered is about an earlier mark.
    cluster.objects["IPAMBlock", "", "10-0-0-8-29"]["spec"]["returning"] = "another"
    cluster.settle()
    assert cluster.blocks("a") == ["10.0.0.0/29", "10.0.0.8/29"]
    cluster.tell("a")
    assert cluster.agents["a"].add("q5") == ("10.0.0.10",)


def test_an_answer_to_an_earlier_mark_counts_for_nothing() -> None:
    cluster = idle()
    cluster.tell("a")
    cluster.hear("a")
    old = cluster.reports["a"]
    assert len(old.returned) == 1
    spec = cluster.objects["IPAMBlock", "", "10-0-0-8-29"]["spec"]
    del spec["returning"]  # opened again, and then
    cluster.settle()
    assert spec_of(cluster, "10-0-0-8-29")["returning"] not in old.returned
    assert len(cluster.blocks("a")) == 2


def spec_of(cluster: Cluster, name: str) -> dict[str, object]:
    spec: dict[str, object] = cluster.objects["IPAMBlock", "", name]["spec"]
    return spec


def test_blocks_of_a_disabled_pool_give_nothing_new_and_go_back_but_the_first() -> None:
    cluster = grown()
    cluster.put({**cluster.objects["IPPool", "", "default"], "spec": {"cidr": "10.0.0.0/26", "disabled": True}})
    cluster.clock.advance(100.0)
    cluster.converge()
    assert cluster.blocks("a") == ["10.0.0.0/29"]
    cluster.agents["a"].remove("p0")
    cluster.clock.advance(100.0)
    with pytest.raises(PoolFullError):
        cluster.agents["a"].add("new")


def test_an_address_that_a_pod_asks_for_brings_its_block_if_nobody_has_it() -> None:
    cluster = Cluster("a", cidrs=MANY)
    cluster.converge()
    cluster.put(raw_pod("fixed", "a", "10.0.0.43"))
    cluster.converge()
    assert cluster.blocks("a") == ["10.0.0.0/29", "10.0.0.40/29"]


def test_a_node_without_a_block_of_one_family_gives_no_half_pair() -> None:
    cluster = Cluster("a", "b", cidrs="10.0.0.0/26,fd00::/125")
    cluster.settle()
    cluster.tell("b")
    with pytest.raises(PoolFullError, match="no block of IPv6"):
        cluster.agents["b"].add("half")
    assert not cluster.agents["b"].journal.taken()
    cluster.converge()
    assert cluster.agents["b"].add("whole") == ("10.0.0.10", "fd00::6")


def test_a_block_that_somebody_deletes_while_it_is_used_is_made_again_before_another_node_gets_it() -> None:
    cluster = grown()
    cluster.put(raw_node("b"))
    cluster.agents["a"].add("p5")
    cluster.hear("a")
    for name in ("10-0-0-0-29", "10-0-0-8-29"):
        del cluster.objects["IPAMBlock", "", name]
    cluster.settle()
    assert cluster.blocks("a") == ["10.0.0.0/29", "10.0.0.8/29"]
    assert cluster.blocks("b") == ["10.0.0.16/29"]


def test_addresses_whose_block_control_has_forgotten_bring_it_back() -> None:
    cluster = grown()
    cluster.agents["a"].add("p5")
    assert "10.0.0.10" in cluster.agents["a"].journal.taken()
    cluster.reports.clear()  # control starts anew, and the block is gone meanwhile
    del cluster.objects["IPAMBlock", "", "10-0-0-8-29"]
    cluster.tell("a")
    cluster.hear("a")
    assert cluster.reports["a"].strays == ("10.0.0.10",)
    cluster.settle()
    assert cluster.blocks("a") == ["10.0.0.0/29", "10.0.0.8/29"]


def lost() -> Cluster:
    cluster = Cluster("a", "b", cidrs=MANY)
    cluster.converge()
    del cluster.objects["Node", "", "a"]
    del cluster.reports["a"]
    cluster.settle()
    return cluster


def test_the_blocks_of_a_lost_node_are_kept_for_the_grace_period() -> None:
    cluster = lost()
    cluster.clock.advance(59.0)
    cluster.settle()
    assert absent(cluster.world) == {"a"}
    assert cluster.blocks("a") == ["10.0.0.0/29"]
    cluster.clock.advance(1.0)
    cluster.settle()
    assert cluster.blocks("a") == []


def test_a_node_whose_agent_is_heard_keeps_its_blocks_although_somebody_deleted_it() -> None:
    cluster = Cluster("a", "b", cidrs=MANY)
    cluster.converge()
    cluster.agents["a"].add("no-pod")
    del cluster.objects["Node", "", "a"]
    for _ in range(2):
        cluster.settle()
        cluster.clock.advance(1000.0)
    assert cluster.blocks("a") == ["10.0.0.0/29"]


def test_nothing_is_given_away_before_nodes_have_told_what_they_hold_of_blocks_that_somebody_deleted() -> None:
    """Control is new, and one of two blocks of `a` is gone: it would be the next that is free."""
    world = World.of([pool("10.0.0.0/27", blockSize=29), *nodes("a", "b"), block("10.0.0.8/29", "a")])
    assert holders(world) == {"a"}
    waiting = Known(awaited=frozenset({"a"}))
    assert share_out(world, waiting) == ()
    told = Holdings(blocks=(BlockUse(prefix="10.0.0.0/29", size=5, used=1, cooling=0, free=4),))
    first, *_ = share_out(world, Known(holdings={"a": told}))
    assert isinstance(first, Create)
    assert (first.raw["spec"]["node"], first.raw["spec"]["cidr"]) == ("a", "10.0.0.0/29")


def test_a_node_that_comes_back_has_its_block_and_a_full_grace_period_again() -> None:
    cluster = lost()
    cluster.clock.advance(59.0)
    cluster.put(raw_node("a"))
    cluster.settle()
    del cluster.objects["Node", "", "a"]
    cluster.settle()
    cluster.clock.advance(59.0)
    cluster.settle()
    assert cluster.blocks("a") == ["10.0.0.0/29"]


def test_a_block_in_which_a_pod_has_an_address_is_never_taken_from_a_lost_node() -> None:
    cluster = lost()
    cluster.put(raw_pod("alive", "a", podIP="10.0.0.2", podIPs=[{"ip": "10.0.0.2"}], phase="Running"))
    cluster.clock.advance(1000.0)
    cluster.settle()
    assert cluster.blocks("a") == ["10.0.0.0/29"]
    cluster.put(raw_pod("alive", "a", podIP="10.0.0.2", phase="Succeeded"))
    cluster.settle()
    assert cluster.blocks("a") == []


def test_no_two_blocks_of_one_prefix_can_have_different_names() -> None:
    assert block_name("10.0.0.0/29") == "10-0-0-0-29"
    assert block_name("fd00::8/125") == "fd00--8-125"


def test_a_world_in_which_all_is_shared_out_is_left_alone() -> None:
    world = World.of([pool("10.0.0.0/26", blockSize=29), block("10.0.0.0/29", "a"), *nodes("a")])
    assert created(world) == []
