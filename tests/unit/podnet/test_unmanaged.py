"""Containers that no Pod describes: who counts as one, what the configuration says of them, what the node enforces."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from attaching import attachment
from meshbuild import view
from tandem.base.ids import PodUid
from tandem.ipam.journal import Attachment
from tandem.ir.policy import Side
from tandem.podnet.request import Code, VerbError
from tandem.podnet.unmanaged import closed_by, is_unmanaged, of_attachment, with_closed, workload
from unit.podnet.playground import CONFIG, Playground, request

PODMAN = "IgnoreUnknown=1;K8S_POD_NAME=brave_curie"


def config(word: object) -> dict[str, Any]:
    return CONFIG | {"unmanaged": word}


def of_container(namespace: str = "", closed: str = "") -> Attachment:
    uid = PodUid("unmanaged/c1")
    return attachment(
        "c1", "10.244.0.2", pod_uid=uid, namespace=namespace, pod_name="brave_curie", closed_by=closed, mtu=1400
    )


@pytest.mark.parametrize("args", ["", "IgnoreUnknown=1", PODMAN])
def test_a_container_without_a_namespace_of_the_api_is_no_pod(args: str) -> None:
    assert is_unmanaged(request("ADD", args=args))


def test_a_runtime_that_names_a_namespace_means_a_pod() -> None:
    assert not is_unmanaged(request("ADD"))


def test_it_has_podmans_name_or_else_its_id_and_is_open_and_out_of_the_mesh() -> None:
    named, bare = workload(request("ADD", args=PODMAN)), workload(request("ADD", args=""))
    assert (named.namespace, named.name, bare.name) == ("", "brave_curie", "c1")
    assert (named.meshed, named.ingress, named.egress) == (False, None, None)


def test_a_closed_one_has_a_policy_of_no_rules_that_names_the_network() -> None:
    pod = workload(request("ADD", args="", config=config("closed")))
    sets = with_closed(view(), ["tandem", "", "tandem"]).sets
    assert {pod.ingress: Side.INGRESS, pod.egress: Side.EGRESS} == {s.id: s.side for s in sets.values()}
    assert {(s.rules, *map(str, s.isolated_by)) for s in sets.values()} == {
        ((), "NetworkConfiguration tandem unmanaged")
    }


def test_a_node_without_closed_ones_has_no_policy_of_theirs() -> None:
    bare = view()
    assert with_closed(bare, ["", ""]) is bare


def test_the_journal_gives_the_same_workload_back() -> None:
    asked = request("ADD", args=PODMAN, config=config("closed"))
    assert of_attachment(of_container(closed=closed_by(asked))) == workload(asked)
    assert of_attachment(of_container(namespace="shop")) is None


def test_a_network_may_refuse_them_and_says_so() -> None:
    with pytest.raises(VerbError, match='"unmanaged": "refuse"') as caught:
        workload(request("ADD", args="", config=config("refuse")))
    assert caught.value.code is Code.BAD_ENVIRONMENT


@pytest.mark.parametrize("word", ["shut", 3, None])
def test_a_word_that_is_not_known_is_code_7(word: object) -> None:
    with pytest.raises(VerbError, match="open, closed, refuse") as caught:
        closed_by(request("ADD", args="", config=config(word)))
    assert caught.value.code is Code.BAD_CONFIG


def test_add_and_del_of_a_container_that_is_no_pod_need_no_control() -> None:
    async def play() -> Playground:
        ground = Playground()
        ground.node.pods.clear()
        result = await ground.add(args=PODMAN, config=config("closed"))
        (kept,) = ground.journal.all()
        assert (kept.namespace, kept.pod_name, kept.closed_by) == ("", "brave_curie", "tandem")
        assert result["dns"]["search"] == ["tandem.net.cluster.local", "svc.cluster.local", "cluster.local"]
        await ground.check(result, args=PODMAN)
        await ground.delete(args="")
        return ground

    assert asyncio.run(play()).is_clean()


def test_a_refused_container_leaves_nothing() -> None:
    async def play() -> Playground:
        ground = Playground()
        assert await ground.code("ADD", args="", config=config("refuse")) == 4
        return ground

    assert asyncio.run(play()).is_clean()
