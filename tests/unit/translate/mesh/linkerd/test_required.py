"""At which ports a pod asks for identities."""

from __future__ import annotations

import pytest

from builders import pod
from tandem.translate.mesh.linkerd.required import REQUIRING, required_of

WEB = pod("web")


@pytest.mark.parametrize(
    ("text", "ports"),
    [("", ()), ("8080", (8080,)), ("9, 1-3 ,9", (1, 2, 3, 9)), ("1-64", tuple(range(1, 65))), ("1-65535", None)],
)
def test_ports_and_ranges(text: str, ports: tuple[int, ...] | None) -> None:
    found, problems = required_of(WEB, text)
    assert (found.ports, problems) == (ports, ())
    assert found.origin == WEB.origin(f"metadata.annotations[{REQUIRING}]")


@pytest.mark.parametrize("text", ["http", "2-1", "0", "1-65536", "80-", "1-2-3", "1-65", "80,x"])
def test_what_cannot_be_read_or_is_long_is_every_port_and_told(text: str) -> None:
    found, (problem,) = required_of(WEB, text)
    assert found.ports is None
    assert (problem.code, problem.severity.value, problem.at) == ("InvalidValue", "warning", found.origin)
