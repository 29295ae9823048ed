"""ListenerSet, as it is parsed."""

from __future__ import annotations

from gatewayworlds import listenerset
from tandem.model.gateways import AllowedListeners
from tandem.model.listenersets import ParentGateway


def test_the_parent_is_a_gateway_unless_it_says_otherwise() -> None:
    assert listenerset("ls").spec.parent_ref == ParentGateway(
        group="gateway.networking.k8s.io", kind="Gateway", name="edge"
    )


def test_nobodys_sets_are_allowed_by_default() -> None:
    assert AllowedListeners().namespaces.from_ == "None"
