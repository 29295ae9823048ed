"""RuleCount: how often a policy's rule has decided on a node, as the kernel counts it since the rule is there."""

from __future__ import annotations

import msgspec

from tandem.base.problems import Origin


class RuleCount(msgspec.Struct, frozen=True, kw_only=True):
    """The record behind the counts of `tandem describe` and `tandem status`."""

    rule: Origin
    verdict: str
    """`allowed`: new connections; `denied`: first packets; `staged`: first packets that went on and would be denied."""
    direction: str
    """ingress or egress: which side's rules."""
    count: int
