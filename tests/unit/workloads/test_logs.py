"""What a container writes is stored line by line and read back as it was."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from tandem.base.clock import SystemClock
from tandem.base.paths import NodeDir
from tandem.workloads.logs import LogWriter, read_logs


def folder(root: Path) -> Path:
    return NodeDir(root).pods / "u1" / "logs" / "app"


async def write(root: Path, instance: int, data: bytes) -> None:
    writer = LogWriter(folder(root), instance, SystemClock())
    descriptor = writer.open_for_container()
    os.write(descriptor, data)
    os.close(descriptor)
    writer.close()


async def read(root: Path, *, tail: int | None = None, previous: bool = False) -> bytes:
    return b"".join([line async for line in read_logs(NodeDir(root), "u1", "app", tail=tail, previous=previous)])


def written(root: Path, *outputs: bytes) -> None:
    async def run() -> None:
        for instance, data in enumerate(outputs):
            await write(root, instance, data)

    asyncio.run(run())


def test_lines_come_back_as_they_were(tmp_path: Path) -> None:
    written(tmp_path, b"one\n\ntwo words\n")
    assert asyncio.run(read(tmp_path)) == b"one\n\ntwo words\n"


def test_a_last_line_without_an_end_is_kept(tmp_path: Path) -> None:
    written(tmp_path, b"one\ntwo")
    assert asyncio.run(read(tmp_path)) == b"one\ntwo\n"


def test_a_long_line_comes_back_whole(tmp_path: Path) -> None:
    written(tmp_path, b"x" * 40_000 + b"\n")
    assert asyncio.run(read(tmp_path)) == b"x" * 40_000 + b"\n"


def test_the_tail_is_the_last_lines(tmp_path: Path) -> None:
    written(tmp_path, b"1\n2\n3\n")
    assert asyncio.run(read(tmp_path, tail=2)) == b"2\n3\n"
    assert asyncio.run(read(tmp_path, tail=9)) == b"1\n2\n3\n"


def test_the_run_before_the_last_restart_is_kept_and_older_ones_are_not(tmp_path: Path) -> None:
    written(tmp_path, b"first\n", b"second\n", b"third\n")
    assert asyncio.run(read(tmp_path)) == b"third\n"
    assert asyncio.run(read(tmp_path, previous=True)) == b"second\n"
    assert not (folder(tmp_path) / "0.log").exists()


def test_a_container_that_never_ran_has_no_log(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="container 'app' has no log"):
        asyncio.run(read(tmp_path))
