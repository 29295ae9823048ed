"""Sets for pods that are alike, and what was read for them."""

from __future__ import annotations

from builders import policy
from tandem.ir.policy import Side
from tandem.model.selectors import LabelSelector
from tandem.translate.live.crowd import Crowd
from tandem.translate.live.made import Made
from tandem.translate.policy.draft import PodSelector
from tandem.translate.policy.networkpolicy import draft_networkpolicy
from tandem.translate.policy.select import group_id

WEB = PodSelector(namespace="default", pods=LabelSelector(match_labels={"app": "web"}))
TO_WEB = {"podSelector": {"matchLabels": {"app": "web"}}}
KEY = ("NetworkPolicy", "default", "p")


def test_groups_are_named_and_not_filled() -> None:
    draft = draft_networkpolicy(policy("p", podSelector={}, ingress=[{"from": [TO_WEB]}]))
    made = Made((Side.INGRESS, (), (KEY,)), [draft], Crowd())
    assert made.groups == {group_id(WEB): WEB}
    assert made.read == ()
    assert made.enforced is not None
    assert made.enforced.rules[0].peers[0].id == group_id(WEB)  # type: ignore[union-attr]


def test_ports_that_are_looked_for_by_name_are_noted() -> None:
    crowd = Crowd()
    crowd.put("a", ("default", (("app", "web"),), (("http", "TCP", 8080),), True), ["10.0.0.1"])
    draft = draft_networkpolicy(
        policy("p", podSelector={}, egress=[{"to": [TO_WEB], "ports": [{"port": "http"}]}], policyTypes=["Egress"])
    )
    made = Made((Side.EGRESS, (), (KEY,)), [draft], crowd)
    assert [selection.selector for selection in made.read] == [WEB]
    assert made.enforced is not None
    assert made.enforced.rules[0].ports[0].first == 8080


def test_a_side_that_no_policy_judges_is_open() -> None:
    made = Made((Side.EGRESS, (), (KEY,)), [draft_networkpolicy(policy("p", podSelector={}))], Crowd())
    assert made.enforced is None
