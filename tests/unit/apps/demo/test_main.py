"""The whole story: its end is the truth, and it leaves nothing behind."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tandem.apps.demo import __main__ as demo
from tandem.apps.demo import steps
from tandem.apps.demo.teller import Ran, Teller
from tandem.runtime import preflight


@pytest.fixture
def played(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    done: list[str] = []
    monkeypatch.setenv("TANDEM_RUN_DIR", str(tmp_path / "run"))
    monkeypatch.setattr("sys.argv", ["demo"])
    monkeypatch.setattr(os, "chdir", lambda _path: None)
    monkeypatch.setattr(preflight, "missing", list)
    monkeypatch.setattr(demo, "picture", lambda _root: {})
    monkeypatch.setattr(Teller, "tandem", lambda _self, *words, **_: Ran(status=0, out=" ".join(words), err=""))
    for name in ("subsets", "canary", "encryption", "lockdown", "replacement", "clean_up"):
        monkeypatch.setattr(steps, name, lambda *_, name=name: done.append(name))
    monkeypatch.setattr(steps, "start", lambda _teller: True)
    return done


def test_every_step_is_told_and_cleaned_up_after(played: list[str]) -> None:
    assert demo.main() == 0
    assert played == ["subsets", "canary", "encryption", "lockdown", "replacement", "clean_up"]


def test_an_expectation_that_did_not_hold_is_status_1(
    played: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(steps, "canary", lambda teller: teller.expect("near", held=False, seen="17/83"))
    assert demo.main() == 1
    assert "near (17/83)" in capsys.readouterr().out
    assert played[-1] == "clean_up"


def test_a_step_that_breaks_is_cleaned_up_after(played: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_teller: Teller) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr(steps, "subsets", broken)
    with pytest.raises(RuntimeError):
        demo.main()
    assert played == ["clean_up"]


def test_kept_it_goes_on_running_and_says_how_to_look(
    played: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["demo", "--keep"])
    assert demo.main() == 0
    assert "clean_up" not in played
    assert "tandem down" in capsys.readouterr().out


def test_a_machine_that_lacks_something_hears_it_first(
    played: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(preflight, "missing", lambda: ["root is needed"])
    assert demo.main() == 1
    assert capsys.readouterr().err == "error: root is needed\n"
    assert played == []
