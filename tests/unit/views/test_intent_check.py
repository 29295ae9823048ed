"""Sentences against policies: what holds, what does not, and by which rule."""

from __future__ import annotations

import msgspec
import pytest

from builders import cluster_policy, from_yaml, namespace, pod, policy, service, world
from tandem.model.meta import Object
from tandem.views.intent_check import IntentReport, IntentResult, check
from tandem.views.intents import IntentError, parse_intents

PODS: tuple[Object, ...] = (
    namespace("shop"),
    namespace("legacy"),
    pod("web-0", namespace="shop", ip="10.244.0.2", app="web", ports={"http": 8080}),
    pod("web-1", namespace="shop", ip="10.244.0.3", app="web", ports={"http": 8080}),
    pod("orders", namespace="shop", ip="10.244.0.4", app="orders", ports={"http": 8080, "metrics": 9090}),
    pod("db", namespace="shop", ip="10.244.0.5", app="db", ports={"pg": 5432}),
    pod("mute", namespace="shop", ip="10.244.0.7", app="mute"),
    pod("outsider", namespace="legacy", ip="10.244.0.6", app="outsider"),
    service("orders", ns="shop", selector={"app": "orders"}, ports=[{"name": "web", "port": 80, "targetPort": "http"}]),
)
DB = policy(
    "db",
    ns="shop",
    source="db.yaml:7",
    podSelector={"matchLabels": {"app": "db"}},
    ingress=[{"from": [{"podSelector": {"matchLabels": {"app": "orders"}}}], "ports": [{"port": 5432}]}],
)


def ask(sentence: str, *more: Object) -> IntentResult:
    found = check(world(*PODS, DB, *more), parse_intents(f"namespace: shop\nintents: ['{sentence}']", "i.yaml"))
    assert found.holds is found.results[0].holds
    return found.results[0]


@pytest.mark.parametrize(
    ("sentence", "holds"),
    [
        ("web may reach orders:8080", True),
        ("web may reach orders", True),
        ("orders may reach db:5432", True),
        ("orders may reach db:pg", True),
        ("orders may reach db", True),
        ("orders may reach db:5432-5433", False),
        ("web may reach db:5432", False),
        ("web may not reach db", True),
        ("orders may not reach db", False),
        ("orders may not reach db:5431", True),
        ("orders may not reach db on 5400-5500", False),
        ("orders may not reach db on UDP", True),
        ("only orders may reach db:5432", True),
        ("only web may reach db:5432", False),
        ("nobody outside shop may reach db", True),
        ("nobody in legacy may reach db", True),
        ("nobody may reach db", False),
        ("nobody except orders may reach db", True),
        ("the internet may not reach db", True),
        ("the internet may reach web:8080", True),
        ("10.0.0.0/8 may not reach db", False),
        ("203.0.113.0/24 may not reach db", True),
        ("web may reach the internet:443", True),
        ("db may reach nobody", False),
        ("web may reach svc/orders:80", True),
        ("web may reach svc/orders", True),
        ("legacy/outsider may not reach anyone in shop", False),
    ],
)
def test_sentences(sentence: str, *, holds: bool) -> None:
    assert ask(sentence).holds is holds


def texts(result: IntentResult) -> list[str]:
    return [f.text for f in result.breaches]


def test_the_rule_that_denies_is_named_with_its_line() -> None:
    assert texts(ask("web may reach db:5432")) == [
        (
            "shop/web-0 (and 1 like it) may not reach shop/db on 5432/TCP, "
            "by NetworkPolicy shop/db spec.ingress (db.yaml:7)"
        )
    ]


def test_what_both_families_say_is_told_once() -> None:
    dual = pod("dual", namespace="shop", ip=("10.244.0.8", "fd00::8"), app="dual", ports={"http": 8080})
    client = pod("client", namespace="shop", ip=("10.244.0.9", "fd00::9"), app="client")
    closed = policy("dual", ns="shop", podSelector={"matchLabels": {"app": "dual"}}, policyTypes=["Ingress"])
    result = ask("app=client may reach dual:8080", dual, client, closed)
    assert texts(result) == ["shop/client may not reach shop/dual on 8080/TCP, by NetworkPolicy shop/dual spec.ingress"]
    assert result.cases == 2


def test_the_rule_that_allows_is_named_and_ports_are_one_range() -> None:
    [breach] = ask("orders may not reach db").breaches
    assert breach.ports == ("5432/TCP",)
    assert [str(r) for r in breach.rules] == ["NetworkPolicy shop/db spec.ingress[0] (db.yaml:7)"]
    assert texts(ask("legacy/outsider may not reach web")) == [
        (
            "legacy/outsider may reach shop/web-0 (and 1 like it) on any/TCP, any/UDP, any/SCTP: "
            "no policy isolates the pod for ingress"
        )
    ]


def test_rules_of_tiers_count_and_staged_ones_do_not() -> None:
    rule = {"action": "Deny", "from": [{"namespaces": {}}], "name": "no"}
    denying = cluster_policy("all", ingress=[rule])
    assert texts(ask("orders may reach db:5432", denying)) == [
        'shop/orders may not reach shop/db on 5432/TCP, by ClusterNetworkPolicy all spec.ingress[0] "no"'
    ]
    assert ask("orders may reach db:5432", cluster_policy(notes={"tandem.io/staged": "true"}, ingress=[rule])).holds


def test_the_mesh_may_refuse_what_policies_allow() -> None:
    strict = from_yaml(
        "{apiVersion: security.istio.io/v1, kind: PeerAuthentication, metadata: {name: s, namespace: shop}, "
        "spec: {mtls: {mode: STRICT}}}"
    )
    meshed = namespace("shop", **{"istio-injection": "enabled"})
    assert ask("web may reach orders:8080", meshed, *strict).holds
    result = ask("legacy/outsider may reach orders:8080", meshed, *strict)
    assert texts(result) == [
        "legacy/outsider may not reach shop/orders on 8080/TCP, by PeerAuthentication shop/s spec.mtls"
    ]


@pytest.mark.parametrize(
    ("sentence", "text"),
    [
        ("app=nobody may not reach db", "the words before the verb mean nobody: nothing was checked"),
        ("web may not reach app=nobody", "the words behind the verb mean nobody: nothing was checked"),
        ("web may reach mute", "it declares no port: say which one is meant"),
        ("web may reach the internet", "it declares no port: say which one is meant"),
        ("web may reach orders:pg", "it has no port of this name"),
        ("web may reach svc/orders:8080", "Service orders has no such port"),
    ],
)
def test_what_was_not_checked_does_not_hold(sentence: str, text: str) -> None:
    result = ask(sentence)
    assert (result.holds, texts(result)) == (False, [text])


def test_one_pod_stands_for_those_that_are_like_it() -> None:
    many = [pod(f"p{i}", namespace="shop", ip=f"10.245.{i // 250}.{i % 250 + 2}", app="many") for i in range(600)]
    assert ask("app=many may not reach db:5432", *many).cases == 1
    assert ask("app=many may reach app=many:80", *many).cases == 1
    assert ask("web may reach pod/web-0", *many).cases == 1
    assert ask("pod/web-0 may reach pod/web-0:80").cases == 0


def test_a_pod_without_an_address_is_judged_by_its_labels() -> None:
    waiting = pod("waiting", namespace="shop", ip=(), app="orders", ports={"pg": 5432})
    assert ask("pod/waiting may reach db:5432", waiting).cases == 1
    assert ask("pod/waiting may reach db:5432", waiting).holds
    assert not ask("pod/waiting may reach db:5433", waiting).holds
    assert ask("legacy/outsider may reach pod/waiting", waiting).holds


def test_every_name_that_names_nothing_is_told() -> None:
    with pytest.raises(IntentError) as raised:
        check(world(*PODS), parse_intents("intents: [a may reach b, c may reach d]", "i.yaml"))
    assert len(raised.value.errors) == 2


def test_a_report_goes_through_json_and_back() -> None:
    report = IntentReport(holds=False, broken=1, results=(ask("nobody may reach db"),))
    assert msgspec.json.decode(msgspec.json.encode(report), type=IntentReport) == report
