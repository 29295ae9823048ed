"""The file that says what images are here (`tandem up --images`) -> Images; and their form in the run directory.

In: a YAML or JSON file. Out: Images whose roots are absolute and exist. Errors read `file:line: field path: message`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec

from tandem.base.files import replace_file
from tandem.ingest.documents import Document, Fault, documents
from tandem.ingest.files import ManifestError, NotTextError, text_of
from tandem.model.images import HOST, Image, Images, Name, parse_name

_WHERE: Final = re.compile(r"(?P<text>.*) - at `\$(?:\.(?P<path>.*))?`")


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    images: tuple[Image, ...]


def read_images(path: Path) -> Images:
    """The images of a file; raises ManifestError with what is wrong, OSError for a file that cannot be read."""
    try:
        found = list(documents(text_of(str(path), path.read_bytes())))
    except Fault as err:
        raise ManifestError([f"{path}:{err.line}: {err}"]) from err
    except NotTextError as err:
        raise ManifestError([str(err)]) from err
    if len(found) != 1:
        raise ManifestError([f"{path}:1: one document is expected, with `images:`, and here are {len(found)}"])
    document = found[0]
    try:
        file = msgspec.convert(document.value, _File)
    except msgspec.ValidationError as err:
        raise ManifestError([_located(path, document, str(err))]) from err
    images = tuple(_absolute(image, path.parent) for image in file.images)
    if wrong := [f"{path}:{document.line_of(at)}: {at}: {text}" for at, text in _complaints(images)]:
        raise ManifestError(wrong)
    return Images(images)


def save_images(path: Path, images: Images) -> None:
    """For the processes of a run directory."""
    replace_file(path, msgspec.json.encode(images.all))


def load_images(path: Path) -> Images:
    """What `save_images` wrote; none where nothing was written."""
    return Images(msgspec.json.decode(path.read_bytes(), type=tuple[Image, ...]) if path.exists() else ())


def _located(path: Path, document: Document, text: str) -> str:
    """A complaint of msgspec's with the line of the field that it is about."""
    found = _WHERE.fullmatch(text)
    at = (found["path"] or "") if found else ""
    said = found["text"] if found else text
    return f"{path}:{document.line_of(at)}: {at + ': ' if at else ''}{said}"


def _absolute(image: Image, beside: Path) -> Image:
    """A relative root is beside the file."""
    return msgspec.structs.replace(image, root=str((beside / image.root).resolve())) if image.root else image


def _complaints(images: tuple[Image, ...]) -> Iterator[tuple[str, str]]:
    """(field path, text) of what is wrong."""
    seen: dict[Name, int] = {}
    for i, image in enumerate(images):
        at = f"images[{i}]"
        name = parse_name(image.image)
        if image.image == HOST:
            yield f"{at}.image", f"{HOST!r} is this machine's own file system"
        elif name is None:
            yield f"{at}.image", f"{image.image!r} is no image's name"
        elif name in seen:
            yield f"{at}.image", f"{image.image!r} is said before, by images[{seen[name]}]"
        else:
            seen[name] = i
        if image.root and not Path(image.root).is_dir():
            yield f"{at}.root", f"{image.root}: there is no such directory"
        if not (image.root or image.entrypoint or image.cmd):
            yield at, "a root, an entrypoint or a cmd is required"
        if image.working_dir and not image.working_dir.startswith("/"):
            yield f"{at}.workingDir", f"{image.working_dir!r} must begin with /"
