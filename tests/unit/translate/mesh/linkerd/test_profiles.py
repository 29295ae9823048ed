"""ServiceProfiles as routes and budgets; which route a request is of is shown in tests/property/test_profiles.py."""

from __future__ import annotations

from builders import service
from linkerdworlds import Raw, profile
from meshworlds import dr
from tandem.ir.mesh import Backend, Forward, Respond, RouteTable
from tandem.ir.traffic import Limits
from tandem.model.meta import Object
from tandem.model.world import World
from tandem.translate.mesh import translate_mesh
from tandem.translate.mesh.linkerd.profiles import TIMEOUT_MS, TRIES, UNSENT
from tandem.translate.options import Options

HTTP = [{"name": "http", "port": 80}]
GET: Raw = {"name": "get", "condition": {"method": "GET"}}


def run(*objects: Object) -> tuple[dict[str, RouteTable], dict[str, Limits], list[tuple[str, str]]]:
    services = [service(name, ports=HTTP) for name in ("a", "b")]
    ir, problems = translate_mesh(World.of([*services, *objects]), Options())
    limits = {name: policy.traffic.limits for name, policy in ir.policies.items()}
    return dict(ir.tables), limits, [(p.code, p.at.path) for p in problems]


def test_a_route_ends_after_ten_seconds_and_is_tried_again_only_if_it_may_be() -> None:
    again = {**GET, "name": "again", "isRetryable": True, "timeout": "300ms"}
    tables, limits, told = run(profile("a", GET, again))
    first, second, rest = tables["default/a"].routes
    assert (first.timeout_ms, first.retry, rest.timeout_ms, rest.retry) == (TIMEOUT_MS, UNSENT, 0, UNSENT)
    assert second.retry is not None
    assert (second.timeout_ms, second.retry.attempts, second.retry.retriable_codes) == (
        300,
        TRIES,
        tuple(range(500, 600)),
    )
    assert limits["default/a"] == Limits(budget_percent=20.0, budget_least=10, budget_interval_ms=10_000)
    assert told == []


def test_a_profile_in_another_namespace_is_for_the_pods_there() -> None:
    tables, limits, told = run(profile("a", GET, ns="shop", retryBudget={"retryRatio": 0.5}))
    assert (list(tables), limits, told) == (["default/a@shop"], {}, [("NoEffect", "spec.retryBudget")])


def test_overrides_have_shares_by_weight_also_of_thousandths() -> None:
    overrides = [
        {"authority": "a.default.svc.cluster.local", "weight": "500m"},
        {"authority": "b.default.svc.cluster.local:80", "weight": 2},
        {"authority": "b.default.svc.cluster.local", "weight": 0},
    ]
    tables, _, told = run(profile("a", dstOverrides=overrides))
    (rest,) = tables["default/a"].routes
    assert isinstance(rest.action, Forward)
    assert rest.action.backends == (
        Backend(namespace="default", service="a", weight=1),
        Backend(namespace="default", service="b", port=80, weight=4),
    )
    assert told == []


def test_what_stands_for_it_and_is_not_there_keeps_its_share() -> None:
    gone = {"authority": "gone.default.svc.cluster.local", "weight": 1}
    tables, _, told = run(profile("a", dstOverrides=[gone]))
    assert isinstance(tables["default/a"].routes[0].action, Respond)
    assert told == [("BackendNotFound", "spec.dstOverrides[0].authority")]


def test_a_profile_that_cannot_be_enforced_is_not_applied() -> None:
    for broken, code, path in (
        (profile("gone", GET), "HostNotFound", "metadata.name"),
        (profile("a", {"name": "r", "condition": {"pathRegex": "("}}), "InvalidValue", "spec.routes[0].condition"),
        (profile("a", {**GET, "timeout": "soon"}), "InvalidValue", "spec.routes[0].timeout"),
    ):
        tables, _, told = run(broken)
        assert (tables, told) == ({}, [(code, path)])


def test_what_has_no_counterpart_is_told() -> None:
    classes = [{"condition": {"status": {"min": 404}}, "isFailure": True}]
    budget = {"retryRatio": 0.5, "minRetriesPerSecond": 3, "ttl": "30s"}
    spec: Raw = {"opaquePorts": ["80", "x"], "retryBudget": budget}
    _, limits, told = run(profile("a", {**GET, "responseClasses": classes}, **spec))
    assert limits["default/a"] == Limits(budget_percent=50.0, budget_least=3, budget_interval_ms=30_000)
    assert told == [
        ("InvalidValue", "spec.opaquePorts"),
        ("NoEffect", "spec.opaquePorts"),
        ("NoEffect", "spec.routes[0].responseClasses"),
    ]


def test_bounds_that_a_destination_rule_has_stay() -> None:
    bounded = dr("a", host="a", trafficPolicy={"connectionPool": {"http": {"maxRetries": 7}}})
    _, limits, _ = run(profile("a", retryBudget={"retryRatio": 0.5}), bounded)
    assert (limits["default/a"].retries, limits["default/a"].budget_percent) == (7, None)
