"""Which warnings are told at once, and which together."""

from __future__ import annotations

from tandem.apps.cli.warnings import Warnings

RESOURCES = "spec.template.spec.containers[{}].resources: has no effect: processes are not limited"
ALIKE = "spec.containers[].resources: has no effect: processes are not limited"


def told(*texts: str) -> tuple[list[str], list[str]]:
    """(before the end, at the end)."""
    said: list[str] = []
    warnings = Warnings(said.append)
    for text in texts:
        warnings.add(text)
    before = list(said)
    warnings.close()
    assert warnings.all == list(texts)
    return before, said[len(before) :]


def test_what_matters_is_told_at_once_and_what_changes_nothing_at_the_end() -> None:
    idle = "pod/a: spec.containers[0].resources: has no effect: processes are not limited"
    assert told(idle, "networkpolicy/b: spec: allows everything") == (
        ["networkpolicy/b: spec: allows everything"],
        [idle],
    )


def test_alike_fields_are_told_once_with_the_objects() -> None:
    lines = [f"deployment.apps/{name}: {RESOURCES.format(i)}" for i, name in enumerate("abcde")]
    assert told(*lines, "pod/p: spec.containers[0].resources: has no effect: processes are not limited") == (
        [],
        [
            f"{ALIKE} (6 objects: deployment.apps/a, deployment.apps/b, deployment.apps/c and 3 more)",
        ],
    )
    assert told(*lines[:1], lines[0].replace("[0]", "[1]")) == (
        [],
        [f"{ALIKE} (deployment.apps/a)"],
    )


def test_values_that_people_need_are_all_there() -> None:
    lines = [f"pod/p{i}: spec.containers[0].image: 'i{i}' does not start: nobody says what" for i in range(5)]
    images = ", ".join(f"'i{i}' of pod/p{i}" for i in range(5))
    assert told(*lines) == ([], [f"spec.containers[].image: does not start: nobody says what ({images})"])
