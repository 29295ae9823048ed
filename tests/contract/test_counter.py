"""What counts requests for all proxies: the double in the tests' pods, and the program with a real Redis behind it."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import grpc
import pytest
from envoy.service.ratelimit.v3 import rls_pb2 as rls
from envoy.service.ratelimit.v3 import rls_pb2_grpc

from e2e.lab import until
from netns.counters import counter_app

COUNTER: Final = Path(sys.prefix) / "bin" / "tandem-counter"
SOURCES: Final = Path(__file__).parents[2] / "counter"
OK, OVER = rls.RateLimitResponse.OK, rls.RateLimitResponse.OVER_LIMIT
Ask = Callable[..., Any]


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        return int(found.getsockname()[1])


@contextlib.contextmanager
def running(*argv: str, says: str) -> Iterator[subprocess.Popen[str]]:
    """A program, from the line on that tells that it serves until the end of the block."""
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        try:
            assert process.stdout is not None
            assert any(says in line for line in process.stdout), f"{argv[0]} ended"
            yield process
        finally:
            process.send_signal(signal.SIGTERM)


@contextlib.contextmanager
def redis(folder: Path, port: int, *more: str) -> Iterator[subprocess.Popen[str]]:
    bound = ("--bind", "127.0.0.1", "--port", str(port), "--save", "", "--dir", str(folder))
    with running("/usr/bin/redis-server", *bound, *more, says="Ready to accept connections") as process:
        yield process


@contextlib.contextmanager
def counter(store: int, *more: str) -> Iterator[tuple[int, subprocess.Popen[str]]]:
    port = free_port()
    argv = (str(COUNTER), "-listen", f"127.0.0.1:{port}", "-redis", f"127.0.0.1:{store}", "-timeout", "5s", *more)
    with running(*argv, says="counts at") as process:
        yield port, process


@contextlib.contextmanager
def asking(port: int) -> Iterator[Ask]:
    """`ask({key: value}, ..., allowed=3, unit="HOUR", domain="d", hits=0)`: the answer."""
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        stub = rls_pb2_grpc.RateLimitServiceStub(channel)

        def ask(
            *descriptors: dict[str, str], allowed: int = 3, unit: str | int = "HOUR", domain: str = "d", hits: int = 0
        ) -> Any:
            limit = {"requests_per_unit": allowed, "unit": unit}
            written = [
                {"entries": [{"key": k, "value": v} for k, v in each.items()], "limit": limit} for each in descriptors
            ]
            question = rls.RateLimitRequest(domain=domain, descriptors=written, hits_addend=hits)
            return stub.ShouldRateLimit(question, timeout=10, wait_for_ready=True)

        yield ask


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    port = free_port()
    with redis(tmp_path_factory.mktemp("redis"), port):
        yield port


@pytest.fixture(params=["double", "program"])
def ask(request: pytest.FixtureRequest, store: int) -> Iterator[Ask]:
    with contextlib.ExitStack() as stack:
        if request.param == "double":
            port = free_port()
            stack.enter_context(counter_app(Path("/proc/self/ns/net"), port))
        else:
            port, _ = stack.enter_context(counter(store, "-prefix", f"{request.node.name}:"))
        yield stack.enter_context(asking(port))


def codes(answer: Any) -> list[int]:
    return [status.code for status in answer.statuses]


def test_so_many_pass_as_are_allowed_and_each_answer_says_how_many_are_left(ask: Ask) -> None:
    answers = [ask({"limit": "0"}) for _ in range(5)]
    assert [answer.overall_code for answer in answers] == [OK, OK, OK, OVER, OVER]
    assert [answer.statuses[0].limit_remaining for answer in answers] == [2, 1, 0, 0, 0]
    assert {answer.statuses[0].current_limit.requests_per_unit for answer in answers} == {3}


def test_entries_and_domains_are_counted_apart(ask: Ask) -> None:
    assert [ask({"ns": "a"}, allowed=1).overall_code for _ in range(2)] == [OK, OVER]
    for other in ({"ns": "b"}, {"ns": "a", "path": "/"}, {"n": "sa"}, {"sn": "a"}, {"ns": ""}):
        assert ask(other, allowed=1).overall_code == OK, other
    assert ask({"ns": "a"}, allowed=1, domain="other").overall_code == OK


def test_one_that_is_full_refuses_and_the_others_are_counted(ask: Ask) -> None:
    ask({"who": "full"}, allowed=1)
    answer = ask({"who": "full"}, {"who": "empty"}, allowed=1)
    assert (answer.overall_code, codes(answer)) == (OVER, [OVER, OK])
    assert ask({"who": "empty"}, allowed=1).overall_code == OVER


def test_programs_with_one_store_count_together_and_a_restart_loses_nothing(store: int) -> None:
    with counter(store) as (first, _), asking(first) as ask:
        assert ask({"who": "both"}, allowed=2).overall_code == OK
        with counter(store) as (second, _), asking(second) as other:
            assert other({"who": "both"}, allowed=2).overall_code == OK
            assert other({"who": "both"}, allowed=2).overall_code == OVER
    with counter(store) as (again, _), asking(again) as ask:
        assert ask({"who": "both"}, allowed=2).overall_code == OVER


def test_a_time_ends(store: int) -> None:
    with counter(store) as (port, _), asking(port) as ask:
        full = [ask({"who": "soon"}, allowed=1, unit="SECOND") for _ in range(2)]
        left = full[-1].statuses[0].duration_until_reset
        assert 0 < left.seconds * 1000 + left.nanos / 1e6 <= 1000
        until(lambda: ask({"who": "soon"}, allowed=1, unit="SECOND").overall_code, lambda code: code == OK)


def test_units_are_counted_apart_and_requests_may_count_more(store: int) -> None:
    with counter(store) as (port, _), asking(port) as ask:
        assert ask({"who": "more"}, hits=3).statuses[0].limit_remaining == 0
        assert ask({"who": "more"}).overall_code == OVER
        assert ask({"who": "more"}, unit="DAY").overall_code == OK


def test_what_cannot_be_counted_is_an_error(store: int) -> None:
    with counter(store) as (port, _), asking(port) as ask, pytest.raises(grpc.RpcError) as raised:
        ask({"who": "x"}, {"who": "y"}, unit="UNKNOWN")
    assert raised.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert "descriptors[0].limit.unit" in str(raised.value.details())


def test_a_question_without_a_number_passes(store: int) -> None:
    with counter(store) as (port, _), grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        stub = rls_pb2_grpc.RateLimitServiceStub(channel)
        bare = rls.RateLimitRequest(domain="d", descriptors=[{"entries": [{"key": "who", "value": "x"}]}])
        assert stub.ShouldRateLimit(bare, timeout=10, wait_for_ready=True).overall_code == OK


def test_the_store_does_not_learn_what_requests_are_told_apart_by(store: int) -> None:
    with counter(store) as (port, _), asking(port) as ask:
        ask({"header.x-api-key": "sesame-open"})
    listed = subprocess.run(["redis-cli", "-p", str(store), "keys", "*"], check=True, capture_output=True, text=True)
    assert "tandem:" in listed.stdout
    assert "sesame" not in listed.stdout
    assert "x-api-key" not in listed.stdout


def health(port: int) -> int:
    """Of the standard health protocol: 1 serves, 2 does not. Its messages are one number each."""
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        check = channel.unary_unary("/grpc.health.v1.Health/Check", bytes, bytes)
        return int(check(b"", timeout=10, wait_for_ready=True)[1])


def test_without_its_store_nothing_is_answered_and_health_says_so(tmp_path: Path) -> None:
    """It is told once, and once that the store is back; the password comes from a file."""
    port = free_port()
    secret = tmp_path / "secret"
    secret.write_text("open-sesame\n")
    with counter(port, "-redis-password-file", str(secret)) as (serving, process), asking(serving) as ask:
        for _ in range(3):
            with pytest.raises(grpc.RpcError) as raised:
                ask({"who": "nobody"})
            assert raised.value.code() is grpc.StatusCode.UNAVAILABLE
        until(lambda: health(serving), lambda found: found == 2)
        with redis(tmp_path, port, "--requirepass", "open-sesame"):
            until(lambda: health(serving), lambda found: found == 1)
            assert ask({"who": "nobody"}).overall_code == OK
        until(lambda: health(serving), lambda found: found == 2)
        process.terminate()
        assert process.stdout is not None
        told = [line.split(" ", 2)[2] for line in process.stdout]
    assert [line.partition(":")[0].strip() for line in told] == [
        "the store does not answer",
        "the store answers again",
        "the store does not answer",
    ]
    assert not any("sesame" in line for line in told)


def test_options_that_cannot_be_are_refused(tmp_path: Path) -> None:
    for argv in (["-redis-password-file", str(tmp_path / "none")], ["-listen", "nowhere"], ["more"], ["-what"]):
        ran = subprocess.run([COUNTER, *argv], capture_output=True, text=True, check=False, timeout=30)
        assert ran.returncode == 2, ran
        assert argv[0] in ran.stderr


def test_the_sources_are_formatted_and_vetted() -> None:
    listed = subprocess.run(["gofmt", "-l", SOURCES], capture_output=True, text=True, check=True)
    assert listed.stdout == ""
    go = {**os.environ, "GO111MODULE": "off", "GOPATH": "/usr/share/gocode", "GOCACHE": f"{sys.prefix}/.go"}
    vetted = subprocess.run(["go", "vet", "."], cwd=SOURCES, env=go, capture_output=True, text=True, check=False)
    assert vetted.returncode == 0, vetted.stderr
