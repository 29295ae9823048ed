"""Each annotation has one value; any other asks for nothing and is told."""

from __future__ import annotations

from builders import cluster_policy, policy
from tandem.model.policynotes import DENY, ESTABLISHED, STAGED, PolicyNotes, notes_of


def test_nothing_is_asked_for() -> None:
    assert notes_of(policy()) == PolicyNotes()


def test_each_value_on_each_kind() -> None:
    notes = {STAGED: "true", DENY: "reject", ESTABLISHED: "keep"}
    wanted = PolicyNotes(staged=True, rejects=True, keeps=True)
    assert notes_of(policy(notes=notes)) == wanted
    assert notes_of(cluster_policy(notes=notes)) == wanted


def test_another_value_means_nothing() -> None:
    notes = {STAGED: "yes", DENY: "", ESTABLISHED: "Keep", "tandem.io/source": "f.yaml:1"}
    assert notes_of(policy(notes=notes)) == PolicyNotes(wrong=((DENY, ""), (ESTABLISHED, "Keep"), (STAGED, "yes")))
