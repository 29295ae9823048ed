"""docs/reference/conditions.md has every reason that translation can give, and no other."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from typing import Final

from unit.docs import pages

PAGE: Final = pages.ROOT / "docs" / "reference" / "conditions.md"
SOURCES: Final = pages.ROOT / "src" / "tandem" / "translate"
_CODE: Final = re.compile(r"([A-Z][a-z]+)([A-Z][a-zA-Z]+)?")
GIVERS: Final = frozenset({"_wrong", "wrong", "report", "error", "warning", "warn"})
"""Methods that take a path or origin, a code and a text."""


def given() -> set[str]:
    """Codes in `code="…"`, as the second argument of a giver, and first of a returned pair (code, text).

    Those of bundles are in `invalid="…"` and `unknown="…"`.
    """
    found: set[str] = set()
    for path in sorted(SOURCES.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            found |= {text for text in literals(node) if _CODE.fullmatch(text)}
    return found


def literals(node: ast.AST) -> Iterator[str]:
    match node:
        case ast.keyword(arg="code" | "invalid" | "unknown", value=ast.Constant(value=str(text))):
            yield text
        case ast.Call(func=ast.Attribute(attr=name), args=[_, ast.Constant(value=str(text)), *_]) if name in GIVERS:
            yield text
        case ast.Call(func=ast.Attribute(attr=name), args=[_, ast.JoinedStr(values=parts), *_]) if name in GIVERS:
            # The two sides of a policy: Source and Destination.
            stem = "".join(str(p.value) for p in parts if isinstance(p, ast.Constant))
            yield from (stem + side for side in ("Source", "Destination"))
        case ast.Call(func=ast.Name(id="wrong"), args=[_, ast.Constant(value=str(text)), *_]):
            yield text
        case ast.Call(func=ast.Name(id="Unclear"), args=[_, ast.Constant(value=str(text)), _]):
            yield text
        case ast.Return(value=ast.Tuple(elts=[ast.Constant(value=str(text)), _])):
            yield text


def documented() -> set[str]:
    rows = [line for line in PAGE.read_text().partition("## Errors")[2].splitlines() if line.startswith("| `")]
    return {code for row in rows for code in re.findall(r"`(\w+)`", row.split("|")[1])}


def test_every_reason_that_translation_gives_is_documented() -> None:
    assert given() - documented() == set()


def test_every_documented_reason_is_given() -> None:
    assert documented() - given() == set()
