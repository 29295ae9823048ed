"""Which external authorizers can be asked."""

from __future__ import annotations

import pytest

from builders import service
from tandem.model.core import ConfigMap
from tandem.model.meta import Meta
from tandem.model.parse import parse
from tandem.model.world import World
from tandem.reference.authorizers import authorizer

AUTH = service("auth", ports=[{"name": "grpc", "port": 9000}])
MESH = """
extensionProviders:
- {name: full, envoyExtAuthzGrpc: {service: auth.default.svc.cluster.local, port: 9000}}
- {name: spaced, envoyExtAuthzHttp: {service: default/auth, port: 9000}}
- {name: port, envoyExtAuthzHttp: {service: default/auth, port: 1}}
- {name: zipkin, zipkin: {service: default/auth, port: 9000}}
- {name: outside, envoyExtAuthzGrpc: {service: auth.test, port: 9000}}
- {name: outside-port, envoyExtAuthzGrpc: {service: auth.test, port: 9001}}
- {name: elsewhere, envoyExtAuthzGrpc: {service: bar/auth.test, port: 9000}}
- {name: twice, envoyExtAuthzHttp: {service: default/auth, port: 9000}}
- {name: twice, envoyExtAuthzHttp: {service: default/auth, port: 9000}}
"""
WORLD = World.of(
    [
        AUTH,
        parse(
            {
                "apiVersion": "networking.istio.io/v1",
                "kind": "ServiceEntry",
                "metadata": {"name": "e", "namespace": "foo"},
                "spec": {"hosts": ["auth.test"], "resolution": "DNS", "ports": [{"number": 9000, "name": "grpc"}]},
            }
        ),
        ConfigMap(
            api_version="v1",
            kind="ConfigMap",
            metadata=Meta(name="istio", namespace="istio-system"),
            data={"mesh": MESH},
        ),
    ]
)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("outside", "grpc"),
        ("outside-port", ""),
        ("elsewhere", ""),
        ("full", "grpc"),
        ("spaced", "http"),
        ("port", ""),
        ("zipkin", ""),
        ("twice", ""),
        ("missing", ""),
    ],
)
def test_a_provider_is_known_by_what_it_speaks(name: str, expected: str) -> None:
    assert authorizer(WORLD, name) == expected
    assert authorizer(World(), name) == ""
