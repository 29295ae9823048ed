"""Problems that one policy is told, collected while its draft is made."""

from __future__ import annotations

import msgspec

from tandem.base.problems import Origin, Problem, Severity
from tandem.model.annotations import unknown_of
from tandem.model.meta import Object
from tandem.model.policynotes import STAGED, VALUES, PolicyNotes, notes_of
from tandem.model.selectors import LabelSelector, unknown_operator


class Report:
    """The problems of one policy. A rule that cannot be evaluated is told with the path of the part in question."""

    def __init__(self, policy: Object) -> None:
        self._policy = policy
        self._found: list[Problem] = []

    @property
    def problems(self) -> tuple[Problem, ...]:
        """In the order in which they were told."""
        return tuple(self._found)

    @property
    def broken(self) -> bool:
        """True if something is not in force as it is written."""
        return any(p.severity is Severity.ERROR for p in self._found)

    def error(self, path: str, code: str, text: str) -> None:
        """What is not in force as it is written."""
        self._add(path, code, text, Severity.ERROR)

    def warning(self, path: str, code: str, text: str) -> None:
        """What is in force and hardly meant."""
        self._add(path, code, text, Severity.WARNING)

    def selector(self, selector: LabelSelector, path: str) -> bool:
        """False, and told, if a selector has an operator that nobody here knows."""
        wrong = unknown_operator(selector)
        if wrong:
            self.error(f"{path}.{wrong}", "UnknownOperator", "is no operator of label selectors")
        return not wrong

    def unread(self) -> None:
        """What of the policy was not understood when it was read."""
        for line in self._policy.metadata.unreadable:
            path, _, text = line.partition(": ")
            self.error(path, "NotUnderstood", f"{text}: what it stands in fails closed")

    def unread_in(self, path: str) -> bool:
        """True if something in the part at `path` was not understood, or in the rule that it is in."""
        rule = _rule_of(path)
        faults = [line.partition(": ")[0] for line in self._policy.metadata.unreadable]
        return any(f == path or f.startswith(f"{path}.") or _rule_of(f) == rule for f in faults)

    def notes(self) -> PolicyNotes:
        """The policy's annotations, with a Problem for each that means nothing."""
        notes = notes_of(self._policy)
        if notes.staged:
            text = "staged: what it would deny is recorded, and nothing is denied by it"
            self.warning(f"metadata.annotations[{STAGED}]", "Staged", text)
        for name, text in unknown_of(self._policy, VALUES).items():
            self.warning(f"metadata.annotations[{name}]", "UnknownAnnotation", text)
        for name, value in notes.wrong:
            text = f"{value!r} means nothing: the only value is {VALUES[name]!r}, and the annotation is not heeded"
            self.error(f"metadata.annotations[{name}]", "InvalidAnnotation", text)
        return notes

    def _add(self, path: str, code: str, text: str, severity: Severity) -> None:
        at = self._policy.origin(_rule_of(path))
        # The line is that of the rule, the path that of the part.
        at = msgspec.structs.replace(at, path=path)
        self._found.append(Problem(at=at, code=code, text=text, severity=severity))


def _rule_of(path: str) -> str:
    """`spec.ingress[0]` of `spec.ingress[0].from[1].ipBlock`."""
    head = ".".join(path.split(".")[:2])
    return head if "]" in head else path


def origin_of_rule(policy: Object, path: str, name: str) -> Origin:
    """The Origin of a rule, with the rule's own name where it has one: `spec.ingress[0] "allow-dns"`."""
    at = policy.origin(path)
    return msgspec.structs.replace(at, path=f'{path} "{name}"') if name else at
