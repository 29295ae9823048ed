"""Every verdict names its rule: what the kernel logs and counts of real packets, for rules of tiers and staged ones."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Final

import pytest

from builders import cluster_policy, policy
from netns.talkers import say
from netns.test_established import CLIENT, NOBODY, TO_WEB, Node, clear, seen, tier
from tandem.base.clock import FixedClock
from tandem.base.netns import in_netns
from tandem.compile.names import is_staged, tells_isolation
from tandem.compile.nft.origins import counters, origins
from tandem.ir.node import NodeView
from tandem.model.meta import Object
from tandem.observe.flow import Flow, Party, Verdict
from tandem.observe.nflog import Attribution, open_log, watch_drops
from tandem.runtime.metrics import KernelFigures

pytestmark = pytest.mark.root

STAGED: Final = {"tandem.io/staged": "true"}
TIMEOUT, PONG, REFUSED = "timeout", "pong", "ConnectionRefusedError"


@pytest.fixture(scope="module")
def place() -> Iterator[Node]:
    lab = Node()
    try:
        lab.begin()
        yield lab
    finally:
        lab.serving.close()
        lab.stop()


@pytest.fixture
def node(place: Node) -> Iterator[Node]:
    place.apply()
    clear(place)
    with ExitStack() as place.stack:
        yield place


def first_flow(node: Node, view: NodeView, wanted: str) -> Flow:
    """What is told of one connection from client to web, and that it ends so."""
    known = origins(view)
    names = Attribution(
        node="node-1",
        party=lambda _: Party(),
        origins=lambda prefix: known.get(prefix, ()),
        staged=is_staged,
        isolation=tells_isolation,
    )

    async def scene() -> Flow:
        found: asyncio.Queue[Flow] = asyncio.Queue()
        log = in_netns(node.path, open_log)
        client = node.talker(node.netns_of(CLIENT))
        async with asyncio.timeout(20), asyncio.TaskGroup() as tasks:
            task = tasks.create_task(watch_drops(log, names, found.put_nowait, clock=FixedClock()))
            assert await asyncio.to_thread(say, client, "one", "tcp", TO_WEB[4]) == wanted
            flow = await found.get()
            task.cancel()
        return flow

    return asyncio.run(scene())


@pytest.mark.parametrize(
    ("objects", "ends", "verdict", "path"),
    [
        ((NOBODY,), TIMEOUT, Verdict.DENIED, "spec.ingress"),
        ((tier("nobody", "Deny"),), TIMEOUT, Verdict.DENIED, "spec.ingress[0]"),
        ((tier("nobody", "Deny", tier="Baseline"),), TIMEOUT, Verdict.DENIED, "spec.ingress[0]"),
        ((policy("nobody", notes=STAGED, podSelector={}, ingress=[]),), PONG, Verdict.STAGED, "spec.ingress"),
        (
            (cluster_policy("nobody", notes=STAGED, ingress=[{"action": "Deny", "from": [{"namespaces": {}}]}]),),
            PONG,
            Verdict.STAGED,
            "spec.ingress[0]",
        ),
        (
            (policy("nobody", notes={"tandem.io/deny": "reject"}, podSelector={}, ingress=[]),),
            REFUSED,
            Verdict.DENIED,
            "spec.ingress",
        ),
    ],
    ids=["isolation", "admin", "baseline", "staged isolation", "staged rule", "answered"],
)
def test_what_is_denied_and_what_would_be_names_its_rule_and_is_counted(
    node: Node, objects: tuple[Object, ...], ends: str, verdict: Verdict, path: str
) -> None:
    view = seen(*objects)
    node.enforce(view)
    flow = first_flow(node, view, ends)
    assert (flow.verdict, flow.direction) == (verdict, "ingress")
    assert [(rule.name, rule.path) for rule in flow.rules] == [("nobody", path)]
    told = KernelFigures(node.nft, lambda: counters(view), dict, int).rules()
    assert [(one.rule.name, one.rule.path, one.verdict) for one in told if one.verdict == verdict.value] == [
        ("nobody", path, verdict.value)
    ]


def test_what_is_allowed_is_counted_once_for_a_connection(node: Node) -> None:
    view = seen(tier("open", "Accept"))
    node.enforce(view)
    client = node.talker(node.netns_of(CLIENT))
    assert [say(client, name, "tcp", TO_WEB[4]) for name in ("one", "one", "one", "two")] == [PONG] * 4
    (told,) = KernelFigures(node.nft, lambda: counters(view), dict, int).rules()
    assert (told.rule.name, told.verdict, told.count) == ("open", "allowed", 2)
