"""tandem logs over the embedded API (whose log reader in tests says what it was asked)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cliobjects import pod

Tandem = Callable[..., Any]
Manifest = Callable[..., str]


def test_the_lines_of_the_first_container(tandem: Tandem, manifest: Manifest) -> None:
    tandem("apply", "-f", manifest(pod()))
    assert tandem("logs", "web-0").out == "default/web-0/app\n\n"
    assert tandem("logs", "web-0", "--tail", "3", "-f").out.endswith("tail=3 follow=True\n")


def test_an_unknown_container_is_named_with_those_that_exist(tandem: Tandem, manifest: Manifest) -> None:
    tandem("apply", "-f", manifest(pod()))
    result = tandem("logs", "web-0", "-c", "nope")
    assert result.status == 1
    assert "has no container 'nope'; it has: app" in result.err
