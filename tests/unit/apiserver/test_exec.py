"""What a request for a program asks, and what its client is told of the end; the rest needs a program and a client."""

from __future__ import annotations

import pytest
from starlette.datastructures import QueryParams

from tandem.apiserver.exec import Asked, exit_status, flag, internal_error
from tandem.apiserver.inside import Stdio
from tandem.apiserver.streams.channels import Channel

OUT = {Channel.STDOUT, Channel.ERROR}


@pytest.mark.parametrize(
    ("query", "command", "stdio", "channels"),
    [
        ("command=ls&command=-l&stdout=true", ("ls", "-l"), Stdio(stdout=True), OUT),
        ("command=sh&stdin=1&stdout=1", ("sh",), Stdio(stdin=True, stdout=True), {*OUT, Channel.STDIN}),
        ("command=sh&stderr&stdout=0", ("sh",), Stdio(stderr=True), {Channel.STDERR, Channel.ERROR}),
        ("command=sh&stderr=1&stdout=1&tty=1", ("sh",), Stdio(stdout=True, tty=True), {*OUT, Channel.RESIZE}),
    ],
)
def test_parameters(query: str, command: tuple[str, ...], stdio: Stdio, channels: set[Channel]) -> None:
    asked = Asked.of(QueryParams(query))
    assert (asked.command, asked.stdio, set(asked.channels())) == (command, stdio, channels)


def test_who_attaches_names_no_command() -> None:
    asked = Asked.of(QueryParams("command=ignored&stdin=1&stdout=1&tty=1"), attach=True)
    assert (asked.command, asked.stdio) == ((), Stdio(stdin=True, stdout=True, tty=True))


def test_only_absence_false_and_0_are_false() -> None:
    query = QueryParams("a=&b=True&c=False&d=0&e=x")
    assert [flag(query, name) for name in "abcdef"] == [True, True, False, False, True, False]


def test_success_is_a_status() -> None:
    assert exit_status(("true",), 0) == {"metadata": {}, "status": "Success"}


def test_an_exit_status_is_the_cause_of_a_failure() -> None:
    status = exit_status(("sh", "-c", "exit 3"), 3)
    assert (status["status"], status["reason"]) == ("Failure", "NonZeroExitCode")
    assert status["details"] == {"causes": [{"reason": "ExitCode", "message": "3"}]}
    assert "exit code 3" in status["message"]


def test_a_command_that_never_ran_is_an_internal_error() -> None:
    status = internal_error("no such file")
    assert (status["code"], status["reason"]) == (500, "InternalError")
    assert status["message"] == "Internal error occurred: no such file"
