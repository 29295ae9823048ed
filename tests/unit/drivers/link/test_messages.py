"""What is said to the kernel of a pod's link, message by message."""

from __future__ import annotations

from dataclasses import replace

from tandem.base.ids import ContainerId
from tandem.compile.links import compile_pod_link
from tandem.drivers.link.messages import host_messages, ingress_limit, local_delivery, pod_messages
from tandem.drivers.link.rtnl import Message
from tandem.state.links import HostSide, LinkOptions, PodLink, Shaping
from tandem.state.ownership import LOCAL_MARKS


def link(*addresses: str, shaping: Shaping | None = None) -> PodLink:
    host = HostSide(node="node-1", sources=("10.244.0.1", "fd00:10:244::1"), mtu=1400)
    options = LinkOptions(shaping=shaping) if shaping is not None else LinkOptions()
    return compile_pod_link(ContainerId("c1"), "eth0", addresses=addresses, host=host, options=options)


def said(messages: list[Message]) -> list[str]:
    return [message.what for message in messages]


def test_the_host_end_gets_a_neighbour_and_a_route_for_each_address() -> None:
    assert said(host_messages(link("10.244.0.2", "fd00:10:244::2"), 7)) == [
        "bring up link 7",
        "neighbour 10.244.0.2",
        "route to 10.244.0.2/32",
        "neighbour fd00:10:244::2",
        "route to fd00:10:244::2/128",
    ]


def test_inside_the_next_hop_is_known_before_anything_leads_to_it() -> None:
    found = said(pod_messages(link("10.244.0.2"), 7))
    hop = next(what for what in found if what.startswith("neighbour "))
    assert found.index("address 10.244.0.2") < found.index(hop) < found.index("route to 0.0.0.0/0")


def test_a_link_of_one_family_says_nothing_of_the_other() -> None:
    assert not [what for what in said(pod_messages(link("10.244.0.2"), 7)) if ":" in what or "IPv6" in what]


def test_a_limit_each_way_is_at_the_end_that_sends() -> None:
    limited = link("10.244.0.2", shaping=Shaping(ingress_rate=1000, ingress_burst=2000, egress_rate=3000))
    inside = [m for m in pod_messages(limited, 7) if m.type == ingress_limit(limited, 9).type]
    assert len(inside) == 1
    assert inside[0].body != ingress_limit(limited, 7).body


def test_delivery_within_the_pod_is_taken_away_as_it_was_put() -> None:
    put, taken = (local_delivery((4, 6), add=add) for add in (True, False))
    assert said(put) == said(taken)
    assert len(put) == 2 * (len(LOCAL_MARKS) + 1)


def test_only_a_pod_whose_traffic_is_captured_has_routing_rules() -> None:
    plain, rules = link("10.244.0.2"), said(local_delivery((4,), add=True))
    assert not [what for what in said(pod_messages(plain, 7)) if "rule" in what]
    assert said(pod_messages(replace(plain, captured=True), 7)) == [*said(pod_messages(plain, 7)), *rules]
