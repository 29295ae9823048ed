"""What classes of gateways declare."""

from __future__ import annotations

from conformance.case import cases
from tandem.translate.gateway.features import SUPPORTED


def test_a_class_declares_the_features_of_the_cases_that_gateways_pass() -> None:
    assert list(SUPPORTED) == sorted({feature for case in cases("gateway") for feature in case.features})
