"""What each target of a RateLimit is, who has it, and what is wrong with it."""

from __future__ import annotations

import pytest

from builders import service
from gatewayworlds import gateway, gateway_class, listener
from meshworlds import grpcroute, httproute, limit_at, ratelimit
from tandem.model.meta import Object
from tandem.model.world import World
from tandem.translate.limits.found import Limits
from tandem.translate.limits.targets import read_limits

HTTP = [{"name": "http", "port": 80}]
WEB = service("web", ports=[*HTTP, {"name": "admin", "port": 81}, {"name": "mysql", "port": 3306}])
RULES = [{"name": "first"}, {"name": "second"}]
BASE: tuple[Object, ...] = (
    WEB,
    gateway_class(),
    gateway("edge", listener("http"), listener("other", 81)),
    gateway("theirs", gatewayClassName="other"),
    httproute("hr", rules=RULES),
    grpcroute("gr", rules=RULES),
)


UNKNOWN = [("spec.limits[0].by[0].type", "UnsupportedValue")]


def read(*objects: Object) -> Limits:
    return read_limits(World.of([*BASE, *objects]))


def told(*objects: Object) -> list[tuple[str, str]]:
    return [(p.at.path, p.code) for p in read(*objects).problems]


def test_each_target_has_what_is_counted_there() -> None:
    refs = (limit_at("Service", "web", "http"), limit_at("HTTPRoute", "hr", "second"), limit_at("GRPCRoute", "gr"))
    found = read(ratelimit(*refs, limit_at("Gateway", "edge", "other")))
    names = {
        key: [(section, one.name) for section, one in sections]
        for kind in (found.services, found.routes, found.gateways)
        for key, sections in kind.items()
    }
    assert names == {
        ("default", "web"): [("http", "default/few/0")],
        ("HTTPRoute", ("default", "hr")): [(1, "default/few/1")],
        ("GRPCRoute", ("default", "gr")): [(None, "default/few/2")],
        ("default", "edge"): [("other", "default/few/3")],
    }
    assert found.problems == ()
    ((_, one),) = found.gateways["default", "edge"]
    assert (str(one.origin), one.staged, one.retry_after, one.tells) == (
        "RateLimit default/few spec.targetRefs[3]",
        False,
        True,
        False,
    )


@pytest.mark.parametrize(
    ("kind", "name", "section", "wanted"),
    [
        ("Service", "none", "", ("spec.targetRefs[0].name", "TargetNotFound")),
        ("Service", "web", "none", ("spec.targetRefs[0].sectionName", "TargetNotFound")),
        ("Service", "web", "mysql", ("spec.targetRefs[0]", "PortNotHTTP")),
        ("HTTPRoute", "none", "", ("spec.targetRefs[0].name", "TargetNotFound")),
        ("HTTPRoute", "hr", "third", ("spec.targetRefs[0].sectionName", "TargetNotFound")),
        ("GRPCRoute", "hr", "", ("spec.targetRefs[0].name", "TargetNotFound")),
        ("Gateway", "none", "", ("spec.targetRefs[0].name", "TargetNotFound")),
        ("Gateway", "edge", "third", ("spec.targetRefs[0].sectionName", "TargetNotFound")),
        ("Gateway", "theirs", "", ("spec.targetRefs[0].name", "NotOurs")),
    ],
)
def test_a_target_that_is_not_there_is_told_and_has_nothing(
    kind: str, name: str, section: str, wanted: tuple[str, str]
) -> None:
    found = read(ratelimit(limit_at(kind, name, section)))
    assert [(p.at.path, p.code) for p in found.problems] == [wanted]
    assert (found.services, found.routes, found.gateways) == ({}, {}, {})


def test_ports_that_are_not_http_are_told_beside_those_that_are() -> None:
    found = read(ratelimit(limit_at("Service", "web")))
    assert [(p.code, p.severity.value) for p in found.problems] == [("PortNotHTTP", "warning")]
    assert list(found.services) == [("default", "web")]
    assert "port 81, 3306 of Service default/web" in found.problems[0].text


def test_of_two_at_one_target_the_older_holds_and_of_two_that_are_staged_too() -> None:
    ref = limit_at("HTTPRoute", "hr")
    old = ratelimit(ref, name="z", created="2026-01-01T00:00:00Z")
    young = ratelimit(limit_at("Service", "web"), ref, name="a", created="2026-02-01T00:00:00Z")
    trial = ratelimit(ref, name="trial", created="2026-03-01T00:00:00Z", staged=True)
    found = read(young, old, trial)
    assert [(p.at.name, p.at.path, p.code) for p in found.problems if p.code == "Conflicted"] == [
        ("a", "spec.targetRefs[1]", "Conflicted")
    ]
    assert [one.name for _, one in found.routes["HTTPRoute", ("default", "hr")]] == ["default/z/0", "default/trial/0"]
    assert [one.name for _, one in found.services["default", "web"]] == ["default/a/0"]


def test_the_whole_and_a_section_are_two_targets_and_the_whole_comes_first() -> None:
    found = read(
        ratelimit(limit_at("HTTPRoute", "hr", "first"), name="a"), ratelimit(limit_at("HTTPRoute", "hr"), name="b")
    )
    assert [(s, one.name) for s, one in found.routes["HTTPRoute", ("default", "hr")]] == [
        (None, "default/b/0"),
        (0, "default/a/0"),
    ]
    assert found.problems == ()


@pytest.mark.parametrize(
    ("kind", "name", "key", "wanted"),
    [
        ("Service", "web", "Claim", []),
        ("Service", "web", "Namespace", []),
        ("HTTPRoute", "hr", "Namespace", []),
        ("HTTPRoute", "hr", "Claim", UNKNOWN),
        ("Gateway", "edge", "Namespace", UNKNOWN),
        ("Gateway", "edge", "ServiceAccount", UNKNOWN),
        ("Gateway", "edge", "Claim", []),
        ("Gateway", "edge", "Address", []),
    ],
)
def test_what_nobody_knows_of_a_request_at_the_target_refuses_it(
    kind: str, name: str, key: str, wanted: list[tuple[str, str]]
) -> None:
    by = [{"type": key, **({"name": "sub"} if key == "Claim" else {})}]
    found = read(ratelimit(limit_at(kind, name), limits=[{"requests": 1, "unit": "Hour", "by": by}]))
    wrong = [(p.at.path, p.code) for p in found.problems if p.severity.value == "error"]
    assert wrong == wanted
    assert bool(found.services or found.routes or found.gateways) is not bool(wanted)


def test_what_is_wrong_with_the_limits_refuses_the_whole() -> None:
    matches = [{"path": {"type": "RegularExpression", "value": "("}}]
    bad = ratelimit(limit_at("HTTPRoute", "hr"), limits=[{"requests": 1, "unit": "Hour", "matches": matches}])
    found = read(bad)
    assert [p.at.path for p in found.problems] == ["spec.limits[0].matches[0].path.value"]
    assert found.routes == {}


def test_a_port_that_says_nothing_is_http_for_the_limits_sake() -> None:
    plain = service("plain", ports=[{"port": 80}])
    found = read_limits(World.of([plain, ratelimit(limit_at("Service", "plain"))]))
    assert (found.problems, found.named) == ((), {"default/plain": frozenset()})
    found = read(ratelimit(limit_at("Service", "web", "admin")))
    assert (found.problems, found.named) == ((), {"default/web": frozenset({81})})


def test_a_policy_of_another_namespace_has_no_target_here() -> None:
    assert told(ratelimit(limit_at("Service", "web"), ns="shop")) == [("spec.targetRefs[0].name", "TargetNotFound")]
