"""What the networks of a cluster may be, and what each mistake is called."""

from __future__ import annotations

import pytest

from tandem.cluster.networks import PodNetwork, ServiceNetwork, check_apart, check_together, parse_prefixes


def test_both_families_stand_in_the_order_of_preference() -> None:
    assert PodNetwork.parse("fd00:10:244::/56,10.244.0.0/16").families == (6, 4)
    assert ServiceNetwork.parse("10.96.0.0/16, fd00:10:96::/112").cidrs == ("10.96.0.0/16", "fd00:10:96::/112")


def test_the_usual_shares_are_those_of_kubernetes() -> None:
    assert PodNetwork.parse("10.244.0.0/16,fd00:10:244::/56").node_prefixes == (24, 64)
    assert PodNetwork.parse("10.244.0.0/16,fd00:10:244::/56", "26,72").node_prefixes == (26, 72)


def test_dns_has_the_tenth_address_of_each_family() -> None:
    assert ServiceNetwork.parse("10.96.0.0/16,fd00:10:96::/112").dns_addresses == ("10.96.0.10", "fd00:10:96::a")


@pytest.mark.parametrize(
    ("cidrs", "lengths", "said"),
    [
        ("10.9.0.0/24", "30", "between /24 and /29"),
        ("10.9.0.0/24", "16", "between /24 and /29"),
        ("10.9.0.0/24", "x", "is a number"),
        ("10.9.0.0/24", "26,64", "one length for each of 10.9.0.0/24"),
        ("10.9.0.1/24", "26", "host bits"),
        ("", "", "no IP network"),
        ("10.9.0.0/24,", "", "no IP network"),
        ("10.9.0.0/24,10.10.0.0/24", "", "one network of each family"),
        ("127.0.0.0/16", "", "has addresses of 127.0.0.0/8"),
        ("fe80::/56", "", "link-local"),
        ("fd00::/64", "121", "between /64 and /120"),
        ("fd00::/80", "", "between /80 and /120"),
    ],
)
def test_a_network_that_cannot_be_shared_out_is_refused_with_the_reason(cidrs: str, lengths: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        PodNetwork.parse(cidrs, lengths)


@pytest.mark.parametrize("cidrs", ["10.96.0.0/29", "fd00::/64", "fd00::/126", "10.0.0.0/7"])
def test_a_network_that_cannot_hold_services_is_refused(cidrs: str) -> None:
    with pytest.raises(ValueError, match=r"host bits|cannot hold Services"):
        ServiceNetwork.parse(cidrs)


@pytest.mark.parametrize(
    ("pods", "services", "said"),
    [
        ("10.244.0.0/16", "10.96.0.0/16,fd00::/112", "could have no endpoints"),
        ("10.0.0.0/8", "10.96.0.0/16", "share addresses"),
        ("10.96.0.0/24", "10.96.0.0/16", "share addresses"),
    ],
)
def test_networks_that_do_not_go_together_are_refused(pods: str, services: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        check_together(PodNetwork.parse(pods), ServiceNetwork.parse(services))


def test_pods_of_both_families_and_services_of_one_go_together() -> None:
    check_together(PodNetwork.parse("10.244.0.0/16,fd00:10:244::/56"), ServiceNetwork.parse("fd00:10:96::/112"))
    assert parse_prefixes("FD00::/8") == ("fd00::/8",)


def test_each_node_needs_a_share() -> None:
    PodNetwork.parse("10.9.0.0/24", "26").check_room(4)
    with pytest.raises(ValueError, match=r"10.9.0.0/24 has 4 of /26, which is too few for 5 nodes"):
        PodNetwork.parse("10.9.0.0/24", "26").check_room(5)


def test_what_others_have_already_is_named() -> None:
    check_apart(("10.9.0.0/24", "fd00::/64"), ("10.9.1.0/24", "fd00:0:0:1::/64"), "the nodes")
    with pytest.raises(ValueError, match=r"10.0.0.0/8 has addresses of 10.9.1.0/24, the nodes"):
        check_apart(("fd00::/64", "10.0.0.0/8"), ("10.9.1.0/24",), "the nodes")
