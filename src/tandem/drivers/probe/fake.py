"""Paths of given sizes instead of a network."""

from __future__ import annotations

from collections.abc import Mapping


class FakeProber:
    """Prober over `paths`: address -> the longest packet that it carries; an address that is not there is silent."""

    def __init__(self, **paths: int) -> None:
        self.paths: dict[str, int] = dict(paths)
        self.calls: list[dict[str, int]] = []

    def echo(self, sizes: Mapping[str, int], seconds: float) -> frozenset[str]:
        """Answers at once."""
        del seconds
        self.calls.append(dict(sizes))
        return frozenset(address for address, size in sizes.items() if size <= self.paths.get(address, 0))
