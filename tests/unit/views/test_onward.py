"""From each node that may serve a gateway on to the pods behind it."""

from __future__ import annotations

import msgspec

from builders import node, pod, policy, service, sliced
from tandem.model.meta import Condition, Object
from tandem.reference.ingressgateway import IngressGateway
from tandem.reference.request import Share
from tandem.views.onward import ways_onward
from tandem.views.ways import Question, Way

SHARE = Share(namespace="default", service="web", port=80)


def onward(*objects: Object, share: Share = SHARE) -> list[Way]:
    made = pod("web", ip="10.244.0.5", node="n1", labels={"app": "web"})
    ready = msgspec.structs.replace(made.status, conditions=(Condition(type="Ready", status="True"),))
    behind = service("web", selector={"app": "web"}, ports=[{"port": 80, "targetPort": 8080}])
    world = sliced(msgspec.structs.replace(made, status=ready), behind, *objects)
    asked = Question(source="203.0.113.7", destination="gateway/edge:80", protocol="TCP")
    return list(ways_onward(world, asked, IngressGateway(), (share, share), requests=True, handed_on=False))


def test_each_endpoint_is_told_once_with_the_nodes_from_which_it_is_the_same() -> None:
    other = msgspec.structs.replace(
        node("n2"), spec=msgspec.structs.replace(node("n2").spec, pod_cidrs=("10.9.0.0/24",))
    )
    (way,) = onward(node("n1"), other)
    assert way.steps[0].text == "from node n1 as 10.96.255.254, node n2 as 10.9.0.1"
    only = policy("own", podSelector={}, ingress=[{"from": [{"ipBlock": {"cidr": "10.9.0.0/24"}}]}])
    assert [way.allowed for way in onward(node("n1"), other, only)] == [False, True]


def test_a_share_that_is_answered_leads_nowhere() -> None:
    assert onward(share=msgspec.structs.replace(SHARE, status=503)) == []


def test_what_stands_in_is_told_where_a_share_has_no_endpoint() -> None:
    gone = Share(namespace="default", service="gone", port=80, instead=(SHARE,))
    assert [way.address for way in onward(node("n1"), share=gone)] == ["10.244.0.5"]
    assert onward(node("n1"), share=msgspec.structs.replace(gone, instead=())) == []
