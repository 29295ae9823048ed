"""Secrets that cannot be printed by accident."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Secret:
    """Bytes that must not appear in a log, a repr or an error; read them with `reveal()` at the last moment."""

    _raw: bytes = field(repr=False)

    def reveal(self) -> bytes:
        """The bytes themselves."""
        return self._raw

    def __str__(self) -> str:
        return "<secret>"
