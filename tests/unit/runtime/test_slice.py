"""What a node was told, and which of it it must still answer."""

from __future__ import annotations

import msgspec

from meshbuild import CONFIG
from tandem.base.ids import GroupId, NodeName, PodUid, SpiffeId
from tandem.compile.fabric import BY_NAME
from tandem.drivers.xds.client_session import Update
from tandem.ir import wire
from tandem.ir.fabric import LocalPod, MeshConfig, Node, Service
from tandem.ir.network import Network
from tandem.ir.pieces import cut
from tandem.ir.policy import AddressGroup
from tandem.runtime.slice import Slice

NODE = Node(name=NodeName("n1"), addresses=("192.0.2.1",), pod_cidrs=("10.244.0.0/24",))


def update(cls: type, *, nonce: str = "1", removed: tuple[str, ...] = (), **values: wire.Value | bytes) -> Update:
    encoded = {n: ("v", v if isinstance(v, bytes) else wire.encode(v)) for n, v in values.items()}
    return Update(type_url=wire.URLS[cls], resources=encoded, removed=removed, nonce=nonce)


def pod(uid: str, name: str = "web-0", namespace: str = "shop") -> LocalPod:
    return LocalPod(
        uid=PodUid(uid), namespace=namespace, name=name, service_account="s", identity=SpiffeId("spiffe://x")
    )


def told() -> Slice:
    made = Slice("n1")
    made.take(update(MeshConfig, mesh=CONFIG))
    made.take(update(Node, n1=NODE))
    return made


def test_there_is_no_view_before_node_prefix_and_configuration_are_known() -> None:
    made = Slice("n1")
    assert made.view(()) is None
    made.take(update(MeshConfig, mesh=CONFIG))
    made.take(update(Node, n1=Node(name=NodeName("n1"), addresses=("192.0.2.1",), pod_cidrs=())))
    assert made.node is None
    assert made.view(()) is None
    made.take(update(Node, n1=NODE))
    assert made.view(()) is not None


def test_updates_add_replace_and_remove() -> None:
    made = told()
    web = Service(namespace="shop", name="web", cluster_ips=("10.96.0.1",), ports=())
    made.take(update(Service, web=web, db=web))
    made.take(update(Service, removed=("db", "never")))
    view = made.view(())
    assert view is not None
    assert view.services == {"web": web}


def test_a_group_in_pieces_is_one_in_the_view() -> None:
    made, whole = (
        told(),
        AddressGroup(id=GroupId("g"), addresses=tuple(f"10.0.{n >> 8}.{n & 255}" for n in range(2000))),
    )
    assert len(cut(whole)) > 1
    sent = {name: ("v", wire.encode(piece)) for name, piece in cut(whole).items()}
    made.take(Update(type_url=wire.URLS[AddressGroup], resources=sent, removed=(), nonce="1"))
    view = made.view(())
    assert view is not None
    assert {name: sorted(group.addresses) for name, group in view.groups.items()} == {"g": sorted(whole.addresses)}


def test_a_view_does_not_change_with_later_updates() -> None:
    made = told()
    view = made.view(())
    made.take(update(Node, n2=NODE))
    assert view is not None
    assert set(view.nodes) == {"n1"}


def test_a_pod_is_found_by_uid_and_by_name_unless_two_share_it() -> None:
    made = told()
    made.take(update(LocalPod, u1=pod("u1"), u3=pod("u3", namespace="other")))
    assert made.pod("u1") == pod("u1")
    assert made.pod_named("shop", "web-0") == pod("u1")
    made.take(update(LocalPod, u2=pod("u2")))
    assert made.pod_named("shop", "web-0") is None
    assert made.pod("u9") is None


def test_each_update_is_due_once_and_not_before_its_view() -> None:
    made = told()
    assert made.number == 2
    assert [p.view for p in made.due(1)] == [1]
    assert [p.view for p in made.due(5)] == [2]
    assert made.due(5) == []


def test_what_cannot_be_read_is_told_and_what_was_before_stays_in_force() -> None:
    made = told()
    made.due(made.number)
    made.take(update(Node, n1=b'{"name": 7}', n2=NODE))
    (pending,) = made.due(made.number)
    assert set(pending.values) == {"n2"}
    assert "cannot read it" in pending.broken["n1"]
    assert made.node == NODE


def test_a_fabric_that_this_agent_does_not_have_is_told_and_the_former_stays_in_force() -> None:
    made = told()
    other = msgspec.structs.replace(CONFIG, network=Network(fabric="later"))
    made.take(update(MeshConfig, nonce="2", mesh=other))
    assert made.due(made.number)[-1].broken == {"mesh": "this agent has no fabric 'later', only " + ", ".join(BY_NAME)}
    assert made.config == CONFIG
