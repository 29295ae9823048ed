"""Host names of listeners and routes, `*.` wildcards among them: which covers which, and what two have in common. Pure.

`*` is every host. `*.example.com` is every host below example.com, at any depth, and not example.com itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Set as AbstractSet
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


def covering(host: str) -> Iterator[str]:
    """Every name that covers a host, the most specific first."""
    yield host
    _, dot, rest = host.partition(".")
    while dot:
        wildcard = f"*.{rest}"
        if wildcard != host:
            yield wildcard
        _, dot, rest = rest.partition(".")
    if host != EVERY:
        yield EVERY


def most_specific(hosts: AbstractSet[str], host: str) -> str | None:
    """Of these, the most specific one that covers `host`; None if none does."""
    return next((name for name in covering(host) if name in hosts), None)
