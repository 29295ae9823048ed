"""Bands of endpoints, seen from a node in eu/west/1."""

from __future__ import annotations

from tandem.base.ids import NodeName
from tandem.compile.envoy.locality import Band, Outlook, grouped, located
from tandem.ir.fabric import Endpoint, Endpoints, Node
from tandem.ir.locality import (
    NOWHERE,
    Distribution,
    Failover,
    LocalityBalancing,
    Portion,
    Preference,
    locality_of,
)

HERE = locality_of("eu/west/1")
PLACES = ("eu/west/1", "eu/west/2", "eu/east", "us/a", "asia", "")


def end(name: str, where: str, *, weight: int = 1, node: str = "", **labels: str) -> Endpoint:
    return Endpoint(
        address=name,
        ports=(),
        locality=locality_of(where),
        weight=weight,
        node=NodeName(node) if node else None,
        labels=tuple(labels.items()),
    )


def bands(*ends: Endpoint, **fields: object) -> list[tuple[Band, list[str]]]:
    outlook = Outlook(node=NodeName("n1"), locality=HERE, balancing=LocalityBalancing(**fields))  # type: ignore[arg-type]
    return grouped([(e.address, e) for e in ends], outlook)


def turns(*ends: Endpoint, **fields: object) -> dict[str, int]:
    return {name: band.priority for band, names in bands(*ends, **fields) for name in names}


EVERYWHERE = [end(text, text) for text in PLACES]


def test_nearer_ones_come_first() -> None:
    assert list(turns(*EVERYWHERE).values()) == [0, 1, 2, 3, 3, 3]
    assert turns(*EVERYWHERE[3:]) == {"us/a": 0, "asia": 0, "": 0}, "turns have no gap"


def test_a_region_turns_to_the_one_that_is_told_before_all_others() -> None:
    failover = (Failover(region="us", to="eu"), Failover(region="eu", to="asia"))
    assert turns(*EVERYWHERE, failover=failover) == {
        "eu/west/1": 0,
        "eu/west/2": 1,
        "eu/east": 2,
        "asia": 3,
        "us/a": 4,
        "": 4,
    }


def test_labels_decide_in_their_order() -> None:
    preferences = (Preference(label="topology.kubernetes.io/region"), Preference(label="tier", value="gold"))
    ends = [
        end("both", "eu/east", tier="gold"),
        end("region", "eu/west/1"),
        end("tier", "us", tier="gold"),
        end("none", "us"),
    ]
    assert turns(*ends, preferences=preferences) == {"both": 0, "region": 1, "tier": 2, "none": 2}


def test_labels_of_topology_are_known_where_they_are_not_written() -> None:
    host = (Preference(label="kubernetes.io/hostname"),)
    assert turns(end("same", "us", node="n1"), end("other", "eu/west/1", node="n2"), preferences=host) == {
        "same": 0,
        "other": 1,
    }
    network = (Preference(label="topology.istio.io/network"),)
    assert turns(*EVERYWHERE, preferences=network) == dict.fromkeys(PLACES, 0), "there is one network"


def test_failover_counts_among_those_that_labels_leave_alike() -> None:
    fields = {"preferences": (Preference(label="v", value="1"),), "failover": (Failover(region="eu", to="us"),)}
    found = turns(end("a", "asia", v="1"), end("b", "us", v="1"), end("c", "eu/west/1"), **fields)
    assert found == {"b": 0, "a": 1, "c": 2}


def test_a_portion_is_divided_among_the_localities_that_it_covers() -> None:
    portions = (Portion(to=locality_of("eu"), percent=70), Portion(to=locality_of("us"), percent=30))
    ends = [end("a", "eu/west"), end("b", "eu/west"), end("c", "eu/east"), end("d", "us/a", weight=5), end("e", "asia")]
    found = bands(*ends, distribute=(Distribution(clients=locality_of("eu"), portions=portions),))
    assert [(str(band.locality), band.weight, names) for band, names in found] == [
        ("eu/east", 24, ["c"]),
        ("eu/west", 47, ["a", "b"]),
        ("us/a", 30, ["d"]),
    ]
    assert {band.priority for band, _ in found} == {0}


def test_clients_without_portions_take_localities_as_they_have_endpoints() -> None:
    portions = (Portion(to=locality_of("eu"), percent=100),)
    found = bands(
        end("a", "eu"),
        end("d", "us", weight=5),
        distribute=(Distribution(clients=locality_of("us"), portions=portions),),
    )
    assert [(str(band.locality), band.weight) for band, _ in found] == [("eu", 1), ("us", 5)]


def test_an_endpoint_is_where_it_says_else_where_its_node_is() -> None:
    node = Node(name=NodeName("n2"), addresses=(), pod_cidrs=(), region="us", zone="a")
    plain = Endpoint(address="10.0.0.1", ports=(), node=NodeName("n2"))
    lost = Endpoint(address="10.0.0.2", ports=(), node=NodeName("n3"))
    told = end("10.0.0.3", "eu", node="n2")
    members = Endpoints(namespace="shop", service="web", endpoints=(plain, lost, told))
    found = located(members, {"n2": node}).endpoints
    assert [e.locality for e in found] == [locality_of("us/a"), None, locality_of("eu")]
    assert bands(lost) == [(Band(locality=NOWHERE), ["10.0.0.2"])]
