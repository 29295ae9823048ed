"""Problems say the path of the part and the line of its rule."""

from __future__ import annotations

from builders import policy
from tandem.base.problems import Severity
from tandem.model.policynotes import STAGED
from tandem.model.selectors import LabelSelector, Requirement
from tandem.translate.policy.report import Report, origin_of_rule

LINES = {"tandem.io/source": "p.yaml:1", "tandem.io/source-lines": "spec.ingress[0]=7"}


def test_a_part_is_on_the_line_of_its_rule() -> None:
    report = Report(policy(notes=LINES))
    report.error("spec.ingress[0].from[1].ipBlock", "InvalidCidr", "no")
    report.warning("spec.podSelector", "SelectsNoPod", "none")
    error, warning = report.problems
    assert (error.at.path, error.at.source, error.severity) == (
        "spec.ingress[0].from[1].ipBlock",
        "p.yaml:7",
        Severity.ERROR,
    )
    assert (warning.at.source, warning.severity) == ("p.yaml:1", Severity.WARNING)


def test_an_operator_that_nobody_knows_is_told() -> None:
    report = Report(policy())
    unknown = LabelSelector(match_expressions=(Requirement(key="a", operator="Gt", values=("1",)),))
    assert not report.selector(unknown, "spec.podSelector")
    assert report.selector(LabelSelector(), "spec.podSelector")
    assert [p.at.path for p in report.problems] == ["spec.podSelector.matchExpressions[0].operator"]


def test_an_annotation_that_means_nothing_is_told_with_its_path() -> None:
    report = Report(policy(notes={STAGED: "yes"}))
    assert not report.notes().staged
    (problem,) = report.problems
    assert (problem.at.path, problem.code) == ("metadata.annotations[tandem.io/staged]", "InvalidAnnotation")


def test_an_annotation_that_no_policy_has_is_told_with_the_one_that_may_be_meant() -> None:
    report = Report(policy(notes={"tandem.io/stage": "true"}))
    assert not report.notes().staged
    (problem,) = report.problems
    assert (problem.at.path, problem.severity) == ("metadata.annotations[tandem.io/stage]", Severity.WARNING)
    assert problem.text.endswith("(did you mean tandem.io/staged?)")


def test_the_name_of_a_rule_stands_behind_its_path() -> None:
    obj = policy(notes=LINES)
    assert origin_of_rule(obj, "spec.ingress[0]", "").path == "spec.ingress[0]"
    named = origin_of_rule(obj, "spec.ingress[0]", "dns")
    assert (named.path, named.source) == ('spec.ingress[0] "dns"', "p.yaml:7")
