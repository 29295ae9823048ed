"""What a container writes is stored line by line and read back as it was."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any

import pytest

from fulldisk import no_room
from tandem.base.clock import FixedClock, SystemClock
from tandem.base.paths import NodeDir
from tandem.workloads import logs
from tandem.workloads.logs import LogWriter, Selection, read_logs


def folder(root: Path) -> Path:
    return NodeDir(root).pods / "u1" / "logs" / "app"


async def write(root: Path, instance: int, data: bytes) -> None:
    writer = LogWriter(folder(root), instance, SystemClock())
    descriptor = writer.open_for_container()
    os.write(descriptor, data)
    os.close(descriptor)
    writer.close()


async def read(root: Path, **wanted: Any) -> bytes:
    return b"".join([line async for line in read_logs(NodeDir(root), "u1", "app", Selection(**wanted))])


def written(root: Path, *outputs: bytes) -> None:
    async def run() -> None:
        for instance, data in enumerate(outputs):
            await write(root, instance, data)

    asyncio.run(run())


def test_lines_come_back_as_they_were(tmp_path: Path) -> None:
    written(tmp_path, b"one\n\ntwo words\n")
    assert asyncio.run(read(tmp_path)) == b"one\n\ntwo words\n"


def test_a_full_disk_costs_lines_and_nothing_else(tmp_path: Path) -> None:
    written(tmp_path, b"one\n")

    async def story() -> None:
        writer = LogWriter(folder(tmp_path), 0, SystemClock())
        descriptor = writer.open_for_container()
        with no_room(folder(tmp_path)):
            os.write(descriptor, b"lost\n")
            await asyncio.sleep(0.01)
        os.write(descriptor, b"two\n")
        os.close(descriptor)
        writer.close()

    asyncio.run(story())
    assert asyncio.run(read(tmp_path)) == b"one\ntwo\n"


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


def test_what_is_older_or_beyond_the_limit_is_left_out(tmp_path: Path) -> None:
    async def story() -> None:
        for now, text in ((100.0, b"old\n"), (200.5, b"new\n"), (300.0, b"newer\n")):
            writer = LogWriter(folder(tmp_path), 0, FixedClock(now))
            descriptor = writer.open_for_container()
            os.write(descriptor, text)
            os.close(descriptor)
            writer.close()
        assert await read(tmp_path, since=200.5) == b"new\nnewer\n"
        assert await read(tmp_path, since=201.0, tail=2) == b"newer\n"
        assert await read(tmp_path, since=301.0) == b""
        assert await read(tmp_path, limit=6) == b"old\nne"
        assert await read(tmp_path, limit=4, follow=True) == b"old\n"
        assert await read(tmp_path, tail=1, timestamps=True) == b"1970-01-01T00:05:00.000000Z newer\n"

    asyncio.run(story())


def test_the_run_before_the_last_restart_is_kept_and_older_ones_are_not(tmp_path: Path) -> None:
    written(tmp_path, b"first\n", b"second\n", b"third\n")
    assert asyncio.run(read(tmp_path)) == b"third\n"
    assert asyncio.run(read(tmp_path, previous=True)) == b"second\n"
    assert not (folder(tmp_path) / "0.log").exists()


def test_a_container_that_never_ran_has_no_log(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="container 'app' has no log"):
        asyncio.run(read(tmp_path))


def test_output_is_followed_into_the_next_instance(tmp_path: Path) -> None:
    async def story() -> list[bytes]:
        await write(tmp_path, 0, b"one\n")
        found = []
        async with asyncio.timeout(20):
            lines = read_logs(NodeDir(tmp_path), "u1", "app", Selection(follow=True))
            found.append(await anext(lines))
            await write(tmp_path, 1, b"two\nthree\n")
            found += [await anext(lines), await anext(lines)]
            await lines.aclose()  # type: ignore[attr-defined]
        return found

    assert asyncio.run(story()) == [b"one\n", b"two\n", b"three\n"]


def test_a_large_log_is_rotated_once_and_read_as_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "_LARGEST_FILE", 100)

    async def story() -> None:
        writer = LogWriter(folder(tmp_path), 0, SystemClock())
        descriptor = writer.open_for_container()
        for word in (b"a" * 80, b"b" * 80, b"c" * 20):
            os.write(descriptor, word + b"\n")
            writer._read()
        os.close(descriptor)
        writer.close()

    asyncio.run(story())
    assert {p.name for p in folder(tmp_path).iterdir()} == {"0.log", "0.log.1"}
    assert asyncio.run(read(tmp_path)) == b"b" * 80 + b"\n" + b"c" * 20 + b"\n"


def test_a_later_process_goes_on_where_one_left_off(tmp_path: Path) -> None:
    async def story() -> None:
        first = LogWriter(folder(tmp_path), 0, SystemClock())
        descriptor = first.open_for_container()
        os.write(descriptor, b"one\n")
        first.detach()
        os.write(descriptor, b"two\n")
        second = LogWriter(folder(tmp_path), 0, SystemClock())
        os.close(descriptor)
        second.close()

    asyncio.run(story())
    assert asyncio.run(read(tmp_path)) == b"one\ntwo\n"


def test_there_is_a_previous_log_only_after_a_restart(tmp_path: Path) -> None:
    node = NodeDir(tmp_path)
    assert not logs.has_log(node, "u1", "app")
    written(tmp_path, b"one\n")
    assert logs.has_log(node, "u1", "app")
    assert not logs.has_log(node, "u1", "app", previous=True)
    written(tmp_path, b"one\n", b"two\n")
    assert logs.has_log(node, "u1", "app", previous=True)
