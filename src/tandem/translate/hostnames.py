"""Host names of listeners and routes, `*.` wildcards among them: which covers which, and what two have in common. Pure.

`*` is every host. `*.example.com` is every host below example.com, at any depth, and not example.com itself.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

EVERY: Final = "*"


def covers(wide: str, narrow: str) -> bool:
    """True if every host that is meant by `narrow` is meant by `wide`."""
    return wide in {EVERY, narrow} or (wide.startswith("*.") and narrow.endswith(wide[1:]))


def common(one: str, other: str) -> str | None:
    """What is meant by both; None if nothing is."""
    if covers(one, other):
        return other
    return one if covers(other, one) else None


def specificity(host: str) -> tuple[int, int]:
    """Smaller is more specific: a name before any wildcard, then the longer one (HTTPRoute API docs, hostnames)."""
    exact = 0 if host.startswith(EVERY) else len(host)
    return -exact, -len(host)


def most_specific(hosts: Iterable[str], host: str) -> str | None:
    """Of these, the most specific one that covers `host`; None if none does."""
    return min((h for h in hosts if covers(h, host)), key=specificity, default=None)
