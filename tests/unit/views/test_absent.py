"""Why a Service has no endpoint: the object and field that it lies in."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from builders import pod, service, sliced
from meshworlds import dr
from tandem.model import core
from tandem.model.meta import Condition, Object
from tandem.reference.request import Share
from tandem.views.absent import why_nobody

SHARE = Share(namespace="default", service="web", port=80)
PORTS = [{"name": "http", "port": 80, "targetPort": "http"}]


def web(**spec: Any) -> core.Service:
    return service("web", ports=PORTS, **{"selector": {"app": "web"}, **spec})


def server(name: str = "web-0", *, message: str = "", deleted: bool = False, **of: Any) -> core.Pod:
    made = pod(name, **{"ip": "10.244.0.5", "labels": {"app": "web"}, "ports": {"http": 8080}, **of})
    status = "False" if message else "True"
    condition = Condition(type="Ready", status=status, message=message)
    meta = msgspec.structs.replace(made.metadata, deletion_timestamp="now" if deleted else None)
    conditions = msgspec.structs.replace(made.status, conditions=(condition,))
    return msgspec.structs.replace(made, metadata=meta, status=conditions)


def told(*objects: Object, version: int = 0, protocol: str = "TCP", **of: Any) -> list[str]:
    share = msgspec.structs.replace(SHARE, **of)
    lines = why_nobody(sliced(*objects), share, protocol=protocol, version=version)
    assert all((line.layer, line.effect) == ("endpoints", "nobody") for line in lines)
    return [f"{line.text} | {line.rule}" for line in lines]


@pytest.mark.parametrize(
    ("objects", "more", "wanted"),
    [
        ((), {}, "there is no Service default/web | None"),
        ((web(),), {"port": 81}, "the Service has no port 81/TCP; it has 80/TCP | Service default/web spec.ports"),
        ((web(),), {"protocol": "UDP"}, "no port 80/UDP; it has 80/TCP | Service default/web spec.ports"),
        (
            (web(selector={}),),
            {},
            (
                "no EndpointSlice labelled with its name has a ready endpoint for the port | "
                "Service default/web spec.selector"
            ),
        ),
        ((web(),), {}, "no pod in namespace default has the labels app=web | Service default/web spec.selector"),
        (
            (web(), server(labels={"app": "wbe"})),
            {},
            "no pod in namespace default has the labels app=web; default/web-0 has app=wbe | Service default/web",
        ),
        (
            (web(), server()),
            {"labels": {"version": "v2"}, "subset": "v2"},
            "none of its 1 pods has the labels version=v2 of subset 'v2' | Service default/web spec.selector",
        ),
        (
            (web(), server(ports={"htpp": 8080})),
            {},
            (
                "no container of default/web-0 has a TCP port named 'http'; it has htpp (8080/TCP) | "
                "Service default/web spec.ports[0].targetPort"
            ),
        ),
        ((web(), server(ports={})), {}, "port named 'http'; it names none | Service default/web spec.ports[0]"),
        (
            (web(), server(message="probe failed: 503")),
            {},
            "default/web-0 is not ready (probe failed: 503) | Pod default/web-0",
        ),
        ((web(), server(deleted=True)), {}, "default/web-0 is being deleted | Pod default/web-0"),
        ((web(), server(ip=(), phase="Pending")), {}, "default/web-0 has no address yet: Pending | Pod default/web-0"),
        ((web(), server()), {"version": 6}, "default/web-0 has no address of IPv6 | Pod default/web-0"),
    ],
)
def test_each_reason_names_its_object(objects: tuple[Object, ...], more: dict[str, Any], wanted: str) -> None:
    [line] = told(*objects, **more)
    assert wanted in line


def test_of_many_pods_some_are_told() -> None:
    pods = [server(f"web-{i}", ip=f"10.244.0.{i}", message="starting") for i in range(5)]
    lines = told(web(), *pods)
    assert lines[3:] == ["and 2 pods more | None"]
    assert len([line for line in lines if "is not ready (starting)" in line]) == 3


def test_a_subset_without_pods_lies_in_the_rule_that_defines_it() -> None:
    rule = dr("web", host="web", subsets=[{"name": "v9", "labels": {"version": "nine"}}])
    found = told(web(), server(), rule, subset="v9", labels={"version": "nine"})
    text = "none of its 1 pods has the labels version=nine of subset 'v9'"
    assert found == [f"{text} | DestinationRule default/web spec.subsets[0].labels"]
