"""The demo's findings are true, whatever they look like."""

from __future__ import annotations

import sys

import pytest

from tandem.apps.demo.teller import Ran, Teller, run


def test_what_did_not_hold_is_kept_with_what_was_seen(capsys: pytest.CaptureFixture[str]) -> None:
    teller = Teller()
    teller.expect("gRPC works", held=True)
    teller.expect("the split is near", held=False, seen="17/83")
    assert teller.failed == ["the split is near (17/83)"]
    out = capsys.readouterr().out
    assert "✓ gRPC works" in out
    assert "✗ the split is near" in out


def test_text_with_brackets_is_shown_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    teller = Teller()
    teller.expect("spec.http[0] matches", held=True, seen="a[red]b")
    teller.quote("spec.ingress[0]: [bold]", limit=1)
    teller.say("[x]")
    out = capsys.readouterr().out
    for text in ("spec.http[0] matches", "a[red]b", "spec.ingress[0]: [bold]", "[x]"):
        assert text in out


def test_long_quotes_are_cut_and_say_so(capsys: pytest.CaptureFixture[str]) -> None:
    Teller().quote("\n".join("abcdefgh"), limit=3)
    assert "5 more lines" in capsys.readouterr().out


def test_commands_are_shown_as_a_user_types_them(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    seen: list[list[str]] = []

    def ran(argv: list[str], **_: object) -> Ran:
        seen.append(argv)
        return Ran(status=0, out="", err="")

    monkeypatch.setattr("tandem.apps.demo.teller.run", ran)
    Teller().inside("client", "bash", "-c", "echo a b")
    assert capsys.readouterr().out.strip() == "$ tandem exec -n shop client -- bash -c 'echo a b'"
    assert seen[0][1:3] == ["-m", "tandem.apps.cli.main"]


def test_a_commands_end_is_kept() -> None:
    ran = run([sys.executable, "-c", "import sys; print('{\"a\": 1}'); sys.exit(3)"])
    assert (ran.status, ran.json()) == (3, {"a": 1})


def test_output_that_is_no_json_is_an_empty_object() -> None:
    assert Ran(status=0, out="no", err="").json() == {}


def test_a_command_that_hangs_is_ended() -> None:
    ran = run([sys.executable, "-c", "import time; print('x', flush=True); time.sleep(60)"], timeout=0.5)
    assert (ran.status, ran.out.strip()) in {(124, "x"), (124, "")}
    assert "timed out" in ran.err
