"""Which connections end when policy changes; the kernel's side is tested in tests/netns."""

from __future__ import annotations

import msgspec
import pytest

from builders import pod, policy, world
from nodeviews import view_of
from tandem.base.ids import NodeName
from tandem.compile.nft.origins import origins
from tandem.ir.fabric import Node
from tandem.ir.node import NodeView
from tandem.model.meta import Object
from tandem.observe.conntrack import Connection
from tandem.runtime.established import denied_by, gone_addresses, policy_changed

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
    prefix = denied_by(now)(connection("10.244.0.5", "10.244.0.6"))
    assert prefix is not None
    assert [o.name for o in origins(now)[prefix]] == ["deny"]


@pytest.mark.parametrize(
    ("found", "ends"),
    [
        (connection("10.244.0.5", "10.244.0.6"), False),
        (connection("10.244.0.5", "10.244.0.6", port=80), True),
        (connection("10.244.0.5", "10.244.0.6", protocol="UDP"), True),
        (connection("203.0.113.9", "10.244.0.6"), True),
        (connection("10.244.0.6", "203.0.113.9"), False),
        (connection("10.244.0.1", "10.244.0.6"), False),
        (connection("10.244.0.5", "10.244.0.6", protocol="ICMP"), False),
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
        "icmp is not tracked here",
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


def test_addresses_of_pods_that_left_are_gone() -> None:
    assert gone_addresses(view(WEB, DB), view(DB)) == {"10.244.0.5"}
    assert gone_addresses(view(DB), view(WEB, DB)) == set()
