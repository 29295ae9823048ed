"""tandem flows over a view that the test gives."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tandem.apps.cli import flows
from tandem.apps.cli.main import run

FLOW: dict[str, Any] = {
    "time": 1_700_000_000.0,
    "node": "n1",
    "verdict": "denied",
    "layer": "L4",
    "protocol": "TCP",
    "source": {"address": "10.244.0.2", "port": 41000, "namespace": "shop", "pod": "client"},
    "destination": {"address": "10.244.0.5", "port": 80, "namespace": "shop", "pod": "web-0"},
    "reporter": "kernel",
    "rules": [{"kind": "NetworkPolicy", "namespace": "shop", "name": "deny"}],
}


class Client:
    """Gives one flow, or follows with two."""

    def __init__(self) -> None:
        self.asked: list[dict[str, str]] = []

    async def request(self, _method: str, _path: str, *, query: dict[str, str]) -> dict[str, Any]:
        self.asked.append(query)
        return {"flows": [FLOW]}

    async def lines(self, _path: str, query: dict[str, str]) -> AsyncIterator[str]:
        self.asked.append(query)
        for number in (1, 2):
            yield json.dumps({**FLOW, "time": FLOW["time"] + number})


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> Client:
    made = Client()
    monkeypatch.setattr(flows, "with_client", lambda work, _path: asyncio.run(work(made)))
    return made


@pytest.mark.usefixtures("client")
def test_a_table_has_a_line_per_flow_with_the_rule_that_decided(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["flows"]) == 0
    head, line = capsys.readouterr().out.splitlines()
    assert head.split() == ["TIME", "VERDICT", "FROM", "TO", "WHAT", "RULE"]
    assert line == "22:13:20  denied   shop/client:41000  shop/web-0:80  TCP   NetworkPolicy shop/deny"
    assert head.index("TO") == line.index("shop/web-0")


@pytest.mark.usefixtures("client")
def test_json_is_one_object(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["flows", "-o", "json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"flows": [FLOW]}


def test_followed_flows_are_one_a_line(client: Client, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["flows", "--follow", "-o", "json"]) == 0
    assert [json.loads(line)["time"] for line in capsys.readouterr().out.splitlines()] == [1_700_000_001, 1_700_000_002]
    assert client.asked[0]["follow"] == "true"
    run(["flows", "--follow"])
    assert [line[:8] for line in capsys.readouterr().out.splitlines()] == ["22:13:21", "22:13:22"]


def test_filters_travel_as_they_were_given(client: Client) -> None:
    run(["flows", "--denied", "-n", "shop", "--pod", "client", "--last", "5"])
    run(["flows", "--staged"])
    assert client.asked == [
        {"denied": "true", "staged": "false", "namespace": "shop", "pod": "client", "last": "5"},
        {"denied": "false", "staged": "true", "namespace": "", "pod": "", "last": "200"},
    ]


@pytest.mark.parametrize("arguments", [["-o", "yaml"], ["--last", "-1"], ["--last", "many"], ["shop"]])
@pytest.mark.usefixtures("client")
def test_wrong_use_is_status_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["flows", *arguments]) == 2
    assert capsys.readouterr().err.startswith("error: ")
