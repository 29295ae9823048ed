"""Which pods a peer means."""

from __future__ import annotations

from builders import Raw, namespace, pod, world
from tandem.model.policy import PolicyPeer
from tandem.model.selectors import LabelSelector
from tandem.translate.policy.draft import PodSelector
from tandem.translate.policy.networkpolicy import pod_peer
from tandem.translate.policy.select import Population, address_group, group_id, named_ports


def _addresses(population: Population, peer: PolicyPeer, ns: str = "default") -> tuple[str, ...]:
    selector = pod_peer(peer, ns)
    return address_group(selector, population.addresses(selector)).addresses


def test_a_pod_selector_alone_means_the_policys_namespace() -> None:
    population = Population(world(pod("a", ip="10.0.0.1"), pod("b", namespace="other", ip="10.0.0.2")), ())
    assert _addresses(population, PolicyPeer(pod_selector=LabelSelector())) == ("10.0.0.1",)


def test_an_empty_namespace_selector_means_all_pods_and_the_resolver() -> None:
    population = Population(world(pod("a", ip="10.0.0.1"), pod("b", namespace="x", ip="10.0.0.2")), ("10.96.0.10",))
    peer = PolicyPeer(namespace_selector=LabelSelector())
    assert _addresses(population, peer) == ("10.0.0.1", "10.0.0.2", "10.96.0.10")


def test_the_labels_of_a_namespace_decide() -> None:
    population = Population(world(namespace("x", team="red"), pod("b", namespace="x", ip="10.0.0.2")), ())
    red = PolicyPeer(namespace_selector=LabelSelector(match_labels={"team": "red"}))
    blue = PolicyPeer(namespace_selector=LabelSelector(match_labels={"team": "blue"}))
    assert _addresses(population, red) == ("10.0.0.2",)
    assert _addresses(population, blue) == ()


def test_equal_selectors_are_one_group() -> None:
    one = pod_peer(PolicyPeer(pod_selector=LabelSelector(match_labels={"a": "1", "b": "2"})), "n")
    two = pod_peer(PolicyPeer(pod_selector=LabelSelector(match_labels={"b": "2", "a": "1"})), "n")
    assert group_id(one) == group_id(two)
    assert group_id(one) != group_id(pod_peer(PolicyPeer(pod_selector=LabelSelector()), "n"))


def test_named_ports_carry_their_protocol() -> None:
    ports: list[Raw] = [{"name": "dns", "containerPort": 53, "protocol": "UDP"}, {"containerPort": 80}]
    assert named_ports(pod("a", ports=ports)) == (("dns", "UDP", 53),)


def test_a_policy_selects_pods_of_its_namespace_by_label() -> None:
    pods = (pod("a", app="web"), pod("b", app="web"), pod("c", app="db"), pod("d", namespace="x", app="web"))
    population = Population(world(*pods), ())
    found = population.selected(PodSelector(namespace="default", pods=LabelSelector(match_labels={"app": "web"})))
    assert [p.metadata.name for p in found] == ["a", "b"]
