"""Names are bounded, stable, and can be read back."""

from __future__ import annotations

from tandem.base.ids import ContainerId, GroupId, PodUid
from tandem.compile import names

IFNAMSIZ = 15
POD = PodUid("0eb2729a-5c5c-4953-be4d-fed5b1fb27ac")


def test_a_link_name_fits_the_kernel_and_is_recognised_as_ours() -> None:
    name = names.host_ifname(ContainerId("c" * 64), "eth0")
    assert len(name) <= IFNAMSIZ
    assert name.startswith("td")


def test_two_interfaces_of_one_container_have_two_links() -> None:
    container = ContainerId("c1")
    assert names.host_ifname(container, "eth0") != names.host_ifname(container, "eth1")


def test_the_same_input_gives_the_same_name_for_ever() -> None:
    assert names.host_ifname(ContainerId("c1"), "eth0") == "tdd72e032fedd"


def test_the_sets_of_a_group_differ_by_family() -> None:
    assert names.group_of(names.group_set(GroupId("g-1"), 6)) == GroupId("g-1")
    assert names.group_of(names.crowd_table(names.crowd(["g ok-1"]), 4)) is None
    assert names.group_set(GroupId("g"), 4) != names.group_set(GroupId("g"), 6)


def test_routes_differ_by_consumer_and_variant() -> None:
    made = {names.route_config("a", "web", 80, c, v) for c in ("", "b") for v in ("", "x")}
    assert len(made) == 4


def test_listeners_and_logs_of_a_pod_are_told_apart() -> None:
    makers = (names.inbound_listener, names.outbound_listener, names.source_log, names.destination_log)
    assert len({make(POD) for make in (*makers, names.refused_log)}) == 5


def test_clusters_of_some_callers_are_those_of_the_same_port() -> None:
    for cluster in (
        names.service_cluster("shop", "db", 80, "v1"),
        names.alone(names.service_cluster("shop", "db", 80)),
    ):
        assert names.service_port(names.apart("shop", "web", cluster)) == names.service_port(cluster)
    assert names.service_port("of/shop/web") is None


def test_clusters_of_callers_say_whose_they_are() -> None:
    few = names.callers("bank", (("app", "till"),))
    assert few.startswith("bank~")
    assert few != names.callers("bank", (("app", "desk"),))
    for cluster in ("svc/shop/web/80", "svc/shop/web/80/v2", "pod/shop/web/80", names.alone("svc/shop/web/80")):
        for who in ("bank", few):
            own = names.for_callers(who, cluster)
            assert names.service_port(own) == names.service_port(cluster)
            assert names.callers_of(own) == names.callers_of(names.apart("bank", "till", own)) == who
            assert names.service_port(names.apart("bank", "till", own)) == names.service_port(cluster)
        assert names.callers_of(cluster) == names.callers_of(names.apart("bank", "till", cluster)) == ""
