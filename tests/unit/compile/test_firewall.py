"""What chains of others have to let through."""

from __future__ import annotations

import msgspec

from tandem.compile.firewall import compile_openings
from tandem.ir.fabric import Node
from tandem.ir.network import Network
from unit.compile.fabric.fabricviews import node, view


def six(number: int) -> Node:
    return msgspec.structs.replace(node(number), pod_cidrs=(f"fd00:{number}::/64",))


LINKS = [("-i", "td+"), ("-o", "td+")]
DNAT = ("-m", "conntrack", "--ctstate", "DNAT")


def test_links_of_pods_and_what_is_led_to_pods_of_other_nodes_in_as_few_prefixes_as_it_takes() -> None:
    found = compile_openings(view(node(2), node(3), node(9)))
    assert [rule.matches for rule in found[4]] == [
        *LINKS,
        *(
            way
            for p in ("10.244.1.0/24", "10.244.2.0/23", "10.244.9.0/24")
            for way in (("-d", p, *DNAT), ("-s", p, *DNAT))
        ),
    ]
    assert len({rule.why for rule in found[4]}) == len(found[4])


def test_a_family_of_which_the_node_has_no_pods_is_left_alone() -> None:
    assert compile_openings(view(node(2))).keys() == {4}
    seen = view(six(2))
    found = compile_openings(msgspec.structs.replace(seen, node=six(1), nodes={"node-1": six(1), "node-2": six(2)}))
    assert [rule.matches[:2] for rule in found[6]][2:] == [
        ("-d", "fd00:1::/64"),
        ("-s", "fd00:1::/64"),
        ("-d", "fd00:2::/64"),
        ("-s", "fd00:2::/64"),
    ]


def test_nothing_where_the_cluster_leaves_them_alone() -> None:
    assert compile_openings(view(network=Network(opens_firewalls=False))) == {}
