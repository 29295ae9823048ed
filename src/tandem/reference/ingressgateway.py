"""The one gateway that Istio's Gateways select, as policies and pods know it: its namespace, labels and account."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from tandem.reference.support import ROOT

LABELS = {"istio": {"ingressgateway", "ingress"}, "app": {"istio-ingressgateway", "istio-ingress"}}


class IngressGateway(msgspec.Struct, frozen=True):
    """It stands in the root namespace, and speaks with the identity that Istio's installation gives it."""

    @property
    def key(self) -> tuple[str, str]:
        """Namespace and account."""
        return ROOT, "istio-ingressgateway-service-account"


def has_labels(wanted: Mapping[str, str]) -> bool:
    """Whether the gateway has all of these."""
    return all(value in LABELS.get(name, set()) for name, value in wanted.items())
