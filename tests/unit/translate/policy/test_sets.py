"""Golden cases of policy translation: each example of the Kubernetes docs, each line of the APIs; and sets."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml

from builders import cluster_policy, from_yaml, pod, policy, world
from tandem.ir.policy import PolicySet, Side, Verdict
from tandem.model.meta import Object
from tandem.model.world import World
from tandem.translate.policy import translate_policy

Raw = dict[str, Any]
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


ALL: list[Raw] = [{"namespaces": {}}]
STAGED = {"tandem.io/staged": "true"}
DENY_ALL = [{"action": "Deny", "from": ALL}]


def _ingress(*objects: Object) -> tuple[PolicySet, PolicySet | None]:
    """The set of the one pod, and its preview."""
    ir, _ = translate_policy(world(pod("a"), *objects))
    found = ir.sets[ir.ingress["uid-default-a"]]
    return found, None if found.preview is None else ir.sets[found.preview]


def test_tiers_stand_around_network_policy() -> None:
    admin = cluster_policy("admin", ingress=[{"action": a, "from": ALL} for a in ("Accept", "Pass")])
    base = cluster_policy("base", tier="Baseline", ingress=DENY_ALL)
    open_pod, _ = _ingress(admin, base)
    assert [r.verdict for r in open_pod.admin] == [Verdict.ACCEPT, Verdict.PASS]
    assert [r.verdict for r in open_pod.baseline] == [Verdict.DENY]
    assert (open_pod.rules, open_pod.isolated_by) == ((), ())
    isolated, _ = _ingress(admin, base, policy(ingress=[]))
    assert [o.name for o in isolated.isolated_by] == ["p"]
    assert isolated.baseline == ()


def test_a_policy_that_only_sees_the_other_side_makes_no_set() -> None:
    ir, _ = translate_policy(world(pod("a"), cluster_policy(ingress=DENY_ALL)))
    assert (len(ir.ingress), ir.egress) == (1, {})


def test_host_network_and_finished_pods_are_no_subjects() -> None:
    pods = (pod("host", host_network=True), pod("done", phase="Succeeded"), pod("new", ip=()))
    ir, _ = translate_policy(world(*pods, cluster_policy(ingress=DENY_ALL)))
    assert list(ir.ingress) == ["uid-default-new"]


def test_a_staged_policy_changes_the_preview_alone() -> None:
    enforced, _ = _ingress(policy("a", ingress=[{}]))
    found, preview = _ingress(policy("a", ingress=[{}]), cluster_policy(notes=STAGED, ingress=DENY_ALL))
    assert (found.rules, found.isolated_by, found.admin) == (enforced.rules, enforced.isolated_by, ())
    assert preview is not None
    assert [r.origin.name for r in preview.admin] == ["c"]
    assert (preview.rules, preview.preview) == (enforced.rules, None)


def test_a_staged_policy_that_is_alone_is_in_no_force() -> None:
    found, preview = _ingress(policy(notes=STAGED, ingress=[]))
    assert (found.rules, found.isolated_by, found.admin, found.baseline, found.closed) == ((), (), (), (), False)
    assert preview is not None
    assert [o.name for o in preview.isolated_by] == ["p"]


def test_without_a_staged_policy_there_is_no_preview() -> None:
    _, preview = _ingress(policy(ingress=[]))
    assert preview is None


def test_a_staged_policy_that_would_change_nothing_has_no_preview() -> None:
    nothing = cluster_policy("c", tier="Baseline", notes=STAGED, ingress=DENY_ALL)
    _, preview = _ingress(policy(ingress=[]), nothing)
    assert preview is None


@pytest.mark.parametrize(("one", "other", "both"), [("reject", "reject", True), ("reject", "", False)])
def test_isolation_answers_if_all_ask_for_it(one: str, other: str, *, both: bool) -> None:
    notes = ({"tandem.io/deny": one}, {"tandem.io/deny": other} if other else {})
    found, _ = _ingress(*(policy(f"p{i}", ingress=[], notes=n) for i, n in enumerate(notes)))
    assert (found.rejects, found.keeps) == (both, False)


def test_sets_of_equal_rules_and_other_tiers_are_told_apart() -> None:
    one, _ = _ingress(cluster_policy(ingress=DENY_ALL))
    two, _ = _ingress(cluster_policy(tier="Baseline", ingress=DENY_ALL))
    assert one.id != two.id
