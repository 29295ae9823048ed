"""Telemetry with real requests through a real Envoy: which become flows, and that all are sent to be counted."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from envoy.service.accesslog.v3 import als_pb2

from netns.externallab import OUTSIDE, Outside, running
from tandem.compile import names
from tandem.observe.logged import logged_part
from tandem.runtime.whois import Whois
from tandem.translate.mesh.istio.cel import COSTS, DEEPEST, LONGEST, PROGRAM, read

pytestmark = pytest.mark.root

EXAMPLE = Path(__file__).parents[2] / "examples/telemetry/errors-only.yaml"
KNOWN = """
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: known}
spec:
  hosts: [known.example.com]
  ports: [{number: 80, name: http, protocol: HTTP}, {number: 81, name: tcp, protocol: TCP},
    {number: 8888, name: http-nobody, protocol: HTTP}]
"""
ONE = OUTSIDE["one"]


@pytest.fixture(scope="module")
def outside() -> Iterator[Outside]:
    with running("tel") as made:
        yield made


def telemetry(*entries: object, namespace: str = "shop") -> str:
    meta = {"name": "logs", "namespace": namespace}
    raw = {"apiVersion": "telemetry.istio.io/v1", "kind": "Telemetry", "metadata": meta}
    return "---\n" + yaml.safe_dump({**raw, "spec": {"accessLogging": list(entries)}})


def filtered(expression: str) -> str:
    return telemetry({"filter": {"expression": expression}})


def told(outside: Outside, path: str, *more: str, who: str = "a", port: int = 80) -> bool:
    """Whether a request for a path becomes a flow. Envoy's entry of it comes in any case."""
    outside.curl(f"http://known.example.com:{port}{path}", *more, address=ONE, who=who)
    log = names.source_log(outside.pod(who).pod.uid)
    entries = outside.lab.ads.log_of(log, lambda e: getattr(e, "request", None) is not None and e.request.path == path)
    assert entries, f"no entry of {path}"
    message = als_pb2.StreamAccessLogsMessage()
    message.http_logs.log_entry.append(entries[-1])
    assert outside.view is not None
    return bool(logged_part(message, silent=Whois(outside.view).silent(log)).http_logs.log_entry)


def test_a_filter_says_which_requests_of_whom(outside: Outside) -> None:
    outside.apply(KNOWN + filtered("request.url_path.startsWith('/paid') ||\n  request.headers['x-debug'] == 'yes'"))
    assert told(outside, "/paid/1")
    assert told(outside, "/debug", "-H", "x-debug: yes")
    # Without the header the second half cannot be evaluated: that holds for nothing.
    assert not told(outside, "/other")
    assert told(outside, "/elsewhere", who="b")


def test_codes_decide_once_there_is_an_answer(outside: Outside) -> None:
    outside.apply(KNOWN + "---\n" + EXAMPLE.read_text())
    assert not told(outside, "/well")
    assert told(outside, "/nobody-listens", port=8888)


def test_connections_are_judged_by_what_they_have(outside: Outside) -> None:
    outside.apply(KNOWN + filtered("destination.port == 81 && !has(response.code)"))
    outside.curl("http://known.example.com:81/", address=ONE)
    log = names.source_log(outside.pod("a").pod.uid)
    entries = outside.lab.ads.log_of(
        log, lambda e: e.common_properties.downstream_local_address.socket_address.port_value == 81
    )
    assert [entry.common_properties.custom_tags["logged"] for entry in entries][-1:] == ["if true"]


def test_what_is_disabled_is_left_out_without_a_change_of_envoy(outside: Outside) -> None:
    outside.apply(KNOWN)
    assert told(outside, "/before")
    before = outside.lab.ads.resources
    outside.apply(KNOWN + telemetry({"disabled": True, "match": {"mode": "CLIENT"}}))
    assert outside.lab.ads.resources == before
    assert not told(outside, "/after")
    outside.apply(KNOWN + telemetry({"disabled": True}, namespace="istio-system") + telemetry({"disabled": False}))
    assert told(outside, "/again")
    assert not told(outside, "/nowhere-else", who="b")


LIMITS = (
    "(" * (DEEPEST - 1) + "response.code == 200" + ")" * (DEEPEST - 1),
    " || ".join(["response.code == 1"] * ((LONGEST + 4) // 22)),
    f"request.path.matches('{'.' * (PROGRAM // COSTS['.'])}')",
    f"request.path.matches('{'a' * PROGRAM}')",
    f"request.path.matches('{'(a|bc)*' * (PROGRAM // 19)}')",
    f"request.path.matches('{'((a+)+)+' * (PROGRAM // 29)}')",
    f"request.path.matches('{'.?' * (PROGRAM // 13)}')",
    "true ? true : " * (DEEPEST - 1) + "false",
    "'a' in 'b' || 1 / 0 == 1 || -'a' == 1 || true",
    "request.headers['%b)%'] == 'x' || request.path != ')%'",
    "request.duration < duration('999999999h') || [[]] == [] || true",
)


@pytest.mark.parametrize("expression", LIMITS)
def test_envoy_takes_whatever_is_let_through(outside: Outside, expression: str) -> None:
    assert read(expression)[1] == ""
    outside.apply(KNOWN + filtered(expression))
    outside.lab.ads.settle()
