"""Golden cases of NetworkPolicy translation: each example of the Kubernetes docs, each line of its semantics."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
import yaml

from builders import from_yaml, pod, policy, world
from tandem.ir.policy import Side
from tandem.model.world import World
from tandem.translate.policy import translate_policy

GOLDEN = Path(__file__).parents[3] / "golden" / "policy"
CASES = sorted(p.parent.name for p in GOLDEN.glob("*/in.yaml"))


@pytest.mark.parametrize("case", CASES)
def test_golden(case: str, golden: Callable[[Path, str], None]) -> None:
    ir, problems = translate_policy(World.of(from_yaml((GOLDEN / case / "in.yaml").read_text())))
    value = {"ir": msgspec.to_builtins(ir), "problems": msgspec.to_builtins(problems)}
    golden(GOLDEN / case / "out.yaml", yaml.safe_dump(value, sort_keys=False, width=110))


def test_pods_with_equal_policies_share_a_set() -> None:
    ir, _ = translate_policy(world(pod("a"), pod("b"), policy(ingress=[])))
    assert ir.ingress["uid-default-a"] == ir.ingress["uid-default-b"]
    assert [s.side for s in ir.sets.values()] == [Side.INGRESS]


def test_a_pod_without_an_address_is_isolated_already() -> None:
    ir, _ = translate_policy(world(pod("a", ip=()), policy(ingress=[])))
    assert "uid-default-a" in ir.ingress


def test_a_new_pod_changes_the_group_and_no_set() -> None:
    peers = policy(podSelector={"matchLabels": {"app": "web"}}, ingress=[{"from": [{"podSelector": {}}]}])
    before, _ = translate_policy(world(pod("web", app="web"), peers))
    after, _ = translate_policy(world(pod("web", app="web"), pod("new"), peers))
    assert before.sets == after.sets
    assert before.groups.keys() == after.groups.keys()
    assert before.groups != after.groups
