"""What is to be let through chains of iptables that other programs close."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from tandem.state.ownership import FIREWALL_COMMENT

LINKS: Final = "td+"
"""The host ends of pods, and their bridge, as iptables writes it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Accept:
    """One rule; `matches` are words of iptables(8), in the order in which it prints them."""

    matches: tuple[str, ...]
    why: str
    """Short, for who reads the chain; no two rules say the same."""

    @property
    def words(self) -> tuple[str, ...]:
        """The rule without its chain, as iptables prints it."""
        return (*self.matches, "-m", "comment", "--comment", f"{FIREWALL_COMMENT} {self.why}", "-j", "ACCEPT")


Openings = Mapping[int, tuple[Accept, ...]]
"""By family, in order; a family of which the node has no pods is not in it."""
