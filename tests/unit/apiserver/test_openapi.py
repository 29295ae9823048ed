"""OpenAPI from the tables."""

from __future__ import annotations

import json

import pytest

from tandem.apiserver import openapi


@pytest.mark.parametrize("path", openapi.paths())
def test_every_reference_is_defined(path: str) -> None:
    body = openapi.document(path)
    assert body is not None
    schemas = json.loads(body)["components"]["schemas"]
    for name in set(body.decode().split('"#/components/schemas/')[1:]):
        assert name.partition('"')[0] in schemas


def test_the_index_names_every_document_with_a_digest() -> None:
    entries = openapi.index()["paths"]
    assert set(entries) == set(openapi.paths())
    assert entries["api/v1"]["serverRelativeURL"].startswith("/openapi/v3/api/v1?hash=")


def test_patches_say_that_the_server_validates() -> None:
    document = json.loads(openapi.document("apis/apps/v1") or b"{}")
    patch = document["paths"]["/apis/apps/v1/namespaces/{namespace}/deployments/{name}"]["patch"]
    assert {"name": "fieldValidation", "in": "query", "schema": {"type": "string"}} in patch["parameters"]
    assert patch["x-kubernetes-group-version-kind"] == {"group": "apps", "version": "v1", "kind": "Deployment"}


def test_what_is_not_served_has_no_document() -> None:
    assert openapi.document("apis/batch/v1") is None
