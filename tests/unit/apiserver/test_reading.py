"""Lists, tables and watches, as a client sees them."""

from __future__ import annotations

import json

import pytest

from apiclient import Api

CMS = "/api/v1/namespaces/default/configmaps"
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"


@pytest.fixture
def api() -> Api:
    made = Api()
    for name in ("a", "b", "c"):
        made("POST", CMS, {"metadata": {"name": name, "labels": {"n": name}}})
    return made


def test_a_list_has_the_newest_version(api: Api) -> None:
    raw = api("GET", CMS).json()
    assert (raw["kind"], raw["apiVersion"]) == ("ConfigMapList", "v1")
    assert raw["metadata"] == {"resourceVersion": str(api.store.version)}
    assert [i["metadata"]["name"] for i in raw["items"]] == ["a", "b", "c"]


def test_a_list_comes_in_pieces(api: Api) -> None:
    first = api("GET", f"{CMS}?limit=2").json()
    assert first["metadata"]["remainingItemCount"] == 1
    rest = api("GET", f"{CMS}?limit=2&continue={first['metadata']['continue']}").json()
    assert [i["metadata"]["name"] for i in rest["items"]] == ["c"]
    assert "continue" not in rest["metadata"]
    assert api("GET", f"{CMS}?continue=x").status_code == 400
    assert api("GET", f"{CMS}?limit=many").status_code == 400


def test_selectors_choose(api: Api) -> None:
    assert len(api("GET", f"{CMS}?labelSelector=n%20in%20(a,b)").json()["items"]) == 2
    assert len(api("GET", f"{CMS}?fieldSelector=metadata.name=c").json()["items"]) == 1
    assert api("GET", f"{CMS}?fieldSelector=data=c").status_code == 400


def test_a_table_is_given_to_who_wants_one(api: Api) -> None:
    raw = api("GET", CMS, accept=TABLE).json()
    assert raw["kind"] == "Table"
    assert [row["cells"][0] for row in raw["rows"]] == ["a", "b", "c"]
    assert api("GET", f"{CMS}/a", accept=TABLE).json()["rows"][0]["object"]["kind"] == "PartialObjectMetadata"
    assert api("GET", f"{CMS}?includeObject=Object", accept=TABLE).json()["rows"][0]["object"]["kind"] == "ConfigMap"


def test_a_watch_goes_on_from_a_list(api: Api) -> None:
    version = api("GET", CMS).json()["metadata"]["resourceVersion"]
    api("POST", CMS, {"metadata": {"name": "d"}})
    api("DELETE", f"{CMS}/d")
    api.store.end_watches()
    assert api("GET", f"{CMS}?watch=1&resourceVersion={version}").status_code == 200


def test_a_watch_by_name_and_as_table(api: Api) -> None:
    path = f"{CMS}?watch=true&timeoutSeconds=1&fieldSelector=metadata.name=b"
    events = [json.loads(line) for line in api("GET", path, accept=TABLE).text.splitlines()]
    assert [(e["type"], e["object"]["rows"][0]["cells"][0]) for e in events] == [("ADDED", "b")]


def test_a_watch_that_is_too_old_is_gone(api: Api) -> None:
    response = api("GET", f"{CMS}?watch=1&resourceVersion=999999")
    assert (response.status_code, response.json()["reason"]) == (410, "Expired")
