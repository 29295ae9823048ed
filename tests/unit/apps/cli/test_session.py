"""Errors and warnings in one form."""

from __future__ import annotations

from pathlib import Path

import pytest

from tandem.apps.cli.session import CommandError, complain, explain_failure, not_running, warn, with_client
from tandem.ingest.errors import ApiError


def test_errors_and_warnings_are_plain_where_there_is_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    complain("a")
    warn("b")
    assert capsys.readouterr().err == "error: a\nWarning: b\n"


def test_a_dead_server_is_not_running(tmp_path: Path) -> None:
    (tmp_path / "k").write_text(
        "current-context: c\n"
        "contexts: [{name: c, context: {cluster: k}}]\n"
        "clusters: [{name: k, cluster: {server: 'http://127.0.0.1:1'}}]\n"
    )
    with pytest.raises(CommandError, match=r"no API at http://127.0.0.1:1\); start it with: tandem up"):
        with_client(lambda client: client.request("GET", "/version"), tmp_path / "k")


def test_another_servers_certificate_is_not_called_down() -> None:
    assert "not the one of this kubeconfig" in not_running("https://h", "certificate verify failed")


@pytest.mark.parametrize(
    ("err", "text"),
    [
        (ApiError(403, "Forbidden", "no"), "no (Forbidden)"),
        (FileNotFoundError(2, "No such file", "x"), "x: No such file"),
        (PermissionError(13, "Permission denied", "x"), "x: Permission denied: run it as root"),
        (OSError(28, "No space left on device"), "cannot write: No space left on device"),
        (OSError(22, "a bug"), None),
        (RuntimeError("a bug"), None),
    ],
)
def test_expected_failures_have_a_message_and_bugs_have_none(err: Exception, text: str | None) -> None:
    assert explain_failure(err) == text
