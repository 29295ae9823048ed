"""What `tandem ipam check` finds, and that it finds nothing where all agree."""

from __future__ import annotations

from typing import Any, cast

import msgspec

from addressing import raw_pod
from attaching import attachment
from tandem.base.ids import ContainerId, PodUid
from tandem.base.paths import RunDir
from tandem.drivers.link.port import Owned
from tandem.ipam.journal import Attachment, Phase
from tandem.model.core import Pod
from tandem.model.parse import parse
from tandem.runtime.address_check import Seen, check, compare
from tandem.views.addresses import Addresses, NodeUse


def held(container: str, address: str, **more: Any) -> Attachment:
    names = {"pod_uid": PodUid(f"uid-{container}"), "pod_name": container, "host_ifname": f"td-{container}"}
    return attachment(container, address, **{**names, "phase": Phase.READY, **more})


def seen(*attachments: Attachment, node: str = "a", links: tuple[str, ...] | None = None, gone: str = "") -> Seen:
    found = tuple(a.host_ifname for a in attachments) if links is None else links
    return Seen(node=node, attachments=attachments, owned=Owned(links=found), gone=frozenset(gone.split()))


def pod(name: str, address: str, node: str = "a") -> Pod:
    raw = raw_pod(name, node, uid=f"uid-{name}", podIP=address, podIPs=[{"ip": address}], phase="Running")
    return cast("Pod", parse(raw))


def node(name: str, *blocks: str, borrowed: tuple[str, ...] = ()) -> NodeUse:
    return NodeUse(name=name, reported=True, blocks=blocks, borrowed=borrowed, used=0, cooling=0, free=0)


def found(*nodes: Seen, pods: tuple[Pod, ...] = (), borrowed: tuple[str, ...] = ()) -> list[tuple[str, str, str]]:
    of = (node("a", "10.0.0.0/29", borrowed=borrowed), node("b", "10.0.0.8/29"))
    every = Addresses(pools=(), nodes=of, blocks=(), reservations=())
    return [(f.kind, f.node, f.address) for f in compare(nodes, every, pods)]


WEB = held("web", "10.0.0.2")


def test_where_all_agree_nothing_is_found() -> None:
    assert found(seen(WEB), pods=(pod("web", "10.0.0.2"),)) == []


def test_a_container_that_nobody_has_any_more_is_leaked_unless_its_pod_is_expected() -> None:
    assert found(seen(WEB, gone="web")) == [("leaked", "a", "10.0.0.2")]
    assert found(seen(WEB, gone="web"), pods=(pod("web", "10.0.0.2"),)) == []


def test_a_link_without_a_record_and_a_record_without_its_link_are_found() -> None:
    assert found(seen(WEB, links=("td-other",))) == [("unknown", "a", ""), ("missing", "a", "10.0.0.2")]


def test_what_is_on_its_way_may_lack_its_link() -> None:
    assert found(seen(msgspec.structs.replace(WEB, phase=Phase.ADDING), links=())) == []


def test_an_address_of_no_block_of_the_node_is_foreign_unless_it_is_lent_to_it() -> None:
    other = seen(held("db", "10.0.0.10"))
    assert found(other) == [("foreign", "a", "10.0.0.10")]
    assert found(other, borrowed=("10.0.0.10",)) == []


def test_an_address_at_two_nodes_is_a_duplicate() -> None:
    twice = (seen(WEB), seen(held("db", "10.0.0.2"), node="b"))
    assert ("duplicate", "b", "10.0.0.2") in found(*twice)


def test_a_pod_that_says_otherwise_than_the_journal_is_unequal() -> None:
    pods = (pod("web", "10.0.0.3"), pod("db", "10.0.0.2"), pod("far", "10.9.9.9", "elsewhere"))
    assert found(seen(WEB), pods=pods) == [("unequal", "a", "10.0.0.3"), ("unequal", "a", "10.0.0.2")]


def test_a_shared_directory_of_host_local_must_say_the_same() -> None:
    def of(*held: tuple[str, str]) -> Seen:
        files = ({address: (ContainerId(container), "eth0") for address, container in held},)
        return Seen(node="a", attachments=(WEB,), owned=Owned(links=("td-web",)), gone=frozenset(), files=files)

    assert found(of(("10.0.0.2", "web"), ("10.0.0.9", "theirs"))) == []
    assert found(of()) == [("unshared", "a", "10.0.0.2")]
    assert found(of(("10.0.0.2", "theirs"))) == [("duplicate", "a", "10.0.0.2")]


def test_a_machine_on_which_nothing_runs_has_nothing_to_find(tmp_path: Any) -> None:
    every = Addresses(pools=(), nodes=(), blocks=(), reservations=())
    assert check(RunDir(tmp_path), every, []) == ()
