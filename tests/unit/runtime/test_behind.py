"""What is behind a cluster."""

from __future__ import annotations

import msgspec

from meshbuild import RULE, attached, endpoint, endpoints, service, view
from tandem.base.problems import Origin
from tandem.ir.fabric import AppProtocol
from tandem.ir.traffic import CallersPolicy, Outlier, PortTraffic, Subset, Traffic, TrafficPolicy
from tandem.observe.outcome import Behind
from tandem.runtime.behind import behind

A, B = attached("a", "10.244.0.2"), attached("b", "10.244.0.3", labels=(("version", "two"),))
PORTS = ("http", 80, AppProtocol.HTTP), ("admin", 81, AppProtocol.HTTP)
WEB = service("web", "10.96.0.1", *PORTS)
ENDS = endpoints("web", endpoint(A, http=80, admin=81), endpoint(B, http=80))
TWO = Subset(name="two", labels=(("version", "two"),))
OURS = Origin(kind="TrafficPolicy", namespace="shop", name="ours")
POLICY = TrafficPolicy(
    namespace="shop",
    service="web",
    traffic=Traffic(outlier=Outlier()),
    ports=(PortTraffic(port=81, traffic=Traffic()),),
    subsets=(TWO,),
    origin=RULE,
    attached=(OURS,),
)


def test_a_port_has_its_endpoints_and_a_subset_those_with_its_labels() -> None:
    seen = view(A, B, WEB, ENDS, POLICY)
    assert behind(seen, "svc/shop/web/80") == Behind(ends=2, policies=(RULE, OURS), ejects=True)
    assert behind(seen, "mirror/gateway/shop/edge/svc/shop/web/80").ends == 2
    assert behind(seen, "svc/shop/web/80/two").ends == 1
    assert behind(seen, "svc/shop/web/81") == Behind(ends=1, policies=(RULE, OURS), ejects=False)


def test_where_nobody_says_anything_there_are_endpoints_alone() -> None:
    assert behind(view(A, B, WEB, ENDS), "svc/shop/web/80") == Behind(ends=2)


def test_other_clusters_have_nothing_behind_them() -> None:
    seen = view(A, B, WEB, ENDS, POLICY)
    assert behind(seen, "app/uid-a") == behind(seen, "svc/shop/gone/80") == behind(seen, "") == Behind()


def test_callers_with_rules_of_their_own_have_other_policies_and_subsets() -> None:
    own = CallersPolicy(namespace="bank", policy=TrafficPolicy(namespace="shop", service="web", origin=OURS))
    seen = view(A, B, WEB, ENDS, msgspec.structs.replace(POLICY, callers=(own,)))
    assert behind(seen, "for/bank/svc/shop/web/80") == Behind(ends=2, policies=(OURS,))
    assert behind(seen, "for/gone/svc/shop/web/80/two") == behind(seen, "svc/shop/web/80/two")
