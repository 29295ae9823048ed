"""Annotations of our own group: what some of them say, and which of an object's are ones that nobody here knows."""

from __future__ import annotations

import difflib
from collections.abc import Collection
from typing import Final

from tandem.model.meta import LINES_ANNOTATION, SOURCE_ANNOTATION, Object

GROUP: Final = "tandem.io/"
HTTP3: Final = "tandem.io/http3"
"""Of Gateways of both APIs, `true`: listeners of HTTPS take HTTP/3 too."""
ASKED: Final = "true"
_OF_ANY_OBJECT: Final = frozenset({SOURCE_ANNOTATION, LINES_ANNOTATION})


def asks_http3(gateway: Object) -> bool:
    """True if its owner wants HTTP/3."""
    return gateway.metadata.annotations.get(HTTP3) == ASKED


def unknown_of(found: Object, known: Collection[str]) -> dict[str, str]:
    """Those of our group that are not among `known`, sorted, each with what is said of it."""
    ours = (name for name in found.metadata.annotations if name.startswith(GROUP))
    return {name: _said(name, found.kind, known) for name in sorted(ours) if name not in {*known, *_OF_ANY_OBJECT}}


def _said(name: str, kind: str, known: Collection[str]) -> str:
    # What all have in common makes none of them alike.
    own = sorted(one.removeprefix(GROUP) for one in known)
    close = difflib.get_close_matches(name.removeprefix(GROUP), own, n=1)
    return f"no {kind} has this annotation" + (f" (did you mean {GROUP}{close[0]}?)" if close else "")
