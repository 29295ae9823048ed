"""Text of a YAML (or JSON) file -> its documents as plain values, with the line of every field.

YAML 1.2 words (`yes`, `on` and `no` are text), octal modes as Kubernetes reads them (`0644`), no duplicate keys, no
tabs, no types beyond JSON's. What is wrong is a `Fault` with its line.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import yaml

_Base: Final[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_MAX_VALUES: Final = 500_000
"""A few nested aliases can stand for billions of values; no manifest comes near this many."""
_MAX_DIGITS: Final = 100
_TEMPLATE: Final = "`{{` belongs to a template: render it first (as `helm template` does), and give what comes out"
_NULL: Final = "tag:yaml.org,2002:null"
_BOOL: Final = "tag:yaml.org,2002:bool"
_INT: Final = "tag:yaml.org,2002:int"
_FLOAT: Final = "tag:yaml.org,2002:float"
_MERGE: Final = "tag:yaml.org,2002:merge"


class Fault(ValueError):  # noqa: N818 - the user's, not the program's
    """The text is not a document that we read; `line` counts from 1, `path` is the field if there is one."""

    def __init__(self, line: int, text: str, *, path: str = "") -> None:
        super().__init__(text)
        self.line = line
        self.path = path


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """One document: its value, its first line, and the line of each field by path (`spec.http[1].match`)."""

    value: Any
    line: int
    lines: Mapping[str, int]

    def line_of(self, path: str) -> int:
        """The line of the field at `path`, or of the nearest field around it that is written down."""
        while path and path not in self.lines:
            path = path[: max(path.rfind("."), path.rfind("["), 0)]
        return self.lines.get(path, self.line)


class _Loader(_Base):  # type: ignore[misc]
    """Resolves plain words as YAML 1.2 does."""

    yaml_implicit_resolvers: dict[Any, Any] = {}


for _tag, _pattern, _first in (
    (_NULL, r"~|null|Null|NULL|", "~nN"),
    (_BOOL, r"true|True|TRUE|false|False|FALSE", "tTfF"),
    (_INT, r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+", "-+0123456789"),
    (_FLOAT, r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?", "-+.0123456789"),
    (_MERGE, r"<<", "<"),
):
    _Loader.add_implicit_resolver(_tag, re.compile(rf"(?:{_pattern})\Z"), [*_first, ""] if _tag == _NULL else [*_first])


def documents(text: str) -> Iterator[Document]:
    """Every document that is not empty; raises Fault at the first one that is broken."""
    loader = _Loader(text)
    try:
        while loader.check_node():
            node = loader.get_node()
            builder = _Builder()
            value = builder.build(node, "")
            if value is not None:
                yield Document(value=value, line=node.start_mark.line + 1, lines=builder.lines)
    except yaml.MarkedYAMLError as err:
        raise _fault(err, text) from err
    except RecursionError as err:
        raise Fault(1, "nested too deeply: lists or objects in each other, hundreds of times") from err
    except yaml.YAMLError as err:
        raise Fault(1, str(err)) from err
    finally:
        loader.dispose()


class _Builder:
    def __init__(self) -> None:
        self.lines: dict[str, int] = {}
        self._open: set[int] = set()
        self._count = 0

    def build(self, node: Any, path: str) -> Any:
        line = node.start_mark.line + 1
        self._count += 1
        if self._count > _MAX_VALUES:
            raise Fault(line, "too many values: aliases that repeat each other?", path=path)
        if isinstance(node, yaml.ScalarNode):
            return _scalar(node, path)
        if id(node) in self._open:
            raise Fault(line, "an alias that contains itself", path=path)
        self._open.add(id(node))
        try:
            if isinstance(node, yaml.MappingNode):
                return self._mapping(node, path)
            return [self._item(item, f"{path}[{i}]") for i, item in enumerate(node.value)]
        finally:
            self._open.discard(id(node))

    def _item(self, node: Any, path: str) -> Any:
        self.lines[path] = node.start_mark.line + 1
        return self.build(node, path)

    def _mapping(self, node: Any, path: str) -> dict[str, Any]:
        found: dict[str, Any] = {}
        merged: dict[str, Any] = {}
        for key, value in node.value:
            line = key.start_mark.line + 1
            if key.tag == _MERGE:
                for base in value.value if isinstance(value, yaml.SequenceNode) else (value,):
                    if not isinstance(base, yaml.MappingNode):
                        raise Fault(line, "`<<` takes a mapping", path=path)
                    merged = {**self.build(base, path), **merged}
                continue
            if not isinstance(key, yaml.ScalarNode):
                braces = isinstance(key, yaml.MappingNode)
                raise Fault(line, _TEMPLATE if braces else "a key must be text", path=path)
            name = key.value
            where = f"{path}.{name}" if path else name
            if name in found:
                raise Fault(line, f"duplicate key {name!r}", path=path)
            self.lines[where] = self.lines[f"{path}[{name}]"] = line
            found[name] = self.build(value, where)
        return {**merged, **found}


def _scalar(node: Any, path: str) -> Any:
    text: str = node.value
    match node.tag:
        case "tag:yaml.org,2002:str":
            return text
        case "tag:yaml.org,2002:null":
            return None
        case "tag:yaml.org,2002:bool":
            return text.lower() == "true"
        case "tag:yaml.org,2002:int":
            if len(text) > _MAX_DIGITS:
                raise Fault(node.start_mark.line + 1, f"a number of {len(text)} digits", path=path)
            return _integer(text)
        case "tag:yaml.org,2002:float":
            return float(text)
        case _:
            raise Fault(node.start_mark.line + 1, f"the tag {node.tag} is not supported", path=path)


def _integer(text: str) -> int:
    if text.startswith(("0o", "0x")):
        return int(text, 0)
    digits = text.lstrip("+-")
    if len(digits) > 1 and digits[0] == "0" and not set(digits) & {"8", "9"}:
        return int(text, 8)  # file modes: Kubernetes reads 0644 as YAML 1.1 does
    return int(text)


def _fault(err: yaml.MarkedYAMLError, text: str) -> Fault:
    mark = err.problem_mark or err.context_mark
    line = mark.line + 1 if mark is not None else 1
    rows = text.splitlines()
    row = rows[line - 1] if line <= len(rows) else ""
    if "\t" in row[: len(row) - len(row.lstrip())]:
        return Fault(line, "a tab in the indentation: YAML takes spaces only")
    begun = err.context_mark.line + 1 if err.context and err.context_mark is not None else line
    if any("{{" in found for found in (row, *rows[begun - 1 : begun])):
        return Fault(line, _TEMPLATE)
    context = f"{err.context} (begun in line {begun})" if begun != line else err.context
    return Fault(line, ": ".join(part for part in (context, err.problem) if part))
