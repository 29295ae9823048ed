"""Which rules hold for whom, and of which callers somebody is the first."""

from __future__ import annotations

from typing import Any

from meshworlds import dr
from tandem.model.istio import DestinationRule
from tandem.translate.mesh.istio.callers import Labels, Lookup, closest, exported

HOST = "web.default.svc.cluster.local"
TILL = {"matchLabels": {"app": "till"}}


def rule(name: str, ns: str, *, host: str = HOST, **spec: Any) -> DestinationRule:
    return dr(name, ns=ns, host=host, **spec)


def found(*rules: DestinationRule) -> tuple[list[str], dict[tuple[str, Labels], list[str]]]:
    """The names of the rules for everybody, and for each group of callers."""
    lookup = Lookup(rules, ("default", "web"), "istio-system")
    groups = {(g.namespace, g.labels): [r.metadata.name for r in g.rules] for g in lookup.groups()}
    return [r.metadata.name for r in lookup.everybody()], groups


def test_rules_for_everybody_make_no_groups() -> None:
    assert found(rule("a", "default"), rule("b", "default"), rule("r", "istio-system")) == (["a", "b"], {})
    assert found(rule("r", "istio-system")) == (["r"], {})
    assert found() == ([], {})


def test_a_rule_beside_the_caller_comes_first_and_is_for_nobody_else() -> None:
    assert found(rule("a", "default"), rule("s", "shop")) == (["a"], {("shop", ()): ["s"]})
    assert found(rule("s", "shop")) == ([], {("shop", ()): ["s"]})


def test_what_is_exported_to_some_is_for_those_and_the_next_place_for_others() -> None:
    few, root = rule("few", "default", exportTo=["shop", "."]), rule("r", "istio-system")
    assert found(few, root) == (["r"], {("default", ()): ["few"], ("shop", ()): ["few"]})
    assert found(rule("gone", "shop", exportTo=["bank"])) == ([], {})


def test_in_the_root_namespace_what_is_for_nobody_else_comes_first() -> None:
    own, every = rule("own", "istio-system", exportTo=["."]), rule("every", "istio-system")
    assert found(own, every, rule("a", "default")) == (["a"], {("istio-system", ()): ["own"]})
    assert found(every, rule("a", "default"))[1] == {}


def test_a_selector_is_for_its_own_namespace_and_comes_before_what_has_none() -> None:
    plain, few = rule("plain", "shop"), rule("few", "shop", workloadSelector=TILL)
    both = {("shop", (("app", "till"),)): ["few"], ("shop", ()): ["plain"]}
    assert found(plain, few) == ([], both)
    assert list(found(plain, few)[1]) == list(both)
    assert found(rule("a", "default"), few) == (["a"], {("shop", (("app", "till"),)): ["few"]})
    assert found(rule("beside", "default", workloadSelector=TILL))[0] == []


def test_a_host_that_says_more_comes_before_a_selector_that_says_less() -> None:
    wide = rule("wide", "shop", host="*.default.svc.cluster.local", workloadSelector=TILL)
    assert found(rule("itself", "shop"), wide)[1] == {("shop", ()): ["itself"]}
    assert found(rule("wider", "shop", host="*"), wide)[1] == {
        ("shop", (("app", "till"),)): ["wide"],
        ("shop", ()): ["wider"],
    }


def test_rules_with_the_same_selector_are_joined_and_the_first_of_others_wins() -> None:
    other = rule("other", "shop", workloadSelector={"matchLabels": {"tier": "a"}})
    groups = found(rule("a", "shop", workloadSelector=TILL), other, rule("b", "shop", workloadSelector=TILL))[1]
    assert list(groups.values()) == [["a", "b"], ["other"]]


def test_patterns_say_less_than_the_host_itself() -> None:
    wide, near, itself = rule("w", "shop", host="*"), rule("n", "shop", host="*.local"), rule("i", "shop")
    assert closest([wide, near]) == (near,)
    assert closest([wide, near, itself]) == (itself,)
    assert closest([]) == ()


def test_an_export_names_namespaces() -> None:
    assert exported(rule("a", "shop"), "")
    assert [exported(rule("a", "shop", exportTo=["."]), n) for n in ("shop", "bank", "")] == [True, False, False]
    assert [exported(rule("a", "shop", exportTo=["bank"]), n) for n in ("shop", "bank")] == [False, True]
