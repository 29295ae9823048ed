"""The story's expectations, against commands that the test answers."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tandem.apps.demo import steps
from tandem.apps.demo.teller import Ran, Teller
from tandem.ingest.files import read_objects

ROOT = Path(__file__).parents[4]


class Played(Teller):
    """A teller whose commands are answered by a function of their words."""

    def __init__(self, answer: Callable[[str], Ran]) -> None:
        super().__init__()
        self._answer = answer
        self.asked: list[str] = []

    def tandem(self, *arguments: str, show: bool = True, timeout: float = 120.0) -> Ran:  # noqa: ARG002
        self.asked.append(" ".join(arguments))
        return self._answer(self.asked[-1])


def said(out: Any = "", status: int = 0, err: str = "") -> Ran:
    return Ran(status=status, out=out if isinstance(out, str) else json.dumps(out), err=err)


@pytest.mark.parametrize("name", sorted(p.name for p in (ROOT / "examples" / "story").iterdir()))
def test_every_manifest_of_the_story_is_read(name: str) -> None:
    assert read_objects([ROOT / "examples" / "story" / name], namespace="shop")


def test_a_start_that_fails_ends_the_story_with_its_reasons(capsys: pytest.CaptureFixture[str]) -> None:
    teller = Played(lambda _: said({"ready": False, "reasons": ["pod shop/a is Pending"]}, status=1))
    assert not steps.start(teller)
    assert len(teller.failed) == 1
    assert "pod shop/a is Pending" in capsys.readouterr().out


def test_subsets_hold_only_if_all_hundred_reach_the_right_version() -> None:
    def answer(words: str) -> Ran:
        if "virtualservice" in words:
            return said(err="Warning: subset v1 does not exist")
        return said({"200 v1": 100} if "/v1" in words else {"200 v2": 99, "503 ": 1})

    teller = Played(answer)
    steps.subsets(teller)
    assert [text.partition(" (")[0] for text in teller.failed] == ["100 requests to /other all reach v2"]


@pytest.mark.parametrize(("observed", "holds"), [((895, 105), True), ((700, 300), False), ((890, 100), False)])
def test_a_canary_must_be_near_its_weights_and_lose_nothing(observed: tuple[int, int], holds: bool) -> None:  # noqa: FBT001
    splits = iter([observed, (500, 500)])

    def answer(words: str) -> Ran:
        if not words.startswith("exec"):
            return said()
        first, second = next(splits)
        return said({"200 v1": first, "200 v2": second})

    teller = Played(answer)
    steps.canary(teller)
    assert (teller.failed == []) == holds


def test_what_is_left_after_down_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    from tandem.base.paths import RunDir

    monkeypatch.setattr(steps, "picture", lambda _root: {"links": ("lo", "td1")})
    teller = Played(lambda _: said())
    steps.clean_up(teller, {"links": ("lo",)}, RunDir(Path("/r")))
    assert teller.asked == ["down"]
    assert teller.failed == ["the kernel and the file system are as they were before (+ links: td1)"]
