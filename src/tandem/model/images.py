"""What images are on this machine: a root directory, and what to start in it. In: an image's name; out: its Image.

Names are compared as container runtimes read them: `redis` is `docker.io/library/redis:latest`. Pure.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

import msgspec

HOST: Final = "host"
"""The image that is this machine's own file system."""

_DEFAULT_REGISTRY: Final = "docker.io"
_NAME: Final = re.compile(
    r"(?P<repository>[^@]+?)(?::(?P<tag>[\w][\w.-]{0,127}))?(?:@(?P<digest>[a-z0-9+._-]+:[0-9a-f]+))?"
)


class Image(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """One image; the fields are those of an OCI image's configuration."""

    image: str
    """Its name; without tag and digest it is every one of that repository."""
    root: str = ""
    """The directory with its unpacked file system; empty: that of this machine."""
    entrypoint: tuple[str, ...] = ()
    cmd: tuple[str, ...] = ()
    working_dir: str = ""
    env: dict[str, str] = {}


_MACHINE: Final = Image(image=HOST)


class Name(NamedTuple):
    """An image's name, in parts; a tag or digest that is not written is empty."""

    repository: str
    tag: str
    digest: str


def parse_name(text: str) -> Name | None:
    """None for what is no image's name."""
    found = _NAME.fullmatch(text)
    if found is None or any(c.isspace() for c in text):
        return None
    head, slash, rest = found["repository"].partition("/")
    if not slash:
        repository = f"{_DEFAULT_REGISTRY}/library/{head}"
    elif head == "localhost" or "." in head or ":" in head:
        repository = f"{head}/{rest}"
    else:
        repository = f"{_DEFAULT_REGISTRY}/{head}/{rest}"
    return Name(repository, found["tag"] or "", found["digest"] or "")


class Images:
    """Those of one machine."""

    def __init__(self, images: tuple[Image, ...] = ()) -> None:
        self.all = images
        self._by_name = {name: image for image in images if (name := parse_name(image.image)) is not None}

    def of(self, image: str) -> Image | None:
        """The entry that says the most about this image: by digest, by tag, by repository; None: nobody has it here.

        `host` starts nothing by itself, as an image without entrypoint: `args` alone are the whole command line.
        """
        if image == HOST:
            return _MACHINE
        name = parse_name(image) if image else None
        if name is None:
            return None
        tag = name.tag or ("" if name.digest else "latest")
        tries = (
            Name(name.repository, tag, name.digest),
            Name(name.repository, "", name.digest),
            Name(name.repository, tag, ""),
            Name(name.repository, "", ""),
        )
        return next((self._by_name[t] for t in tries if t in self._by_name), None)
