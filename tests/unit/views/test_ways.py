"""The answer in one line; whole ways are in test_explain.py and test_edges.py."""

from __future__ import annotations

import msgspec

from builders import pod, service
from meshworlds import authz
from tandem.base.problems import Origin
from tandem.model.meta import Condition
from tandem.views.parties import Party
from tandem.views.ways import Line, Way, summary
from unit.views.test_explain import IN_MESH, ask

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


def test_whoever_is_judged_by_an_authorizationpolicy_is_told_with_the_request() -> None:
    steps = ask(authz("a", ns="shop", rules=[{"from": [{"source": {"namespaces": ["x"]}}]}])).ways[0].steps
    assert [s.text for s in steps if s.effect == "judges"] == ["GET / of cluster.local/ns/shop/sa/default"]


def test_a_port_that_no_container_declares_is_told_and_one_of_a_pod_that_declares_none_is_not() -> None:
    odd = service("odd", ns="shop", ip="10.96.0.21", selector={"app": "odd"}, ports=[{"port": 80, "targetPort": 9090}])
    declares = pod("odd", namespace="shop", ip="10.244.0.9", ports={"http": 8080}, labels={"app": "odd"} | IN_MESH)
    silent = pod("odd", namespace="shop", ip="10.244.0.9", labels={"app": "odd"} | IN_MESH)
    yes = msgspec.structs.replace(declares.status, conditions=(Condition(type="Ready", status="True"),))
    found = ask(odd, msgspec.structs.replace(declares, status=yes), to="shop/svc/odd:80")
    assert found.allowed
    assert "no container of shop/odd declares port 9090, they declare 8080" in found.summary
    assert found.summary.endswith("(Service shop/odd spec.ports[0].targetPort)")
    quiet = ask(odd, msgspec.structs.replace(silent, status=yes), to="shop/svc/odd:80")
    assert quiet.summary.endswith(": allowed, mtls")
