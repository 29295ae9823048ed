"""Manifest files -> raw objects that know where they were written.

In: paths (a file, a directory, `-` for stdin). Out: objects with `tandem.io/source` annotations, checked against the
schema. Every error reads `file:line: field path: message`; all of them are reported at once.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tandem.ingest.documents import Document, Fault, documents
from tandem.model.kinds import BY_KIND, name_of
from tandem.model.meta import LINES_ANNOTATION, SOURCE_ANNOTATION, RawObject
from tandem.model.schema import validate

SUFFIXES: Final = (".yaml", ".yml", ".json")
_STDIN: Final = "-"
_KUSTOMIZED: Final = "a kustomization is no object: `kubectl kustomize {folder}` writes those that it means, for -f -"


class ManifestError(ValueError):
    """What is wrong with the manifests: one line of `errors` per mistake."""

    def __init__(self, errors: Iterable[str]) -> None:
        self.errors = tuple(errors)
        super().__init__("\n".join(self.errors))


class NotTextError(ValueError):
    """A file that is no text of UTF-8, with its line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _How:
    namespace: str | None
    skip: frozenset[str]
    tell: Callable[[int], None]


def read_objects(
    paths: Iterable[str | Path],
    *,
    namespace: str | None = None,
    skip: Iterable[str] = (),
    tell: Callable[[int], None] = lambda _: None,
) -> list[RawObject]:
    """All objects of `paths`, in order; raises ManifestError with every mistake.

    Namespaced objects that name no namespace get `namespace` (None: `default`); one that names another is a mistake.
    Objects of the kinds `skip` are left out. `tell` hears how many have been read so far.
    """
    how = _How(namespace=namespace, skip=frozenset(kind.lower() for kind in skip), tell=tell)
    objects: list[RawObject] = []
    errors: list[str] = []
    for path in paths:
        try:
            for name, text in _texts(str(path)):
                _read_text(name, text, how, objects, errors)
        except OSError as err:
            errors.append(f"{err.filename or path}: {err.strerror}")
        except NotTextError as err:
            errors.append(str(err))
        except ManifestError as err:
            errors += err.errors
    errors += _twice(objects)
    if errors:
        raise ManifestError(errors)
    return objects


def _twice(objects: Iterable[RawObject]) -> Iterator[str]:
    seen: dict[tuple[str, str, str], str] = {}
    for raw in objects:
        meta = raw["metadata"]
        source = meta["annotations"][SOURCE_ANNOTATION]
        key = (name_of(raw), str(meta.get("namespace", "")), str(meta.get("name") or id(raw)))
        if key in seen:
            yield f"{source}: metadata.name: {key[0]} {key[2]!r} is defined before, at {seen[key]}"
        seen.setdefault(key, source)


def _texts(path: str) -> Iterator[tuple[str, str]]:
    """(name as given, content) of each file behind `path`."""
    if path == _STDIN:
        yield "stdin", text_of("stdin", sys.stdin.buffer.read())
        return
    root = Path(path)
    if root.is_dir():
        found = sorted(p for p in root.rglob("*") if p.suffix in SUFFIXES and p.is_file())
        if not found:
            raise FileNotFoundError(2, f"no {', '.join('*' + s for s in SUFFIXES)} in this directory", path)
        if built := [p for p in found if p.stem == "kustomization"]:
            raise ManifestError(f"{p}:1: {_KUSTOMIZED.format(folder=p.parent)}" for p in built)
    else:
        found = [root]
    for file in found:
        text = text_of(str(file), file.read_bytes())
        # JSON allows tabs between its tokens and nowhere else; YAML, which reads it here, does not.
        yield str(file), text.replace("\t", " ") if file.suffix == ".json" else text


def text_of(name: str, content: bytes) -> str:
    """The text of a file; raises NotTextError if it is none of UTF-8."""
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as err:
        line = content.count(b"\n", 0, err.start) + 1
        raise NotTextError(f"{name}:{line}: not UTF-8: {err.reason} at byte {err.start}") from err


def _read_text(name: str, text: str, how: _How, objects: list[RawObject], errors: list[str]) -> None:
    try:
        for document in documents(text):
            for single in _expanded(document):
                if _kind(single).lower() in how.skip:
                    continue
                wrong = list(_complaints(single, how.namespace))
                errors += [f"{name}:{single.line_of(path)}: {message}" for path, message in wrong]
                if not wrong:
                    objects.append(_placed(single, name, how.namespace))
                    how.tell(len(objects))
    except Fault as err:
        errors.append(f"{name}:{err.line}: {err.path}: {err}" if err.path else f"{name}:{err.line}: {err}")


def _kind(document: Document) -> str:
    return str(document.value.get("kind") or "") if isinstance(document.value, dict) else ""


def _expanded(document: Document) -> Iterator[Document]:
    """The document itself, or the items of a list, each with lines of its own.

    A list is a `kind: List`, or one of a kind (`ServiceList`), whose items need not say what they are.
    """
    value = document.value
    listed = _listed(value)
    if listed is None:
        yield document
        return
    inside: dict[str, dict[str, int]] = {}
    for path, line in document.lines.items():
        head, _, rest = path.partition(".")
        inside.setdefault(head, {})[rest] = line
    for i, item in enumerate(value["items"]):
        head = f"items[{i}]"
        lines = {path: line for path, line in inside.get(head, {}).items() if path}
        whole = {**listed, **item} if isinstance(item, dict) else item
        yield from _expanded(Document(value=whole, line=document.line_of(head), lines=lines))


def _listed(value: Any) -> dict[str, Any] | None:
    """What the items of a list are unless they say it; None: no list."""
    if not isinstance(value, dict) or not isinstance(value.get("items"), list):
        return None
    kind = str(value.get("kind") or "")
    if kind == "List":
        return {}
    one = {"apiVersion": value.get("apiVersion"), "kind": kind.removesuffix("List")}
    return one if kind.endswith("List") and name_of(one) in BY_KIND else None


def _complaints(document: Document, namespace: str | None) -> Iterator[tuple[str, str]]:
    """(field path, `path: message`) of everything that is wrong."""
    if not _kind(document) and isinstance(document.value, dict) and "resources" in document.value:
        yield "", _KUSTOMIZED.format(folder="DIRECTORY")
        return
    for error in validate(document.value):
        path = error.partition(": ")[0]
        yield (path if " " not in path else ""), error
    meta = document.value.get("metadata") if isinstance(document.value, dict) else None
    wanted = meta.get("namespace") if isinstance(meta, dict) else None
    if namespace and wanted and wanted != namespace:
        yield "metadata.namespace", f"metadata.namespace: {wanted!r} is not {namespace!r}, which -n asks for"


def _placed(document: Document, name: str, namespace: str | None) -> RawObject:
    """The object with its namespace and the notes of where it was written."""
    raw: RawObject = dict(document.value)
    meta = dict(raw["metadata"])
    if BY_KIND[name_of(raw)].namespaced:
        meta["namespace"] = meta.get("namespace") or namespace or "default"
    notes = dict(meta.get("annotations") or {})
    notes[SOURCE_ANNOTATION] = f"{name}:{document.line}"
    if lines := _rule_lines(document):
        notes[LINES_ANNOTATION] = lines
    meta["annotations"] = notes
    raw["metadata"] = meta
    return raw


def _rule_lines(document: Document) -> str:
    spec = document.value.get("spec")
    if not isinstance(spec, dict):
        return ""
    paths = [f"spec.{f}[{i}]" for f, items in spec.items() if isinstance(items, list) for i in range(len(items))]
    return ",".join(f"{p}={document.lines[p]}" for p in paths if p in document.lines)
