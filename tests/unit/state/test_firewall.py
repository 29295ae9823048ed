"""Rules for chains of others."""

from __future__ import annotations

from tandem.state.firewall import Accept


def test_a_rule_can_be_recognised_as_ours_by_its_comment() -> None:
    rule = Accept(matches=("-i", "td+"), why="what pods send")
    assert rule.words == ("-i", "td+", "-m", "comment", "--comment", "tandem: what pods send", "-j", "ACCEPT")
