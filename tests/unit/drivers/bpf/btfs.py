"""Descriptions of types made by hand."""

from __future__ import annotations

import struct
from typing import Final

HEADER: Final = 24


class Made:
    """Types in the order in which they are added; `base`: how many types and bytes of strings went before."""

    def __init__(self, base: tuple[int, int] = (0, 0)) -> None:
        self.types = b""
        self.strings = b"" if base[1] else b"\0"
        self._known: dict[str, int] = {"": 0}
        self._count, self._before = base

    def text(self, name: str) -> int:
        if name not in self._known:
            self._known[name] = self._before + len(self.strings)
            self.strings += name.encode() + b"\0"
        return self._known[name]

    def add(self, kind: int, name: str, *words: int, members: int = 0, flag: int = 0, size: int = 0) -> int:
        """The number of the new type."""
        self.types += struct.pack("=III", self.text(name), flag << 31 | kind << 24 | members, size)
        self.types += struct.pack(f"={len(words)}I", *words)
        self._count += 1
        return self._count

    def add_struct(self, name: str, *members: tuple[str, int, int], kind: int = 4, flag: int = 0) -> int:
        """Members: name, type, offset in bits."""
        words = [word for called, of, at in members for word in (self.text(called), of, at)]
        return self.add(kind, name, *words, members=len(members), flag=flag)

    @property
    def extent(self) -> tuple[int, int]:
        """What a description that continues this one is to be told."""
        return self._count, len(self.strings)

    def data(self) -> bytes:
        sizes = (0, len(self.types), len(self.types), len(self.strings))
        return struct.pack("=HBBIIIII", 0xEB9F, 1, 0, HEADER, *sizes) + self.types + self.strings
