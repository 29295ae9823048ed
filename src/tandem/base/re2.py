"""What RE2, which Envoy matches with, refuses in a pattern. Pure.

Whoever writes one it refuses would hear of it from Envoy, when rules that should be in force are not. Follows RE2's
syntax (github.com/google/re2/wiki/Syntax) and the limits of its parser; how large a program may be is not known here.
"""

from __future__ import annotations

import re
from typing import Final

MOST: Final = 1000
"""Of one repetition, and of the product of those that are inside each other."""
_COUNT: Final = re.compile(r"\{(\d+)(,(\d*))?\}")
_GROUP: Final = re.compile(r"\?(?:P?<(\w+)>|[imsU]*(?:-[imsU]+)?[:)])", re.ASCII)
_ESCAPE: Final = re.compile(
    r"\\(?:[0-3][0-7]{2}|[0-7]{2}(?![0-7])|0|x[0-9A-Fa-f]{2}|x\{0*[0-9A-Fa-f]{1,2}\}|[afnrtv]|[dDsSwW]"
    r"|[pP](?:[A-Z]|\{\^?\w+\})|_|[^\w\x80-\U0010ffff])",
    re.ASCII | re.DOTALL,
)
"""Of numbers those of one byte: Envoy matches bytes (Latin-1)."""
_OUTSIDE: Final = re.compile(r"\\[AzbBC]")
"""What else stands for a place, or a byte: not in a set."""
_POSIX: Final = re.compile(
    r"\[:\^?(?:alnum|alpha|ascii|blank|cntrl|digit|graph|lower|print|punct|space|upper|word|xdigit):\]"
)
_KIND: Final = re.compile(r"\\[dDsSwWpP]")


def re2_fault(pattern: str) -> str:
    """Why RE2 would refuse it, as the end of a sentence; empty if nothing is known against it."""
    return _Reader(pattern).fault()


class _Wrong(Exception):  # noqa: N818 - it never leaves this module
    pass


class _Reader:
    """Reads a pattern from left to right. `_most`: by open group, the product of repetitions of what is inside."""

    def __init__(self, pattern: str) -> None:
        self._text = pattern
        self._at = 0
        self._most = [1]
        self._last = 0
        """The product of what a repetition here would repeat; 0: nothing."""
        self._repeated = False
        """What comes before is a repetition."""

    def fault(self) -> str:
        try:
            while self._at < len(self._text):
                self._step()
            if len(self._most) > 1:
                return "a parenthesis is not closed"
        except _Wrong as wrong:
            return str(wrong)
        return ""

    def _step(self) -> None:
        char, repeated, self._repeated = self._text[self._at], self._repeated, False
        if char in "*+?":
            self._repeat(1, 1, repeated=repeated)
        elif char == "{" and (count := _COUNT.match(self._text, self._at)):
            self._count(count, repeated=repeated)
        elif char == "(":
            self._open()
        elif char == ")":
            self._close()
        elif char == "|":
            self._at, self._last = self._at + 1, 0
        elif char == "[":
            self._set()
        elif self._text.startswith("\\Q", self._at):
            end = self._text.find("\\E", self._at)
            self._last = self._last if end == self._at + 2 else 1
            self._at = len(self._text) if end < 0 else end + 2
        elif char == "\\":
            self._escape(_OUTSIDE)
            self._last = 1
        else:
            self._at, self._last = self._at + 1, 1

    def _count(self, count: re.Match[str], *, repeated: bool) -> None:
        least = int(count[1])
        most = least if count[2] is None else int(count[3]) if count[3] else -1
        if max(least, most) > MOST or -1 < most < least:
            raise _Wrong(f"{count[0]} is no repetition of at most {MOST}")
        self._repeat(len(count[0]), most if most > 0 else least, repeated=repeated)

    def _repeat(self, length: int, times: int, *, repeated: bool) -> None:
        end = self._at + length
        end += self._text.startswith("?", end)
        if repeated:
            raise _Wrong(f"a repetition is repeated by {self._text[self._at : end]}")
        if not self._last:
            raise _Wrong(f"there is nothing that {self._text[self._at : end]} could repeat")
        self._last *= max(times, 1)
        if self._last > MOST:
            raise _Wrong(f"repetitions inside each other are more than {MOST}")
        self._most[-1] = max(self._most[-1], self._last)
        self._at, self._repeated = end, True

    def _open(self) -> None:
        self._at += 1
        if self._text.startswith("?", self._at):
            group = _GROUP.match(self._text, self._at)
            if group is None:
                raise _Wrong(f"({self._text[self._at : self._at + 3]} is not known")
            self._at = group.end()
            if group[0].endswith(")"):
                return
        self._most.append(1)
        self._last = 0

    def _close(self) -> None:
        if len(self._most) == 1:
            raise _Wrong("a parenthesis is closed that was not opened")
        self._last = self._most.pop()
        self._most[-1] = max(self._most[-1], self._last)
        self._at += 1

    def _escape(self, more: re.Pattern[str] | None = None) -> str:
        found = _ESCAPE.match(self._text, self._at) or (more.match(self._text, self._at) if more else None)
        if found is None:
            raise _Wrong(f"{self._text[self._at : self._at + 2]} is not known")
        self._at = found.end()
        return found[0]

    def _set(self) -> None:
        begin = self._at
        self._at += 2 if self._text.startswith("[^", self._at) else 1
        first = True
        while first or not self._text.startswith("]", self._at):
            if self._at >= len(self._text):
                raise _Wrong(f"{self._text[begin : begin + 8]} is not closed")
            first = False
            if self._text.startswith("[:", self._at) and ":]" in self._text[self._at :]:
                self._posix()
                continue
            low = self._member()
            if _KIND.match(low):
                continue
            if self._text.startswith("-", self._at) and self._text[self._at + 1 : self._at + 2] not in {"]", ""}:
                self._at += 1
                high = self._member()
                if _KIND.match(high) or _ordinal(low) > _ordinal(high):
                    raise _Wrong(f"{low}-{high} is no range")
        self._at, self._last = self._at + 1, 1

    def _posix(self) -> None:
        found = _POSIX.match(self._text, self._at)
        if found is None:
            raise _Wrong(f"{self._text[self._at : self._at + 8]} is not known")
        self._at = found.end()

    def _member(self) -> str:
        if self._text.startswith("\\", self._at):
            return self._escape()
        self._at += 1
        return self._text[self._at - 1 : self._at]


_LETTERS: Final = {"a": 7, "f": 12, "n": 10, "r": 13, "t": 9, "v": 11}


def _ordinal(member: str) -> int:
    if len(member) < 2:
        return ord(member or "\0")
    body = member[1:]
    if body[0] == "x":
        return int(body[1:].strip("{}"), 16)
    if body[0].isdigit():
        return int(body, 8)
    return _LETTERS.get(body, ord(body[0]))
