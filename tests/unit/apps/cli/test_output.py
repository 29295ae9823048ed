"""JSON and YAML text."""

from __future__ import annotations

import asyncio
import json
import os

import pytest
import yaml

from tandem.apps.cli.output import as_json, as_yaml, check_format, ordered, until_unread
from tandem.apps.cli.session import CommandError


def test_text_reads_back_as_the_value() -> None:
    value = {"kind": "X", "a": [1, {"b": None}], "text": "ü"}
    assert json.loads(as_json(value)) == value
    assert yaml.safe_load(as_yaml(value)) == value
    assert "ü" in as_yaml(value)


def test_status_is_last() -> None:
    raw = {"status": {}, "data": {}, "spec": {}, "metadata": {}, "kind": "X", "apiVersion": "v1"}
    assert list(ordered(raw)) == ["apiVersion", "kind", "metadata", "spec", "data", "status"]


def test_an_unknown_format_is_wrong_use() -> None:
    with pytest.raises(CommandError, match="choose one of table, json") as caught:
        check_format("xml", ("table", "json"))
    assert caught.value.status == 2


def test_what_nobody_reads_on_ends_quietly_and_at_once() -> None:
    reads, writes = os.pipe()

    async def writing() -> int:
        os.close(reads)
        await asyncio.sleep(60)  # until the next flow comes
        return 1

    with os.fdopen(writes, "w") as stream:
        stream.write("what is still in the buffer")
        assert asyncio.run(asyncio.wait_for(until_unread(writing(), stream), 10)) == 0


def test_what_is_interrupted_is_not_at_its_end() -> None:
    reads, writes = os.pipe()

    async def interrupted() -> int:
        raise asyncio.CancelledError

    with os.fdopen(writes, "w") as stream, os.fdopen(reads), pytest.raises(asyncio.CancelledError):
        asyncio.run(until_unread(interrupted(), stream))
