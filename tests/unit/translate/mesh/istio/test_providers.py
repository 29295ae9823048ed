"""extensionProviders of the mesh configuration."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from builders import service
from tandem.base.problems import Severity
from tandem.ir.authz import CheckBody, ExternalCheck, Suffix
from tandem.ir.mesh import Exact, Prefix, Present
from tandem.model.core import ConfigMap
from tandem.model.meta import Meta
from tandem.model.parse import parse
from tandem.model.world import World
from tandem.translate.mesh.istio.providers import provider_problems, read_providers
from tandem.translate.options import Options

AUTH = service("auth", ns="foo", ports=[{"name": "grpc", "port": 9000}, {"name": "http", "port": 8000}])
HOST = "auth.foo.svc.cluster.local"


def mesh(text: str) -> ConfigMap:
    meta = Meta(name="istio", namespace="istio-system")
    return ConfigMap(api_version="v1", kind="ConfigMap", metadata=meta, data={"mesh": text})


def read(*providers: Any) -> Any:
    return read_providers(World.of([AUTH, mesh(yaml.safe_dump({"extensionProviders": list(providers)}))]), Options())


def grpc(name: str = "p", **fields: Any) -> Any:
    return {"name": name, "envoyExtAuthzGrpc": {"service": HOST, "port": 9000, **fields}}


def http(name: str = "p", **fields: Any) -> Any:
    return {"name": name, "envoyExtAuthzHttp": {"service": HOST, "port": 8000, **fields}}


def test_what_is_not_said_is_as_istio_has_it() -> None:
    expected = ExternalCheck(name="p", namespace="foo", service="auth", port=9000, grpc=True, timeout_ms=600_000)
    assert read(grpc()) == {"p": expected}
    assert (expected.fail_open, expected.status_on_error) == (False, 403)


def test_a_port_in_quotes_as_istios_pages_write_it_is_that_port() -> None:
    assert read(grpc(port="9000")) == read(grpc())
    assert read({"name": "p", "envoy_ext_authz_grpc": {"service": HOST, "port": 9000}}) == read(grpc())


def test_every_field_is_carried() -> None:
    found = read(
        http(
            timeout="2s",
            pathPrefix="/check",
            failOpen=True,
            clearRouteCache=True,
            statusOnError="503",
            includeRequestHeadersInCheck=["x-*", "*-id", "cookie"],
            includeAdditionalHeadersInCheck={"x-mesh": "ours"},
            includeRequestBodyInCheck={"maxRequestBytes": 8, "allowPartialMessage": True, "packAsBytes": True},
            headersToUpstreamOnAllow=["*"],
            headersToDownstreamOnDeny=["x-why"],
            headersToDownstreamOnAllow=["set-cookie"],
        )
    )
    assert found["p"] == ExternalCheck(
        name="p",
        namespace="foo",
        service="auth",
        port=8000,
        grpc=False,
        timeout_ms=2000,
        fail_open=True,
        status_on_error=503,
        clear_route_cache=True,
        body=CheckBody(max_bytes=8, partial=True, raw=True),
        path_prefix="/check",
        request_headers=(Prefix("x-"), Suffix("-id"), Exact("cookie")),
        added_headers=(("x-mesh", "ours"),),
        upstream_on_allow=(Present(),),
        downstream_on_deny=(Exact("x-why"),),
        downstream_on_allow=(Exact("set-cookie"),),
    )


def test_the_former_name_of_a_field_is_known() -> None:
    assert read(http(includeHeadersInCheck=["x"]))["p"].request_headers == (Exact("x"),)


def test_a_service_may_be_named_with_its_namespace() -> None:
    assert read(grpc(service="foo/auth"))["p"].namespace == "foo"


def outside(service: str, **spec: Any) -> Any:
    """What is read of a provider outside; keywords are fields of the ServiceEntry."""
    ports = [{"number": 9000, "name": "grpc", "protocol": "GRPC"}]
    given = {"hosts": ["auth.test"], "resolution": "DNS", "ports": ports, **spec}
    entry = parse(
        {
            "apiVersion": "networking.istio.io/v1",
            "kind": "ServiceEntry",
            "metadata": {"name": "e", "namespace": "foo"},
            "spec": given,
        }
    )
    config = mesh(yaml.safe_dump({"extensionProviders": [grpc(service=service)]}))
    return read_providers(World.of([entry, config]), Options())["p"]


def test_a_host_of_a_service_entry_can_be_asked_where_it_is_seen() -> None:
    for text in ("auth.test", "foo/AUTH.test"):
        found = outside(text)
        assert (found.namespace, found.service, found.port, found.grpc) == ("foo", "auth.test", 9000, True)
    for wrong in (
        outside("bar/auth.test"),
        outside("auth.test", exportTo=["."]),
        outside("auth.test", resolution="NONE"),
    ):
        assert "there is no Service" in wrong


def test_a_host_at_the_loopback_is_asked_inside_the_pod() -> None:
    ends = [{"address": "127.0.0.1", "ports": {"grpc": 9001}}]
    assert outside("auth.test", resolution="STATIC", endpoints=ends).own == ("127.0.0.1", 9001)
    assert outside("auth.test", resolution="STATIC", endpoints=[{"address": "::1"}]).own == ("::1", 9000)
    assert outside("auth.test", resolution="STATIC", endpoints=[{"address": "192.0.2.1"}]).own is None
    both = [*ends, {"address": "192.0.2.1"}]
    assert "there is no Service" in outside("auth.test", resolution="STATIC", endpoints=both)


@pytest.mark.parametrize(
    ("provider", "words"),
    [
        (grpc(service="auth.bar.svc.cluster.local"), "envoyExtAuthzGrpc.service: there is no Service"),
        (grpc(port=9001), "envoyExtAuthzGrpc.service: there is no Service"),
        (grpc(port=8000), "envoyExtAuthzGrpc.port: 8000"),
        (http(port=9000), "envoyExtAuthzHttp.port: 9000"),
        (grpc(statusOnError="99"), "statusOnError"),
        (grpc(onSundays=True), "onSundays"),
        (http(timeout="soon"), "timeout"),
        ({"name": "p", "zipkin": {}}, "authorizes nobody"),
    ],
)
def test_what_cannot_be_used_is_known_with_what_is_wrong(provider: Any, words: str) -> None:
    found = read(provider)["p"]
    assert isinstance(found, str)
    assert words in found


def test_a_name_that_is_given_twice_is_nobodys() -> None:
    assert read(grpc(), grpc())["p"] == "extensionProviders[1].name: 'p' is defined twice"


def test_what_cannot_be_used_is_told_whether_a_policy_names_it_or_not() -> None:
    listed = [grpc("good"), {"name": "t", "zipkin": {}}, grpc("more", surplus=1), {"envoyExtAuthzHttp": {}}, 5]
    text = yaml.safe_dump({"extensionProviders": listed})
    found = provider_problems(World.of([AUTH, mesh(text)]), Options())
    assert [p.text.partition(":")[0] for p in found] == [
        "extensionProviders[1]",
        "extensionProviders[2].envoyExtAuthzGrpc.surplus",
        "extensionProviders[3].name",
        "extensionProviders[4].name",
    ]
    assert {(str(p.at.kind), p.at.path, p.severity) for p in found} == {("ConfigMap", "data.mesh", Severity.WARNING)}
    assert provider_problems(World(), Options()) == ()


@pytest.mark.parametrize("text", ["", "[", "no", "extensionProviders: 5", "extensionProviders: [5]"])
def test_a_configuration_that_is_none_has_no_providers(text: str) -> None:
    assert read_providers(World.of([mesh(text)]), Options()) == {}
    assert read_providers(World(), Options()) == {}
