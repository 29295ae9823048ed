"""Objects as JSON and YAML text, as `-o json` and `-o yaml` print them, and the end of what nobody reads on."""

from __future__ import annotations

import asyncio
import os
import stat
from collections.abc import Coroutine, Mapping
from typing import Any, Final, TextIO

import msgspec
import yaml

from tandem.apps.cli.session import CommandError
from tandem.model.meta import RawObject

LIST: Final = {"apiVersion": "v1", "kind": "List", "metadata": {"resourceVersion": ""}}


def as_json(value: Any) -> str:
    """Indented JSON."""
    return msgspec.json.format(msgspec.json.encode(value), indent=4).decode()


def as_yaml(value: Any) -> str:
    """Block-style YAML with keys in the order of the API."""
    return str(yaml.safe_dump(value, sort_keys=False, default_flow_style=False, allow_unicode=True)).rstrip("\n")


def ordered(raw: RawObject) -> RawObject:
    """apiVersion, kind, metadata, spec first, and status last."""
    head: RawObject = {k: raw[k] for k in ("apiVersion", "kind", "metadata", "spec") if k in raw}
    middle = {k: v for k, v in raw.items() if k not in head and k != "status"}
    return {**head, **middle, **({"status": raw["status"]} if "status" in raw else {})}


def check_format(output: str, allowed: tuple[str, ...]) -> None:
    """CommandError (wrong use) for an `-o` that is not offered."""
    if output not in allowed:
        raise CommandError(f"-o {output}: choose one of {', '.join(a for a in allowed if a)}", status=2)


def place(origin: Mapping[str, Any]) -> str:
    """An Origin in its JSON form, as one line for people."""
    where = f"{origin['namespace']}/{origin['name']}" if origin.get("namespace") else origin["name"]
    source = f"({origin['source']})" if origin.get("source") else ""
    return " ".join(filter(None, (origin["kind"], where, origin.get("path", ""), source)))


async def until_unread(writing: Coroutine[Any, Any, int], stream: TextIO) -> int:
    """Write on to the stream until nobody reads it any more, as behind `| head -1`: that is a good end too."""
    loop, ours = asyncio.get_running_loop(), asyncio.current_task()
    assert ours is not None  # noqa: S101 - it runs
    try:
        fd = stream.fileno()
    except OSError:  # no file
        return await writing
    unread = asyncio.Event()

    def end() -> None:
        unread.set()
        ours.cancel()

    piped = stat.S_ISFIFO(os.fstat(fd).st_mode)
    if piped:
        loop.add_reader(fd, end)  # the writing end is never readable: the event is that the other one is closed
    try:
        return await writing
    except asyncio.CancelledError:
        if not unread.is_set():
            raise
        ours.uncancel()
    except BrokenPipeError:
        pass
    finally:
        if piped:
            loop.remove_reader(fd)
    os.dup2(os.open(os.devnull, os.O_WRONLY), fd)  # for what is still in a buffer
    return 0
