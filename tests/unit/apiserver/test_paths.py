"""Paths."""

from __future__ import annotations

import pytest

from tandem.apiserver.errors import Refusal
from tandem.apiserver.paths import parse_path


@pytest.mark.parametrize(
    ("path", "kind", "namespace", "name", "subresource"),
    [
        ("/api/v1/pods", "Pod", "", "", ""),
        ("/api/v1/namespaces/shop/pods", "Pod", "shop", "", ""),
        ("/api/v1/namespaces/shop/pods/web/log", "Pod", "shop", "web", "log"),
        ("/api/v1/namespaces", "Namespace", "", "", ""),
        ("/api/v1/namespaces/shop", "Namespace", "", "shop", ""),
        ("/api/v1/namespaces/shop/status", "Namespace", "", "shop", "status"),
        ("/api/v1/nodes/n1/status", "Node", "", "n1", "status"),
        ("/apis/apps/v1/namespaces/a/deployments/b/status", "Deployment", "a", "b", "status"),
    ],
)
def test_what_a_path_is_about(path: str, kind: str, namespace: str, name: str, subresource: str) -> None:
    where = parse_path(path)
    assert (where.kind.kind, where.namespace, where.name, where.subresource) == (kind, namespace, name, subresource)


def test_the_version_asked_for_is_kept() -> None:
    path = "/apis/networking.istio.io/v1alpha3/namespaces/a/virtualservices"
    assert parse_path(path).api_version == "networking.istio.io/v1alpha3"
    assert parse_path("/api/v1/pods").api_version == "v1"


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/api/v1",
        "/api/v2/pods",
        "/apis/batch/v1/jobs",
        "/api/v1/pods/web",
        "/api/v1/namespaces/a/nodes/b",
        "/api/v1/namespaces/a/pods/b/proxy",
        "/api/v1/namespaces/a/configmaps/b/status",
        "/api/v1/namespaces/a/configmaps/b/log",
        "/api/v1/namespaces/a/pods/b/status/c",
    ],
)
def test_what_is_not_served_is_not_found(path: str) -> None:
    with pytest.raises(Refusal, match="could not find") as caught:
        parse_path(path)
    assert caught.value.code == 404
