"""Requests that lead into a pod: which container, which lines, and what is refused before anything is begun."""

from __future__ import annotations

import pytest
from starlette.datastructures import QueryParams

from apiclient import Api
from tandem.apiserver.errors import Refusal
from tandem.apiserver.inside import LogQuery
from tandem.apiserver.podrequests import log_query

PODS = "/api/v1/namespaces/default/pods"
NOW = 1_000.0


@pytest.fixture
def api() -> Api:
    made = Api()
    for name, names, node in (("one", "a", "node-1"), ("two", "ab", "node-1"), ("nowhere", "a", "")):
        containers = [{"name": n, "image": "host", "command": ["x"]} for n in names]
        first = [{"name": "t", "image": "host", "command": ["x"], "stdin": True, "tty": True}] if name == "two" else []
        first += [{"name": "i", "image": "host", "command": ["x"]}]
        spec = {"containers": containers, "initContainers": first, **({"nodeName": node} if node else {})}
        assert made("POST", PODS, {"metadata": {"name": name}, "spec": spec}).status_code == 201
    return made


@pytest.mark.parametrize(
    ("path", "code", "message"),
    [
        ("gone/exec?command=x&stdout=1", 404, 'pods "gone" not found'),
        ("two/exec?command=x&stdout=1", 400, "a container name must be specified for pod two, choose one of: [a b]"),
        ("one/exec?command=x&stdout=1&container=z", 400, "container z is not valid for pod one"),
        ("nowhere/exec?command=x&stdout=1", 400, "pod nowhere does not have a host assigned"),
        ("one/exec?command=x&stdin=false", 400, "you must specify at least 1 of stdin, stdout, stderr"),
        ("one/exec?stdout=1", 400, "you must specify at least one command for the container"),
        ("one/exec?command=x&stdout=1", 500, "pod default/one does not run"),
        ("nowhere/portforward", 400, "pod nowhere does not have a host assigned"),
        ("one/portforward", 500, "pod default/one does not run"),
        ("one/attach", 400, "you must specify at least 1 of stdin, stdout, stderr"),
        ("two/attach?stdout=1", 400, "a container name must be specified for pod two"),
        ("one/attach?stdout=1&stdin=1", 400, "container a has no stdin: its spec does not say `stdin: true`"),
        ("one/attach?stdout=1&tty=1", 400, "container a has no tty: its spec does not say `tty: true`"),
        ("nowhere/attach?stdout=1", 400, "pod nowhere does not have a host assigned"),
        ("one/attach?stdout=1", 500, "pod default/one does not run"),
        ("two/attach?stdout=1&stdin=1&tty=1&container=t", 500, "pod default/two does not run"),
        ("two/log", 400, "choose one of: [a b] or one of the init containers: [t i]"),
        ("one/log?tailLines=-1", 422, "tailLines: Invalid value: '-1'"),
    ],
)
def test_refusals_are_kubernetes_own(api: Api, path: str, code: int, message: str) -> None:
    answer = api("GET", f"{PODS}/{path}")
    assert (answer.status_code, answer.json()["kind"]) == (code, "Status")
    assert message in answer.json()["message"]


@pytest.mark.parametrize(("method", "subresource"), [("PUT", "exec"), ("POST", "log"), ("DELETE", "portforward")])
def test_other_methods_are_refused(api: Api, method: str, subresource: str) -> None:
    assert api(method, f"{PODS}/one/{subresource}", {}).status_code == 405


def test_a_log_is_of_the_container_that_is_named(api: Api) -> None:
    assert api("GET", f"{PODS}/two/log?container=b").text.startswith("default/two/b\n")
    assert api("GET", f"{PODS}/one/log?container=i").text.startswith("default/one/i\n")


@pytest.mark.parametrize(
    ("query", "wanted"),
    [
        ("", LogQuery()),
        ("tailLines=0&follow=true&previous=1", LogQuery(tail=0, follow=True, previous=True)),
        ("timestamps=true&limitBytes=9&follow=false", LogQuery(timestamps=True, limit=9)),
        ("sinceSeconds=10", LogQuery(since=990.0)),
        ("sinceTime=1970-01-01T00:01:00Z", LogQuery(since=60.0)),
    ],
)
def test_which_lines(query: str, wanted: LogQuery) -> None:
    assert log_query(QueryParams(query), NOW) == wanted


@pytest.mark.parametrize(
    "query",
    [
        "sinceSeconds=0",
        "limitBytes=0",
        "tailLines=x",
        "sinceTime=yesterday",
        "sinceTime=2026-01-01T00:00:00",
        "sinceSeconds=1&sinceTime=1970-01-01T00:01:00Z",
    ],
)
def test_a_value_that_cannot_be_is_refused(query: str) -> None:
    with pytest.raises(Refusal) as refused:
        log_query(QueryParams(query), NOW)
    assert refused.value.code == 422
