"""The client's edges; conversations over a real socket are in tests/contract/test_xds_server.py."""

from __future__ import annotations

import asyncio

import pytest

from tandem.drivers.xds.client import CallError, CallRefusedError, XdsClient


def test_a_call_before_the_start_is_an_error() -> None:
    async def scene() -> None:
        client = XdsClient("unix:/nonexistent", "n1", (), lambda _: None)
        with pytest.raises(CallError, match="/a/b: not started"):
            await client.call("/a/b", b"")

    asyncio.run(scene())


def test_answers_without_a_stream_are_kept_to_themselves() -> None:
    client = XdsClient("unix:/nonexistent", "n1", (), lambda _: None)
    client.ack("1/1")
    client.nack("1/1", {"a": "no"})
    assert not client.connected.value
    assert not client.synced.value


def test_a_refusal_is_an_error_of_permission() -> None:
    assert issubclass(CallRefusedError, PermissionError)
