"""At which ports of a Service requests can be counted."""

from __future__ import annotations

import pytest

from builders import service
from tandem.translate.limits.found import counted_ports


@pytest.mark.parametrize(
    ("ports", "name", "wanted"),
    [
        ([{"port": 80}], "", {80}),
        ([{"name": "web", "port": 80}, {"name": "http", "port": 81}], "", {81}),
        ([{"name": "web", "port": 80}, {"name": "http", "port": 81}], "web", {80}),
        ([{"name": "web", "port": 80}, {"name": "http", "port": 81}], "http", {81}),
        ([{"name": "tcp-web", "port": 80}], "tcp-web", set()),
        ([{"name": "web", "port": 80, "appProtocol": "grpc"}, {"name": "b", "port": 81}], "", {80}),
        ([{"name": "web", "port": 80, "protocol": "UDP"}], "web", set()),
    ],
)
def test_it_is_http_if_it_says_so_or_says_nothing_and_is_meant(
    ports: list[dict[str, object]], name: str, wanted: set[int]
) -> None:
    assert counted_ports(service("web", ports=ports).spec.ports, name) == wanted
