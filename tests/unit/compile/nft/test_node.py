"""NodeView -> Ruleset: golden tables, and what must never depend on the number of pods."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from builders import from_yaml, pod, policy, world
from nodeviews import view_of
from tandem.compile.nft.node import compile_nft
from tandem.drivers.nft.plan import AddElements, plan
from tandem.model.world import World
from tandem.state import nft_text

GOLDEN = Path(__file__).parents[3] / "golden" / "nft"
CASES = sorted(p.parent.name for p in GOLDEN.glob("*/in.yaml"))


@pytest.mark.parametrize("case", CASES)
def test_golden(case: str, golden: Callable[[Path, str], None]) -> None:
    view = view_of(World.of(from_yaml((GOLDEN / case / "in.yaml").read_text())))
    golden(GOLDEN / case / "out.nft", nft_text.table(compile_nft(view)))


def test_a_new_pod_is_elements_only() -> None:
    peers = policy(podSelector={"matchLabels": {"app": "web"}}, ingress=[{"from": [{"podSelector": {}}]}])
    before = compile_nft(view_of(world(pod("web", app="web"), peers)))
    after = compile_nft(view_of(world(pod("web", app="web"), pod("more", app="web"), peers)))
    assert {type(o) for o in plan(before, after).operations} == {AddElements}


def test_a_policy_set_that_has_not_arrived_is_closed() -> None:
    view = view_of(world(pod("web"), policy(ingress=[{}])))
    table = compile_nft(msgspec.structs.replace(view, sets={}))
    (chain,) = (c for c in table.chains if c.name.startswith("ps-"))
    assert [type(s).__name__ for r in chain.rules for s in r.then] == ["Limit", "Log", "Counter", "Drop"]
