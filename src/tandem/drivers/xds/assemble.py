"""Trees that share a list (`state/assembled.py`) -> protobuf: each shared part is encoded once, and copied.

A field that is repeated may stand anywhere in a message, so the bytes of a message are those of its head followed by
those of its parts, which may be made in the same way. The places in parts are encoded as fillers that are as long as
the texts, so that no length around them changes when they are put in; parts of pods whose names are equally long are
copies of the same bytes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, Final

import msgspec

from tandem.base.digest import digest
from tandem.drivers.xds import anytype
from tandem.drivers.xds.matchers import MATCHER, MatcherEncoder, length_delimited
from tandem.drivers.xds.messages import Encoded
from tandem.state.assembled import Assembled, filled, place

_CANONICAL: Final = msgspec.json.Encoder(order="deterministic")
_PAD: Final = "\x02"
_PLACES: Final = re.compile(r"\\u0001(.)\\u0001")
"""Places, as JSON has them."""
SHORTEST: Final = 8
"""What is shorter is put in before it is encoded: its filler could be found elsewhere."""
Tree = Mapping[str, Any]
Texts = tuple[tuple[str, str], ...]


class Copy(Encoded):
    """Bytes that are put together when they are sent: kept are those that many have in common."""

    __slots__ = ("_beside", "_head", "_parts", "_texts")
    _head: bytes
    _parts: bytes
    _beside: bytes
    _texts: tuple[tuple[bytes, bytes], ...]

    def __init__(self, name: str, version: str, head: bytes, parts: bytes, beside: bytes, texts: Texts) -> None:
        object.__setattr__(self, "name", name)
        object.__setattr__(self, "version", version)
        object.__setattr__(self, "_head", head)
        object.__setattr__(self, "_parts", parts)
        object.__setattr__(self, "_beside", beside)
        object.__setattr__(self, "_texts", tuple((one.encode(), other.encode()) for one, other in texts))

    @property
    def value(self) -> bytes:
        """The payload."""
        parts = self._parts
        for filler, text in self._texts:
            parts = parts.replace(filler, text)
        return self._head + parts + self._beside


class Assembler:
    """Keeps the bytes of heads and of shared parts for as long as a round uses them. `whole` encodes a tree."""

    def __init__(self, whole: Callable[[str, Tree, str], bytes]) -> None:
        self._whole = whole
        self._matchers = MatcherEncoder(whole)
        self._before = _Round()
        self._now = _Round()
        self._kept: list[tuple[str, Assembled, Texts]] = []
        """Lists of before that are still in use."""
        self._changed = False

    def turn(self) -> None:
        """A round is over: what it did not use is let go, unless no list was made in it."""
        if self._changed:
            for url, body, stand_ins in self._kept:  # which those within them join meanwhile
                for part in body.shared:
                    self._part(url, body.field, part, stand_ins)
            self._before = self._now
        else:
            self._before.heads = self._now.heads
        self._now, self._kept, self._changed = _Round(), [], False

    def keep(self, url: str, body: Assembled) -> None:
        """Of this one nothing is new."""
        self._list(url, body, _stand_ins(body.texts))
        self._beside(url, body)
        head = self._before.heads.get(id(body.head))
        if head is not None:
            self._now.heads[id(body.head)] = head

    def encode(self, url: str, name: str, body: Assembled, before: Assembled | None) -> Encoded:
        """One resource; `before` is what it was."""
        head, version = self._head(url, name, body, before)
        stand_ins = _stand_ins(body.texts)
        parts, digests = self._list(url, body, stand_ins)
        whole, also = self._beside(url, body)
        fillers = ((one, text) for (_, one), (_, text) in zip(stand_ins, body.texts, strict=True) if one != text)
        said = _CANONICAL.encode([version, digests, also, body.texts])
        return Copy(name, digest(said, 16), head, parts, whole, tuple(fillers))

    def _beside(self, url: str, body: Assembled) -> tuple[bytes, str]:
        found = [self._part(url, field, tree, ()) for field, tree in sorted(body.beside.items())]
        return b"".join(data for _, data, _ in found), "".join(version for _, _, version in found)

    def _head(self, url: str, name: str, body: Assembled, before: Assembled | None) -> tuple[bytes, str]:
        known = self._before.heads.get(id(before.head)) if before is not None and before.head == body.head else None
        if known is None:
            known = (body.head, self._whole(url, body.head, name), digest(_CANONICAL.encode(body.head), 16))
        self._now.heads[id(body.head)] = body.head, known[1], known[2]
        return known[1], known[2]

    def _list(self, url: str, body: Assembled, stand_ins: Texts) -> tuple[bytes, str]:
        key = (id(body.shared), *stand_ins)
        known = self._now.lists.get(key)
        if known is None:
            known = self._before.lists.get(key)
            if known is not None:
                self._kept.append((url, body, stand_ins))
            else:
                parts = [self._part(url, body.field, part, stand_ins) for part in body.shared]
                data, digests = b"".join(p[1] for p in parts), "".join(p[2] for p in parts)
                known = body.shared, data, digest(digests.encode(), 16)
                self._changed = True
            self._now.lists[key] = known
        return known[1], known[2]

    def _part(self, url: str, field: str, part: Tree, stand_ins: Texts) -> tuple[Tree, bytes, str]:
        stand_ins = self._used(part, stand_ins)
        key = (id(part), *stand_ins)
        known = self._now.parts.get(key)
        if known is None:
            known = self._before.parts.get(key)
            number, kind = _field(url, field)
            if known is None:
                data, version = self._body(kind, part, stand_ins)
                known = part, length_delimited(number, data), version
                self._changed = True
            elif isinstance(part, Assembled):
                self._list(kind, part, stand_ins)  # is still in use
            self._now.parts[key] = known
        return known

    def _body(self, kind: str, part: Tree, stand_ins: Texts) -> tuple[bytes, str]:
        """A part's own bytes and what tells it from others; a list in it may be shared as well."""
        if not isinstance(part, Assembled):
            return self._plain(kind, part, stand_ins)
        head, version = self._plain(kind, part.head, self._used(part.head, stand_ins))
        data, digests = self._list(kind, part, stand_ins)
        return head + data, digest(f"{version}{digests}".encode(), 16)

    def _plain(self, kind: str, tree: Tree, stand_ins: Texts) -> tuple[bytes, str]:
        key = (id(tree), *stand_ins)
        known = self._now.plain.get(key) or self._before.plain.get(key)
        if known is None:
            if kind == MATCHER:
                data = self._matchers.encode(tree)
            else:
                data = self._whole(kind, filled(tree, stand_ins), str(tree.get("name", "")))
            known = tree, data, digest(_CANONICAL.encode(tree), 16)
        self._now.plain[key] = known
        return known[1], known[2]

    def _used(self, tree: Tree, stand_ins: Texts) -> Texts:
        """Those that have a place in a tree: for others it is the same."""
        if not stand_ins:
            return ()
        key = id(tree), stand_ins
        known = self._now.used.get(key)
        if known is None:
            known = self._before.used.get(key)
            if known is None:
                places = self._places(tree)
                known = tree, tuple(one for one in stand_ins if one[0] in places)
            self._now.used[key] = known
        return known[1]

    def _places(self, tree: Tree) -> frozenset[str]:
        known = self._now.places.get(id(tree)) or self._before.places.get(id(tree))
        if known is None:
            if isinstance(tree, Assembled):
                found = self._places(tree.head).union(*map(self._places, tree.shared))
            else:
                found = frozenset(map(place, _PLACES.findall(_CANONICAL.encode(tree).decode())))
            known = tree, found
        self._now.places[id(tree)] = known
        return known[1]


class _Round:
    """By identity; each entry holds its tree, so that no other has that identity."""

    def __init__(self) -> None:
        self.heads: dict[int, tuple[Tree, bytes, str]] = {}
        self.parts: dict[tuple[object, ...], tuple[Tree, bytes, str]] = {}
        self.plain: dict[tuple[object, ...], tuple[Tree, bytes, str]] = {}
        self.places: dict[int, tuple[Tree, frozenset[str]]] = {}
        self.used: dict[tuple[int, Texts], tuple[Tree, Texts]] = {}
        self.lists: dict[tuple[object, ...], tuple[tuple[Tree, ...], bytes, str]] = {}


def _stand_ins(texts: Texts) -> Texts:
    return tuple((where, _stand_in(where, text)) for where, text in texts)


def _stand_in(where: str, text: str) -> str:
    """A filler as long as the text; a text that is too short for one itself."""
    size = len(text.encode())
    return text if size < SHORTEST else where.ljust(size, _PAD)


@cache
def _field(url: str, field: str) -> tuple[int, str]:
    """The number of a field, and the type URL of what it holds."""
    found = anytype.message_class(url).DESCRIPTOR.fields_by_name[field]
    return found.number, f"type.googleapis.com/{found.message_type.full_name}"
