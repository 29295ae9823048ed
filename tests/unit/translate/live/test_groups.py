"""Groups that sets refer to."""

from __future__ import annotations

import msgspec

from builders import cluster_policy, node, policy, world
from tandem.ir.policy import Side
from tandem.model import core
from tandem.translate.live.crowd import Crowd
from tandem.translate.live.groups import Groups
from tandem.translate.live.made import Made
from tandem.translate.policy.clusterpolicy import draft_clusterpolicy
from tandem.translate.policy.networkpolicy import draft_networkpolicy

DNS = ("10.96.0.10",)
POLICY = policy(
    "p", podSelector={}, egress=[{"to": [{"podSelector": {"matchLabels": {"app": "web"}}}]}], policyTypes=["Egress"]
)
KEY = (Side.EGRESS, (), (("NetworkPolicy", "default", "p"),))
WEB = ("default", (("app", "web"),), (), True)


def test_a_group_is_filled_for_as_long_as_a_set_refers_to_it() -> None:
    crowd = Crowd()
    groups = Groups(crowd, DNS)
    crowd.put("a", WEB, ["10.0.0.1"])
    made = Made(KEY, [draft_networkpolicy(POLICY)], crowd)
    groups.use(made)
    (group,) = groups.update(world()).values()
    assert group.addresses == ("10.0.0.1",)
    crowd.put("b", WEB, ["10.0.0.2"])
    (group,) = groups.update(world()).values()
    assert group.addresses == ("10.0.0.1", "10.0.0.2")
    groups.leave(made)
    assert groups.update(world()) == {}


def test_a_set_is_doubtful_when_a_resolver_joins_its_groups() -> None:
    crowd = Crowd()
    groups = Groups(crowd, DNS)
    made = Made(KEY, [draft_networkpolicy(POLICY)], crowd)
    groups.use(made)
    groups.update(world())
    assert groups.doubtful() == {made}
    assert [problem.code for problem in groups.about_dns(made)] == ["DnsNotAllowed"]
    crowd.put("a", WEB, ["10.0.0.1"])
    groups.update(world())
    assert groups.doubtful() == set()
    crowd.put("dns", WEB, DNS)
    groups.update(world())
    assert groups.doubtful() == {made}
    assert groups.about_dns(made) == ()


def test_a_group_of_nodes_follows_the_addresses_of_nodes() -> None:
    rule = {"action": "Allow", "to": [{"nodes": {"matchLabels": {"rack": "a"}}}]}
    crowd = Crowd()
    groups = Groups(crowd, DNS)
    key = Side.EGRESS, (), (("AdminNetworkPolicy", "", "c"),)
    groups.use(Made(key, [draft_clusterpolicy(cluster_policy(kind="AdminNetworkPolicy", egress=[rule]))], crowd))

    def found(*addresses: str) -> tuple[str, ...]:
        status = core.NodeStatus(addresses=tuple(core.NodeAddress(type="InternalIP", address=a) for a in addresses))
        one = msgspec.structs.replace(node("node-1", rack="a"), status=status)
        (group,) = groups.update(world(one)).values()
        return group.addresses

    assert found("192.0.2.1") == ("192.0.2.1",)
    assert found("192.0.2.2", "192.0.2.1") == ("192.0.2.1", "192.0.2.2")
