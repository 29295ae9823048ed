"""Somebody changes the node's table while pods speak: flows go on, and what is denied has a moment at most."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from builders import pod, policy, world
from netns.agentlab import KNOCK, Agent
from netns.pods import Lab
from netns.talkers import SERVE, TALK, say
from nodeviews import view_of

pytestmark = pytest.mark.root

WEB = pod("web", ip="10.244.0.2", app="web")
CLIENT, OTHER = pod("client", ip="10.244.0.3", app="client"), pod("other", ip="10.244.0.4", app="other")
ONLY_CLIENT = policy(
    "only-client",
    podSelector={"matchLabels": {"app": "web"}},
    ingress=[{"from": [{"podSelector": {"matchLabels": {"app": "client"}}}]}],
)
VIEW = view_of(world(WEB, CLIENT, OTHER, ONLY_CLIENT))


@pytest.fixture
def node() -> Iterator[tuple[Lab, Agent]]:
    with Lab().running(WEB, CLIENT, OTHER, server=SERVE) as lab:
        agent = Agent(lab, VIEW)
        try:
            agent.repaired(0)
            yield lab, agent
        finally:
            agent.stop()


def rules(node: Lab) -> str:
    """Every table, without what counters say."""
    return node.run(node.node, "nft -s list ruleset")


def nft(node: Lab, text: str) -> None:
    argv = ["ip", "netns", "exec", node.node, "nft", "-f", "-"]
    subprocess.run(argv, input=text, text=True, check=True)


@pytest.mark.parametrize(
    "text",
    [
        "flush ruleset",
        "delete table inet tandem",
        "flush chain inet tandem policy-forward",
        "insert rule inet tandem policy-forward accept",
        "flush map inet tandem ingress4",
        "delete element inet tandem pods4 { 10.244.0.3 }",
        "add element inet tandem pods4 { 192.0.2.77 }",
        "add chain inet tandem mine",
    ],
)
def test_whatever_others_change_is_put_back_and_named(node: tuple[Lab, Agent], text: str) -> None:
    lab, agent = node
    before = rules(lab)
    begun = time.monotonic()
    nft(lab, text)
    agent.repaired(1)
    sys.stderr.write(f"repaired {time.monotonic() - begun:.3f} s after {text!r} began\n")
    assert rules(lab) == before
    assert agent.drift is not None
    (told,) = agent.drift.status()["newest"]
    assert told["by"] == "nft"
    assert any(word in " ".join(told["what"]) for word in ("table inet tandem removed", *text.split()[2:]))


def test_others_tables_are_none_of_ours(node: tuple[Lab, Agent]) -> None:
    lab, agent = node
    nft(lab, "table inet theirs { chain c { drop; }; }")
    nft(lab, "delete table inet theirs; add chain inet tandem mine")
    agent.repaired(1)
    assert agent.drift is not None
    assert agent.drift.found.value == 1


def test_a_flow_goes_on_and_a_denied_one_has_a_moment_at_most(node: tuple[Lab, Agent]) -> None:
    """The moment is the kernel's: between a flush and the next transaction nothing of ours is there."""
    lab, agent = node
    with (
        lab.python(lab.netns_of(CLIENT), TALK) as client,
        lab.python(lab.netns_of(OTHER), KNOCK.replace("WAIT", "0.002")) as knocking,
    ):
        assert say(client, "flow", "tcp", "10.244.0.2") == "pong"
        for number in range(1, 6):
            nft(lab, "flush ruleset")
            assert say(client, "flow", "tcp", "10.244.0.2") == "pong"
            agent.repaired(number)
        out, _ = knocking.communicate("\n")
        asked, answered, opened, _ = map(int, out.split()[1:])
        sys.stderr.write(
            f"{answered} of {asked} denied packets came through five flushes, in {opened / 5000} ms each\n"
        )
        assert asked > answered
        assert opened < 5_000_000
        assert say(client, "again", "tcp", "10.244.0.2") == "pong"
    with lab.python(lab.netns_of(OTHER), TALK) as other:
        assert say(other, "denied", "tcp", "10.244.0.2") == "timeout"
