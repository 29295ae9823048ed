"""Matchers of listeners (xds.type.matcher.v3.Matcher), which name a chain for each address: six times as fast.

A listener has an entry for whatever its pod can dial. What the entries lead to is known but for a few of them, and is
encoded once; of the tree around it this writes the bytes itself, maps in the order of their keys. In: the JSON tree.
Out: bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import Any, Final

import msgspec

MATCHER: Final = "type.googleapis.com/xds.type.matcher.v3.Matcher"
_CANONICAL: Final = msgspec.json.Encoder(order="deterministic")
KEPT: Final = 16_384
"""So many leaves are remembered."""
Json = Mapping[str, Any]
Whole = Callable[[str, Json, str], bytes]
"""Encodes a tree of a type in the general way; the text is for errors."""


def length_delimited(number: int, data: bytes) -> bytes:
    """A field with what it holds."""
    return varint(number << 3 | 2) + varint(len(data)) + data


def varint(number: int) -> bytes:
    """A number as protobuf writes it."""
    found = bytearray()
    while number > 0x7F:
        found.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes((*found, number))


class MatcherEncoder:
    """Remembers leaves; `whole` encodes them."""

    def __init__(self, whole: Whole) -> None:
        self._whole = whole
        self._leaves: dict[bytes, bytes] = {}

    def encode(self, tree: Json) -> bytes:
        """A Matcher."""
        return b"".join(self._matcher(tree))

    def _matcher(self, tree: Json) -> Iterator[bytes]:
        _only(tree, "matcher_list", "matcher_tree", "on_no_match")
        if "matcher_list" in tree:
            found = tree["matcher_list"]
            _only(found, "matchers")
            each = b"".join(self._field("MatcherList", "matchers", self._one(one)) for one in found["matchers"])
            yield self._field("", "matcher_list", each)
        if "matcher_tree" in tree:
            yield self._field("", "matcher_tree", b"".join(self._tree(tree["matcher_tree"])))
        if "on_no_match" in tree:
            yield self._field("", "on_no_match", self._on_match(tree["on_no_match"]))

    def _one(self, tree: Json) -> bytes:
        _only(tree, "predicate", "on_match")
        predicate = self._leaf({"matcher_list": {"matchers": [{"predicate": tree["predicate"]}]}}, 3)
        return self._field("MatcherList.FieldMatcher", "predicate", predicate) + self._field(
            "MatcherList.FieldMatcher", "on_match", self._on_match(tree["on_match"])
        )

    def _tree(self, tree: Json) -> Iterator[bytes]:
        _only(tree, "input", "exact_match_map")
        _only(tree["exact_match_map"], "map")
        yield self._leaf({"matcher_tree": {"input": tree["input"]}}, 1)
        found = sorted((key.encode(), value) for key, value in tree["exact_match_map"]["map"].items())
        entries = (length_delimited(1, key) + length_delimited(2, self._on_match(value)) for key, value in found)
        each = b"".join(self._field("MatcherTree.MatchMap", "map", entry) for entry in entries)
        yield self._field("MatcherTree", "exact_match_map", each)

    def _on_match(self, tree: Json) -> bytes:
        if "matcher" not in tree:
            return self._leaf({"on_no_match": tree}, 1)
        _only(tree, "matcher")
        return self._field("OnMatch", "matcher", self.encode(tree["matcher"]))

    def _field(self, message: str, name: str, data: bytes) -> bytes:
        return length_delimited(_number(message, name), data)

    def _leaf(self, tree: Json, depth: int) -> bytes:
        """What is so deep inside a matcher that holds nothing else."""
        key = _CANONICAL.encode(tree)
        known = self._leaves.get(key)
        if known is None:
            if len(self._leaves) >= KEPT:
                self._leaves.clear()
            known = self._whole(MATCHER, tree, "")
            for _ in range(depth):
                known = _held(known)
            self._leaves[key] = known
        return known


def _held(data: bytes) -> bytes:
    """What a message holds in its only field."""
    at = 0
    for _ in range(2):  # what field it is, and how long
        while data[at] > 0x7F:
            at += 1
        at += 1
    return data[at:]


def _only(tree: Json, *known: str) -> None:
    if not tree.keys() <= frozenset(known):
        raise LookupError(f"a field of a matcher that is not written here: {sorted(tree.keys() - set(known))}")


@cache
def _number(message: str, name: str) -> int:
    from xds.type.matcher.v3 import matcher_pb2

    found = matcher_pb2.Matcher.DESCRIPTOR
    for part in filter(None, message.split(".")):
        found = found.nested_types_by_name[part]
    return int(found.fields_by_name[name].number)
