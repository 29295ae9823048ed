"""What cannot be read is told of."""

from __future__ import annotations

from builders import world
from tandem.base.problems import Origin, Severity
from tandem.model.closing import read_policy
from tandem.model.unreadable import UNREADABLE, unreadable
from tandem.translate.unreadable import unreadable_problems


def test_the_field_is_named() -> None:
    obj = unreadable({"kind": "Pod", "metadata": {"namespace": "shop", "name": "a"}}, "spec.nodeName: Expected `str`")
    (problem,) = unreadable_problems(world().with_changes(UNREADABLE, {obj.key: obj}, synced=True))
    assert problem.at == Origin(kind="Pod", namespace="shop", name="a", path="spec.nodeName")
    assert (problem.code, problem.severity) == ("NotUnderstood", Severity.ERROR)
    assert problem.text == "Expected `str`: the object is left out"


def test_encryption_that_is_not_understood_counts_as_strict() -> None:
    meta = {"namespace": "shop", "name": "a"}
    raw = {"apiVersion": "security.istio.io/v1", "kind": "PeerAuthentication", "metadata": meta, "spec": {"mtls": 7}}
    (problem,) = unreadable_problems(world(read_policy(raw)))
    assert problem.text.endswith("it counts as STRICT")
