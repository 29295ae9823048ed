"""The answer in one line; whole ways are in test_explain.py and test_edges.py."""

from __future__ import annotations

from tandem.base.problems import Origin
from tandem.views.parties import Party
from tandem.views.ways import Line, Way, summary

RULE = Origin(kind="NetworkPolicy", namespace="default", name="deny")


def way(address: str, *, allowed: bool) -> Way:
    by = () if allowed else (RULE,)
    return Way(destination="web", address=address, port=80, allowed=allowed, transport="mtls", decided_by=by, steps=())


def test_the_answer_in_one_line() -> None:
    ends = Party(label="a"), Party(label="b")
    good, bad = way("10.0.0.1", allowed=True), way("10.0.0.2", allowed=False)
    assert summary(*ends, (good,), status=0) == "a to b: allowed, mtls"
    assert summary(*ends, (bad,), status=0) == "a to b: denied by NetworkPolicy default/deny"
    assert summary(*ends, (good, bad), status=0).startswith("a to b: denied for 1 of 2 endpoints by")
    assert summary(*ends, (), status=404) == "a to b: answered with 404 by the proxy"
    assert summary(*ends, (), status=0) == "a to b: nobody is there to answer"


def test_what_keeps_everybody_away_is_told_with_its_reason() -> None:
    ends = Party(label="a"), Party(label="b")
    denies = Line(layer="egress policy", effect="denies", rule=RULE)
    assert summary(*ends, (), status=0, denied=(denies,)) == "a to b: denied by NetworkPolicy default/deny"
    nobody = Line(layer="endpoints", effect="nobody", text="it is not ready", rule=RULE)
    told = "a to b: nobody is there to answer: it is not ready (NetworkPolicy default/deny)"
    assert summary(*ends, (), status=503, denied=(nobody, nobody)) == told
    unknown = Line(layer="DNS", effect="has no such name", text="there is no Service x/y")
    assert summary(*ends, (), status=0, denied=(unknown,)) == "a to b: DNS has no such name: there is no Service x/y"
