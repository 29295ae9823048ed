"""BTF, the kernel's own description of its types (kernel.org/doc, "BPF Type Format"): numbers and offsets by name.

In: the bytes of one description, or of a module's, which continues the kernel's. Out: what a program must know of the
kernel that it is for. Pure; some 50 ms for a whole kernel.
"""

from __future__ import annotations

import array
import struct
from typing import Final

MAGIC: Final = 0xEB9F
STRUCT, UNION, TYPEDEF, VOLATILE, CONST, RESTRICT, FUNCTION, TAG = 4, 5, 8, 9, 10, 11, 12, 18
_TRANSPARENT: Final = frozenset({TYPEDEF, VOLATILE, CONST, RESTRICT, TAG})
_KINDS: Final = 32
# Words of a type: the three that each has with what its kind has beside, and what follows for each member.
_WORDS: Final = [3 + {1: 1, 3: 3, 14: 1, 17: 1}.get(kind, 0) for kind in range(_KINDS)]
_PER_MEMBER: Final = [{4: 3, 5: 3, 6: 2, 13: 2, 15: 3, 19: 3}.get(kind, 0) for kind in range(_KINDS)]
_HEADER: Final = struct.Struct("=HBBIIIII")


class BtfError(ValueError):
    """There is no such thing in the description, or it is none."""


class Btf:
    """One description; `base`: the one whose numbers of types and offsets of strings it continues."""

    def __init__(self, data: bytes, base: Btf | None = None) -> None:
        magic, _, _, header, types, types_size, strings, strings_size = _HEADER.unpack_from(data)
        if magic != MAGIC:
            raise BtfError("not a description of types")
        self.base = base
        self.words = array.array("I", data[header + types : header + types + types_size])
        self.strings = data[header + strings : header + strings + strings_size]
        self.first_string: int = base.first_string + len(base.strings) if base is not None else 0
        self.first: int = base.first + len(base.starts) if base is not None else 1
        self.starts: list[int] = self._starts()
        """Where in `words` each type begins."""

    def _starts(self) -> list[int]:
        words, end, at, found = self.words, len(self.words), 0, []
        while at < end:
            found.append(at)
            info = words[at + 1]
            kind = info >> 24 & 31
            at += _WORDS[kind] + _PER_MEMBER[kind] * (info & 0xFFFF)
        return found

    def number(self, name: str, kind: int) -> int:
        """Of the type with this name and kind; BtfError if it is not described in here itself."""
        offsets = self._offsets(b"\0" + name.encode() + b"\0")
        for number, start in enumerate(self.starts, self.first):
            if self.words[start] in offsets and self.words[start + 1] >> 24 & 31 == kind:
                return number
        raise BtfError(f"no {name}")

    def _offsets(self, name: bytes) -> frozenset[int]:
        """Where a string is: a module uses the kernel's where there is one. Its own need not begin with a zero."""
        at = (b"\0" + self.strings).find(name)
        mine = frozenset() if at < 0 else frozenset({self.first_string + at})
        return mine if self.base is None else mine | self.base._offsets(name)  # noqa: SLF001 - of the same class

    def offset(self, path: str) -> int:
        """Where a member is, in bytes: `nf_conn.proto.tcp.state`; members of nameless ones are their parent's."""
        first, *rest = path.split(".")
        try:
            number, bits = self.number(first, STRUCT), 0
        except BtfError:
            if self.base is None:
                raise
            return self.base.offset(path)
        for name in rest:
            found = self._member(number, name)
            if found is None:
                raise BtfError(f"{path}: no {name}")
            number, bits = found[0], bits + found[1]
        return bits // 8

    def _member(self, number: int, name: str) -> tuple[int, int] | None:
        """Its type, and its offset in bits."""
        kind, words = self.type(number)
        if kind in _TRANSPARENT:
            return self._member(words[2], name)
        if kind not in {STRUCT, UNION}:
            return None
        for called, of, offset in zip(words[3::3], words[4::3], words[5::3], strict=True):
            text = self.text(called)
            at = offset & 0xFFFFFF if words[1] >> 31 else offset  # with bit fields: the upper byte is a width
            if text == name:
                return of, at
            if not text and (inside := self._member(of, name)):
                return inside[0], at + inside[1]
        return None

    def type(self, number: int) -> tuple[int, array.array[int]]:
        """Kind and words of a type."""
        if number < self.first and self.base is not None:
            return self.base.type(number)
        index = number - self.first
        end = self.starts[index + 1] if index + 1 < len(self.starts) else len(self.words)
        words = self.words[self.starts[index] : end]
        return words[1] >> 24 & 31, words

    def text(self, offset: int) -> str:
        """A string of the description."""
        if offset < self.first_string and self.base is not None:
            return self.base.text(offset)
        at = offset - self.first_string
        return self.strings[at : self.strings.index(b"\0", at)].decode()
