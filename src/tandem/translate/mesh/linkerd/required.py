"""The annotation by which a pod asks for identities at some of its ports -> which ports those are, with Problems. Pure.

It counts where no Server selects the port, together with the default policy (docs/tasks/linkerd.md).
"""

from __future__ import annotations

from typing import Final

import msgspec

from tandem.base.problems import Origin, Problem, Severity
from tandem.model.meta import Object
from tandem.model.speakers import port_ranges

REQUIRING: Final = "config.linkerd.io/proxy-require-identity-inbound-ports"
"""Of a pod, or else of its namespace: ports and ranges, separated by commas."""
_MOST: Final = 64
"""A rule names each port by itself; of more than these it is about all ports."""
_EVERY: Final = 65535


class Required(msgspec.Struct, frozen=True, kw_only=True):
    """Where whoever proves no identity is denied."""

    ports: tuple[int, ...] | None
    """None: at every port."""
    origin: Origin


def required_of(at: Object, value: str) -> tuple[Required, tuple[Problem, ...]]:
    """What the annotation of a pod or a namespace says. What cannot be read is meant as every port."""
    origin = at.origin(f"metadata.annotations[{REQUIRING}]")
    ranges, wrong = port_ranges(value.split(","))
    named = sum(map(len, ranges))
    text = ""
    if wrong:
        text = f"{wrong[0]!r} is neither a port nor a range of ports"
    elif _MOST < named < _EVERY:
        text = f"there are more than {_MOST} ports"
    if text:
        text = f"{text}: every port that no Server selects asks for an identity"
    ports = None if wrong or named > _MOST else tuple(sorted({port for one in ranges for port in one}))
    told = (Problem(at=origin, code="InvalidValue", text=text, severity=Severity.WARNING),) if text else ()
    return Required(ports=ports, origin=origin), told
