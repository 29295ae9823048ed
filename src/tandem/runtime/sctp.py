"""Services of SCTP on a node whose kernel has none: told, because nothing else would show why nobody answers.

The rules are the same with and without: packets are translated and judged, but no program of the node can speak it.
"""

from __future__ import annotations

import socket
from collections.abc import Mapping
from functools import cache
from typing import Final

from tandem.base.memo import same_as_before
from tandem.ir.fabric import Service
from tandem.ir.node import NodeView

_SHOWN: Final = 3


def problems(view: NodeView | None) -> tuple[str, ...]:
    """One line at most."""
    names = _speaking(view.services) if view is not None else ()
    if not names or has_sctp():
        return ()
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return (
        f"the kernel has no SCTP (CONFIG_IP_SCTP): programs here cannot speak it ({', '.join(names[:_SHOWN])}{more})",
    )


@same_as_before
def _speaking(services: Mapping[str, Service]) -> tuple[str, ...]:
    return tuple(sorted(key for key, s in services.items() if any(p.protocol == "SCTP" for p in s.ports)))


@cache
def has_sctp() -> bool:
    """Whether a socket of SCTP can be made; the kernel loads its module for that if there is one."""
    try:
        socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_SCTP).close()
    except OSError:
        return False
    return True
