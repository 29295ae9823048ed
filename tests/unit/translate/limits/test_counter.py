"""Who counts for all proxies together, and what holds where nobody can be asked."""

from __future__ import annotations

from typing import Any

import pytest

from builders import service
from meshworlds import Raw, limit_at, ratelimit
from tandem.ir.limits import Counter
from tandem.model.meta import Object
from tandem.model.parse import parse
from tandem.model.world import World
from tandem.translate.limits.found import Limits
from tandem.translate.limits.targets import read_limits

GRPC = [{"name": "grpc", "port": 8081}, {"name": "http", "port": 8080}]
COUNTER = service("counter", ns="limits", ports=GRPC)
WEB = service("web", ports=[{"name": "http", "port": 80}])
GRANT = parse(
    {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "ReferenceGrant",
        "metadata": {"name": "g", "namespace": "limits"},
        "spec": {
            "from": [{"group": "tandem.io", "kind": "RateLimit", "namespace": "default"}],
            "to": [{"group": "", "kind": "Service"}],
        },
    }
)
REF: Raw = {"name": "counter", "namespace": "limits", "port": 8081}


def read(*objects: Object, ref: Raw = REF, staged: bool = False, **counter: Any) -> Limits:
    policy = ratelimit(limit_at("Service", "web"), staged=staged, counter={"backendRef": ref, **counter})
    return read_limits(World.of([WEB, COUNTER, policy, *objects]))


def counters(found: Limits) -> list[Counter | None]:
    return [one.counter for sections in found.services.values() for _, one in sections]


def test_the_counter_is_a_service_that_speaks_grpc() -> None:
    found = read(GRANT, timeout="50ms", domain="shop", onFailure="Allow")
    assert counters(found) == [
        Counter(namespace="limits", service="counter", port=8081, domain="shop", timeout_ms=50, fail_open=True)
    ]
    assert found.problems == ()
    (plain,) = counters(read(GRANT))
    assert plain is not None
    assert (plain.domain, plain.timeout_ms, plain.fail_open) == ("tandem", 100, False)


@pytest.mark.parametrize(
    ("ref", "granted", "code"),
    [
        (REF, (), "RefNotPermitted"),
        ({**REF, "name": "none"}, (GRANT,), "BackendNotFound"),
        ({**REF, "port": 99}, (GRANT,), "BackendNotFound"),
        ({**REF, "port": 8080}, (GRANT,), "UnsupportedProtocol"),
        ({**REF, "kind": "Pod"}, (GRANT,), "InvalidKind"),
    ],
)
def test_one_that_cannot_be_asked_refuses_what_it_should_count(
    ref: Raw, granted: tuple[Object, ...], code: str
) -> None:
    found = read(*granted, ref=ref)
    assert [(p.at.path, p.code) for p in found.problems] == [("spec.counter.backendRef", code)]
    (counter,) = counters(found)
    assert counter == Counter(domain="tandem", timeout_ms=100)
    assert counters(read(*granted, ref=ref, onFailure="Allow")) == []


def test_a_staged_policy_asks_its_counter_too() -> None:
    found = read(GRANT, staged=True)
    assert found.problems == ()
    assert counters(found) == counters(read(GRANT))
