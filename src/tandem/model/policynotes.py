"""What our own annotations ask of a policy, of whatever kind: to judge only, to answer, to leave connections alone.

Each has one value. Any other is a mistake and asks for nothing: the policy is enforced, silent, and ends connections.
"""

from __future__ import annotations

from typing import Final

import msgspec

from tandem.model.meta import Object

STAGED: Final = "tandem.io/staged"
"""`true`: the policy judges and enforces nothing; what it would have denied is recorded."""
DENY: Final = "tandem.io/deny"
"""`reject`: a denial is answered (reset, ICMP) in place of silence."""
ESTABLISHED: Final = "tandem.io/established"
"""`keep`: connections that the policy denies may go on if they were established before it."""
VALUES: Final = {STAGED: "true", DENY: "reject", ESTABLISHED: "keep"}


class PolicyNotes(msgspec.Struct, frozen=True, kw_only=True):
    """The annotations of one policy; `wrong` has (annotation, value) of those that mean nothing."""

    staged: bool = False
    rejects: bool = False
    keeps: bool = False
    wrong: tuple[tuple[str, str], ...] = ()


def notes_of(policy: Object) -> PolicyNotes:
    """What a policy's annotations ask for."""
    given = {k: v for k, v in policy.metadata.annotations.items() if k in VALUES}
    return PolicyNotes(
        staged=given.get(STAGED) == VALUES[STAGED],
        rejects=given.get(DENY) == VALUES[DENY],
        keeps=given.get(ESTABLISHED) == VALUES[ESTABLISHED],
        wrong=tuple(sorted((k, v) for k, v in given.items() if v != VALUES[k])),
    )
