"""KubeClient: what the contract tests cannot see (paths, errors of the transport, headers)."""

from __future__ import annotations

import asyncio
import socket

import pytest

from tandem.ingest.errors import Unreachable
from tandem.ingest.kube import KubeClient, collection_path, warning_texts
from tandem.ingest.kubeconfig import Access
from tandem.model.kinds import BY_KIND


@pytest.mark.parametrize(
    ("kind", "namespace", "version", "path"),
    [
        ("Pod", "shop", "", "/api/v1/namespaces/shop/pods"),
        ("Pod", "", "", "/api/v1/pods"),
        ("Namespace", "ignored", "", "/api/v1/namespaces"),
        ("Deployment", "shop", "", "/apis/apps/v1/namespaces/shop/deployments"),
        (
            "VirtualService",
            "shop",
            "networking.istio.io/v1alpha3",
            "/apis/networking.istio.io/v1alpha3/namespaces/shop/virtualservices",
        ),
    ],
)
def test_paths_are_those_of_a_kubernetes_api(kind: str, namespace: str, version: str, path: str) -> None:
    assert collection_path(BY_KIND[kind], namespace, api_version=version) == path


def test_nobody_there_is_unreachable() -> None:
    with socket.socket() as taken:  # bound and not listening: connections are refused
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]

        async def run() -> None:
            async with KubeClient(Access(server=f"http://127.0.0.1:{port}")) as client:
                with pytest.raises(Unreachable, match="no answer from the API"):
                    await client.get(BY_KIND["Pod"], "default", "p")
                with pytest.raises(Unreachable):
                    async for _ in client.watch(BY_KIND["Pod"], "1"):
                        pass

        asyncio.run(run())


@pytest.mark.parametrize(
    ("header", "texts"),
    [
        ('299 - "one"', ["one"]),
        ('299 - "a \\"quoted\\" word", 299 - "two"', ['a "quoted" word', "two"]),
        ('299 - "50% of it"', ["50% of it"]),
        ("", []),
    ],
)
def test_warning_headers_are_unquoted(header: str, texts: list[str]) -> None:
    assert warning_texts(header) == texts
