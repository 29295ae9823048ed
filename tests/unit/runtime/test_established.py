"""Which connections end when policy changes; the kernel's side is tested in tests/netns."""

from __future__ import annotations

import msgspec
import pytest

from builders import pod, policy, world
from nodeviews import view_of
from tandem.base.ids import NodeName, PolicySetId
from tandem.base.problems import Origin
from tandem.compile.judge import Denial
from tandem.ir.domains import Learned
from tandem.ir.fabric import Node
from tandem.ir.node import NodeView
from tandem.ir.policy import AddressGroup, Domains, Group, PolicySet, Rule, Side, Verdict
from tandem.model.meta import Object
from tandem.observe.conntrack import Connection
from tandem.runtime.established import (
    STRAY,
    Ended,
    denied_by,
    ended_of,
    gone_addresses,
    policy_changed,
    proxied,
    verdicts,
)

WEB, DB = pod("web", ip="10.244.0.5", app="web"), pod("db", ip="10.244.0.6", app="db")
DENY = policy("deny", podSelector={"matchLabels": {"app": "db"}}, policyTypes=["Ingress"])
ALLOW_WEB = policy(
    "deny",
    podSelector={"matchLabels": {"app": "db"}},
    ingress=[{"from": [{"podSelector": {"matchLabels": {"app": "web"}}}], "ports": [{"port": 5432}]}],
)


def view(*objects: Object) -> NodeView:
    found = view_of(world(*objects))
    return msgspec.structs.replace(found, node=msgspec.structs.replace(found.node, pod_cidrs=("10.244.0.0/24",)))


def connection(source: str, destination: str, port: int = 5432, protocol: str = "TCP") -> Connection:
    return Connection(
        source=source,
        destination=destination,
        protocol=protocol,
        port=port,
        dialled=destination,
        original=b"",
        family=2,
    )


def test_a_connection_that_a_new_policy_denies_ends() -> None:
    assert denied_by(view(WEB, DB))(connection("10.244.0.5", "10.244.0.6")) is None
    now = view(WEB, DB, DENY)
    said = denied_by(now)(connection("10.244.0.5", "10.244.0.6"))
    assert isinstance(said, Denial)
    assert [o.name for o in said.rules] == ["deny"]


@pytest.mark.parametrize(
    ("found", "ends"),
    [
        (connection("10.244.0.5", "10.244.0.6"), False),
        (connection("10.244.0.5", "10.244.0.6", port=80), True),
        (connection("10.244.0.5", "10.244.0.6", protocol="UDP"), True),
        (connection("203.0.113.9", "10.244.0.6"), True),
        (connection("10.244.0.6", "203.0.113.9"), False),
        (connection("10.244.0.1", "10.244.0.6"), False),
        (connection("10.244.0.5", "10.244.0.6", protocol="ICMP", port=0), True),
        (connection("10.244.0.6", "10.244.0.5", protocol="ICMP", port=0), False),
        (connection("10.244.0.5", "10.244.0.6", protocol="SCTP"), True),
        (connection("10.244.0.6", "10.244.0.6", port=80), False),
        (connection("192.0.2.7", "192.0.2.8"), False),
        (connection("10.244.0.77", "10.244.0.6"), True),
        (connection("10.244.0.6", "10.244.0.77"), True),
        (connection("10.244.1.77", "10.244.0.6"), True),
    ],
    ids=[
        "allowed",
        "other port",
        "other protocol",
        "from outside",
        "answers go out",
        "the node itself",
        "ports are none of icmp's",
        "icmp in the other direction",
        "sctp",
        "a pod and itself",
        "strangers",
        "from a pod that is gone",
        "to a pod that is gone",
        "from another node's pod",
    ],
)
def test_only_what_the_rules_deny_ends(found: Connection, ends: bool) -> None:  # noqa: FBT001
    assert (denied_by(view(WEB, DB, ALLOW_WEB))(found) is not None) is ends


def test_an_address_that_another_node_has_borrowed_is_no_address_of_a_pod_that_is_gone() -> None:
    seen = view(WEB, DB)
    other = Node(name=NodeName("other"), addresses=(), pod_cidrs=(), borrowed=("10.244.0.77",))
    lent = msgspec.structs.replace(seen, nodes={**seen.nodes, "other": other})
    found = connection("10.244.0.6", "10.244.0.77")
    assert denied_by(seen)(found) is not None
    assert denied_by(lent)(found) is None


def test_only_changes_of_verdicts_count_as_changes_of_policy() -> None:
    assert not policy_changed(view(WEB, DB, DENY), view(WEB, DB, DENY))
    assert policy_changed(view(WEB, DB), view(WEB, DB, DENY))
    assert policy_changed(view(WEB, DB, DENY), view(WEB, DB, ALLOW_WEB))


def test_a_pod_that_leaves_a_selector_changes_policy() -> None:
    other = pod("db", ip="10.244.0.6", app="other")
    assert policy_changed(view(WEB, DB, DENY), view(WEB, other, DENY))


def test_a_pod_that_comes_or_goes_is_no_change_of_policy() -> None:
    both = view(WEB, DB, DENY)
    one = msgspec.structs.replace(both, pods=both.pods[:1])
    assert not policy_changed(one, both)
    assert not policy_changed(both, one)


def about_names(**more: Learned) -> NodeView:
    """A pod that may reach two names."""
    peer = Domains(patterns=("*.shop.test", "example.test"))
    rule = Rule(peers=(peer,), origin=Origin(kind="ClusterNetworkPolicy", namespace="", name="names"))
    egress = PolicySet(id=PolicySetId("names"), side=Side.EGRESS, rules=(rule,), isolated_by=(rule.origin,))
    seen = msgspec.structs.replace(view(WEB, DB), **more)
    judged = [msgspec.structs.replace(pod, pod=msgspec.structs.replace(pod.pod, egress=egress.id)) for pod in seen.pods]
    return msgspec.structs.replace(seen, pods=tuple(judged), sets={egress.id: egress})


def test_a_connection_to_an_address_that_a_name_had_may_go_on() -> None:
    seen = about_names(
        learned={"*.shop.test": ("192.0.2.1",), "example.test": ()}, lapsed={"example.test": ("192.0.2.2",)}
    )
    denied = denied_by(seen)
    assert denied(connection("10.244.0.5", "192.0.2.1")) is None
    assert denied(connection("10.244.0.5", "192.0.2.2")) is None
    assert denied(connection("10.244.0.5", "192.0.2.3")) is not None


def test_nothing_ends_for_a_name_before_its_server_said_something() -> None:
    unknown = about_names(learned={"*.shop.test": ()})
    known = about_names(learned={"*.shop.test": (), "example.test": ("192.0.2.1",)})
    assert denied_by(unknown)(connection("10.244.0.5", "192.0.2.3")) is None
    assert denied_by(known)(connection("10.244.0.5", "192.0.2.3")) is not None
    assert policy_changed(unknown, known)


def test_addresses_that_come_and_go_are_no_change_of_policy() -> None:
    one = about_names(learned={"*.shop.test": ("192.0.2.1",), "example.test": ()})
    other = about_names(learned={"*.shop.test": (), "example.test": ("192.0.2.1",)})
    assert not policy_changed(one, other)
    assert not policy_changed(one, msgspec.structs.replace(one, sets=one.sets, learned={}))


def one_set(view: NodeView) -> PolicySet:
    (found,) = view.sets.values()
    return found


def with_set(view: NodeView, **changes: object) -> NodeView:
    changed = msgspec.structs.replace(one_set(view), **changes)
    return msgspec.structs.replace(view, sets={changed.id: changed})


def test_what_is_only_looked_at_is_no_change_of_policy_and_ends_nothing() -> None:
    before = view(WEB, DB, ALLOW_WEB)
    staged = with_set(before, preview=PolicySetId("preview"))
    deny = PolicySet(id=PolicySetId("preview"), side=Side.INGRESS, rules=(), isolated_by=(), closed=True)
    assert not policy_changed(before, staged)
    known = msgspec.structs.replace(staged, sets={**staged.sets, deny.id: deny})
    assert denied_by(known)(connection("10.244.0.5", "10.244.0.6")) is None


def test_what_is_kept_goes_on_and_is_still_kept_after_the_next_change() -> None:
    kept = with_set(view(WEB, DB, DENY), keeps=True)
    assert denied_by(kept)(connection("10.244.0.5", "10.244.0.6")) is None
    assert denied_by(with_set(kept, keeps=False))(connection("10.244.0.5", "10.244.0.6")) is not None


def test_what_has_not_arrived_yet_ends_nothing() -> None:
    now = view(WEB, DB, ALLOW_WEB)
    found = connection("10.244.0.5", "10.244.0.6", port=80)
    assert denied_by(now)(found) is not None
    assert denied_by(msgspec.structs.replace(now, sets={}))(found) is None
    assert denied_by(msgspec.structs.replace(now, groups={}))(found) is None


def test_who_joins_a_group_loses_only_what_a_rule_of_it_denies() -> None:
    before = view(WEB, DB, ALLOW_WEB)
    (group,) = before.groups.values()
    grown = {group.id: AddressGroup(id=group.id, addresses=(*group.addresses, "10.244.9.9"))}
    shrunk = {group.id: AddressGroup(id=group.id, addresses=())}
    assert not policy_changed(before, msgspec.structs.replace(before, groups=grown))
    assert policy_changed(before, msgspec.structs.replace(before, groups=shrunk))
    rule = Rule(peers=(Group(id=group.id),), origin=one_set(before).isolated_by[0], verdict=Verdict.DENY)
    refusing = with_set(before, admin=(rule,))
    assert policy_changed(refusing, msgspec.structs.replace(refusing, groups=grown))
    arrived = msgspec.structs.replace(before, groups={})
    assert policy_changed(arrived, before)


def test_of_a_stray_connection_nobody_is_told() -> None:
    found = verdicts([connection("10.244.0.77", "10.244.0.6")], denied_by(view(WEB, DB)))
    assert [said for _, said in found] == [STRAY]
    assert ended_of(found) == ()


def ended(source: str, destination: str, protocol: str = "TCP") -> Ended:
    found = msgspec.structs.replace(
        connection(source, destination, protocol=protocol),
        source_port=4000,
        dialled="10.96.0.9",
        dialled_port=80,
        seen_as=(source, 4000),
    )
    return Ended(connection=found, side=Side.INGRESS, rules=())


def test_a_meshed_pods_envoy_loses_either_end_of_what_is_ended() -> None:
    where = {"10.244.0.5": "/pins/web", "10.244.0.6": "/pins/db"}
    upstream = (("10.244.0.5", 4000), ("10.96.0.9", 80))
    downstream = (("10.244.0.6", 5432), ("10.244.0.5", 4000))
    assert proxied([ended("10.244.0.5", "10.244.0.6")], where) == {
        "/pins/web": frozenset({upstream}),
        "/pins/db": frozenset({downstream}),
    }
    assert proxied([ended("10.244.0.5", "10.244.0.6", "UDP")], where) == {}
    assert proxied([ended("203.0.113.9", "10.244.0.7")], where) == {}


def test_what_a_gateway_of_the_node_opened_ends_at_both_ends() -> None:
    config = msgspec.structs.replace(view().config, service_cidrs=("10.96.0.0/16",))
    opened = msgspec.structs.replace(
        connection("10.244.0.1", "10.244.0.6"), seen_as=("10.96.255.254", 40000), source_port=40000, dialled_port=5432
    )
    allowing = policy("deny", podSelector={}, ingress=[{"from": [{"ipBlock": {"cidr": "10.96.255.254/32"}}]}])
    shut, open_ = (msgspec.structs.replace(view(WEB, DB, one), config=config) for one in (DENY, allowing))
    assert isinstance(denied_by(shut)(opened), Denial)
    assert denied_by(open_)(opened) is None
    probe = msgspec.structs.replace(opened, seen_as=("10.244.0.1", 40000))
    assert denied_by(shut)(probe) is None, "the node's own"
    ended = Ended(connection=opened, side=Side.INGRESS, rules=())
    assert proxied([ended], {"10.244.0.6": "/ns/db"}, ("10.96.255.254",)) == {
        "/ns/db": {(("10.244.0.6", 5432), ("10.96.255.254", 40000))},
        "/proc/self/ns/net": {(("10.244.0.1", 40000), ("10.244.0.6", 5432))},
    }


def test_addresses_of_pods_that_left_are_gone() -> None:
    assert gone_addresses(view(WEB, DB), view(DB)) == {"10.244.0.5"}
    assert gone_addresses(view(DB), view(WEB, DB)) == set()
