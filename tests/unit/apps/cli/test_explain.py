"""tandem explain, on files and with a view that the test gives."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from cliobjects import pod, policy, service
from tandem.apps.cli import explain
from tandem.apps.cli.main import run

Manifest = Callable[..., str]


@pytest.fixture
def shop(manifest: Manifest) -> str:
    return manifest(
        pod("client", labels={"app": "client"}),
        pod("web-0", labels={"app": "web"}),
        service(),
        policy("closed", app="web"),
    )


def test_a_denied_way_is_status_1_and_names_the_rule_with_its_line(
    shop: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["explain", "client", "svc/web:80", "-f", shop]) == 1
    out = capsys.readouterr().out
    assert out.startswith("default/client to default/svc/web:80: denied by NetworkPolicy default/closed spec.ingress")
    assert "✗ default/web-0:80 at 10.244.0." in out
    assert f"({shop}:" in out


def test_ends_of_which_the_same_is_said_are_shown_together(
    manifest: Manifest, capsys: pytest.CaptureFixture[str]
) -> None:
    pods = (pod(f"web-{i}", labels={"app": "web", "open": str(i % 2)}) for i in range(4))
    closed = policy("closed", app="web")
    closed["spec"]["podSelector"] = {"matchLabels": {"app": "web", "open": "0"}}
    files = manifest(pod("client"), *pods, service(), closed)
    assert run(["explain", "client", "svc/web:80", "-f", files]) == 1
    lines = capsys.readouterr().out.splitlines()
    marks = [line[0] for line in lines if line[0] in "✓✗"]
    assert sorted(marks) == sorted("✓✓✗✗")
    assert "".join(marks) in {"✓✓✗✗", "✗✗✓✓"}
    assert sum("ingress policy: isolates" in line for line in lines) == 1


def test_an_allowed_way_is_status_0(shop: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["explain", "web-0", "client:80", "-f", shop]) == 0
    out = capsys.readouterr().out
    assert "allowed, plain" in out
    assert "✓ default/client:80" in out


def test_manifests_that_cannot_be_judged_are_not_a_denial(
    manifest: Manifest, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = manifest(
        pod("client"), pod("web-0"), {**policy(), "spec": {"podSelector": {}, "ingress": [{"from": [{}]}]}}
    )
    assert run(["explain", "client", "web-0:80", "-f", broken]) == 2
    assert f"error: {broken}:" in capsys.readouterr().err
    assert run(["explain", "client", "web-0:80", "-f", f"{broken}.absent"]) == 2


def test_json_is_the_whole_answer(shop: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["explain", "client", "svc/web", "-f", shop, "-o", "json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert found["allowed"] is False
    assert [r["name"] for r in found["decided_by"]] == ["closed"]


def test_what_a_pipe_gets_has_no_colours_and_no_wrapping(shop: str, capsys: pytest.CaptureFixture[str]) -> None:
    run(["explain", "client", "svc/web", "-f", shop])
    out = capsys.readouterr().out
    assert "\x1b" not in out
    assert max(map(len, out.splitlines())) > 80


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["client", "svc/web", "-o", "yaml"], "-o yaml: text or json"),
        (["client", "svc/web", "--header", "x-user"], "--header x-user: write it as NAME=VALUE"),
        (["gone", "svc/web"], "no Pod default/gone"),
        (["client", "web-0"], "which port"),
        (["client", "a/b/c/d"], "write [NS/]POD"),
    ],
)
def test_wrong_words_are_status_2(
    arguments: list[str], message: str, shop: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["explain", *arguments, "-f", shop]) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [[], ["client"], ["a", "b", "c"]])
def test_from_and_to_are_both_needed(arguments: list[str]) -> None:
    assert run(["explain", *arguments]) == 2


def test_the_question_travels_as_it_was_asked(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[dict[str, str]] = []
    answer: dict[str, Any] = {"allowed": True, "summary": "a [b]", "route": [], "ways": []}

    class Client:
        async def request(self, method: str, path: str, *, query: dict[str, str]) -> dict[str, Any]:
            assert (method, path) == ("GET", "/apis/views.tandem.io/v1/explain")
            asked.append(query)
            return answer

    def with_client(work: Any, _path: object) -> Any:
        import asyncio

        return asyncio.run(work(Client()))

    monkeypatch.setattr(explain, "with_client", with_client)
    words = ["client", "svc/web:80", "-n", "shop", "--path", "/v1", "--method", "PUT", "--header", "X-A=b=c"]
    words += ["--host", "b.test", "--sni", "a.test", "--protocol", "tcp"]
    assert run(["explain", *words]) == 0
    assert asked == [
        {
            "from": "client",
            "to": "svc/web:80",
            "namespace": "shop",
            "protocol": "tcp",
            "method": "PUT",
            "path": "/v1",
            "host": "b.test",
            "sni": "a.test",
            "headers": '[["X-A", "b=c"]]',
        }
    ]
    assert capsys.readouterr().out == "a [b]\n"
