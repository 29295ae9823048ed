"""FROM and TO, in every form that may be written."""

from __future__ import annotations

import msgspec
import pytest

from builders import endpoint_slice, pod, service
from gatewayworlds import gateway, standing
from tandem.model import core
from tandem.model.meta import Condition, Meta, Object, OwnerReference
from tandem.model.world import World
from tandem.views.parties import destination_of, source_of
from tandem.views.ports import ExplainError

WEB = pod("web-0", namespace="shop", ip="10.244.0.5", app="web", ports={"http": 8080})
DONE = pod("web-00", namespace="shop", ip="10.244.0.5", app="web", phase="Succeeded")
BARE = pod("bare", ip="10.244.0.6")
TWO = pod("two", ip="10.244.0.7", ports={"a": 1, "b": 2})
SVC = service("web", ns="shop", ip="10.96.0.20")
MANY = service("many", ip="10.96.0.21", ports=[{"name": "a", "port": 80}, {"name": "b", "port": 81}])
LONE = service("lone", ip="10.96.0.22")


def deployment(name: str = "web") -> core.Deployment:
    return core.Deployment(api_version="apps/v1", kind="Deployment", metadata=Meta(name=name, namespace="shop"))


def owned(
    name: str, *, kind: str = "Deployment", owner: str = "web", ready: bool = True, template: str = ""
) -> core.Pod:
    made = pod(name, namespace="shop", labels={"pod-template-hash": template} if template else {})
    reference = OwnerReference(kind=kind, name=owner, controller=True)
    condition = Condition(type="Ready", status="True" if ready else "False")
    return msgspec.structs.replace(
        made,
        metadata=msgspec.structs.replace(made.metadata, owner_references=(reference,)),
        status=msgspec.structs.replace(made.status, conditions=(condition,)),
    )


def world(*more: Object) -> World:
    return World.of([DONE, WEB, BARE, TWO, SVC, MANY, LONE, endpoint_slice(SVC, [WEB]), *more])


def test_the_service_that_stands_for_a_gateway_is_the_gateway() -> None:
    made = gateway("edge")
    found = world(made, standing(made, ip="10.96.0.77"))
    for to in ("svc/edge-tandem:80", "10.96.0.77:80", "edge-tandem.default.svc.cluster.local:80"):
        party = destination_of(found, to, "default")
        assert (party.label, party.gateway, party.address) == ("default/gateway/edge:80", made, "10.96.0.77")


@pytest.mark.parametrize(
    ("text", "namespace", "label"),
    [
        ("bare", "default", "default/bare"),
        ("web-0", "shop", "shop/web-0"),
        ("shop/web-0", "default", "shop/web-0"),
        ("pod/web-0", "shop", "shop/web-0"),
        ("shop/pod/web-0", "default", "shop/web-0"),
        ("shop/svc/web", "default", "shop/web-0"),
        ("svc/web", "shop", "shop/web-0"),
        ("10.244.0.5", "default", "shop/web-0"),
        ("203.0.113.9", "default", "203.0.113.9"),
        ("fd00::9", "default", "fd00::9"),
    ],
)
def test_from_may_be_a_pod_a_service_or_an_address(text: str, namespace: str, label: str) -> None:
    assert source_of(world(), text, namespace).label == label


@pytest.mark.parametrize(
    ("text", "label", "port"),
    [
        ("shop/web-0:9090", "shop/web-0:9090", 9090),
        ("shop/web-0", "shop/web-0:8080", 8080),
        ("shop/svc/web", "shop/svc/web:80", 80),
        ("shop/service/web:80", "shop/svc/web:80", 80),
        ("many", "", 0),
        ("svc/many:81", "default/svc/many:81", 81),
        ("10.96.0.20", "shop/svc/web:80", 80),
        ("10.244.0.5:8080", "shop/web-0:8080", 8080),
        ("203.0.113.9:443", "203.0.113.9:443", 443),
        ("[fd00::9]:443", "fd00::9:443", 443),
    ],
)
def test_to_has_a_port_that_is_given_or_the_only_one(text: str, label: str, port: int) -> None:
    if not label:
        with pytest.raises(ExplainError, match="no Pod default/many"):
            destination_of(world(), text, "default")
        return
    found = destination_of(world(), text, "default")
    assert (found.label, found.port) == (label, port)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "TO is empty"),
        ("shop/gone:80", r"no Pod shop/gone \(a Deployment is written shop/deploy/NAME, a Service"),
        ("shop/web:80", r"no Pod shop/web \(there is shop/svc/web\)"),
        ("shop/svc/gone:80", "no Service shop/gone"),
        ("shop/deploy/gone:80", "no Deployment shop/gone"),
        ("a/b/c/d:80", "a/b/c/d: write"),
        ("svc/:80", "svc/: write"),
        ("shop/cm/x:80", "shop/cm/x: write"),
        ("svc/many", r"svc/many: which port\? Write svc/many:PORT \(80, 81\)"),
        ("two", r"two: which port\? Write two:PORT \(1, 2\)"),
        ("bare", r"none is declared"),
        ("203.0.113.9", "which port"),
        ("svc/many:99", "the Service has no port 99; it has 80, 81"),
        ("bare:http", "bare: there is no port named http; none has a name"),
        ("bare:0", "the port is a number from 1 to 65535"),
        ("bare:65536", "the port is a number from 1 to 65535"),
    ],
)
def test_what_cannot_be_meant_is_told(text: str, message: str) -> None:
    with pytest.raises(ExplainError, match=message):
        destination_of(world(), text, "default")


def test_an_empty_from_is_told() -> None:
    with pytest.raises(ExplainError, match="FROM is empty"):
        source_of(world(), "", "default")


def test_a_service_without_pods_cannot_be_from() -> None:
    with pytest.raises(ExplainError, match="svc/lone: no pod is behind this Service"):
        source_of(world(), "svc/lone", "default")


def test_the_address_of_a_finished_pod_is_not_that_pod() -> None:
    """`web-00` has had the address that `web-0` has now."""
    assert source_of(world(), "10.244.0.5", "default").label == "shop/web-0"


def test_a_deployment_is_one_of_its_ready_pods() -> None:
    pods = (owned("web-a", ready=False), owned("web-b"), owned("other", owner="db"))
    assert source_of(world(deployment(), *pods), "shop/deploy/web", "default").label == "shop/web-b"


def test_a_deployment_without_a_ready_pod_is_any_of_its_pods() -> None:
    assert source_of(world(deployment(), owned("web-a", ready=False)), "shop/deploy/web", "x").label == "shop/web-a"


def test_on_a_real_cluster_a_replicaset_stands_between() -> None:
    mine = owned("web-a", kind="ReplicaSet", owner="web-5bf4", template="5bf4")
    other = owned("web-a-b", kind="ReplicaSet", owner="web-api-77", template="77")
    assert source_of(world(deployment(), other, mine), "shop/deploy/web", "x").label == "shop/web-a"


def test_a_deployment_without_pods_is_told() -> None:
    with pytest.raises(ExplainError, match="Deployment shop/web has no pods"):
        source_of(world(deployment()), "shop/deploy/web", "x")


@pytest.mark.parametrize("text", ["API.Example.com.", "api.example.com"])
def test_what_has_a_dot_and_is_no_pod_is_a_domain_name(text: str) -> None:
    found = destination_of(world(), f"{text}:443", "default")
    assert (found.label, found.domain, found.port, found.address) == ("api.example.com:443", "api.example.com", 443, "")


def test_a_pod_may_have_a_dot_in_its_name() -> None:
    dotted = pod("v1.api", ip="10.244.0.9")
    assert destination_of(world(dotted), "v1.api:80", "default").pod == dotted


@pytest.mark.parametrize("text", ["10.244.0:80", "a..b:80", "-a.b:80", "shop/a.b:80", "*.example.com:80"])
def test_other_words_with_a_dot_are_none(text: str) -> None:
    with pytest.raises(ExplainError):
        destination_of(world(), text, "default")


def test_the_port_of_a_domain_name_has_to_be_said() -> None:
    with pytest.raises(ExplainError, match=r"which port\? Write example\.com:PORT"):
        destination_of(world(), "example.com", "default")
