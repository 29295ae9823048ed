"""What is said of a fault; tests/unit/translate/gatewayapi/test_write.py has the whole way there and back."""

from __future__ import annotations

from tandem.ir.mesh import Fault
from tandem.translate.gatewayapi.troubles import trouble

ROUTE = {"metadata": {"name": "hr", "namespace": "shop"}}


def test_a_percentage_is_written_where_it_is_not_every_request() -> None:
    made = trouble(Fault(delay_ms=90_000, abort_status=503, abort_per_million=5), "g", ROUTE, "rule-2")
    assert made["metadata"] == {"name": "hr-rule-2", "namespace": "shop"}
    assert made["spec"] == {
        "targetRefs": [{"group": "g", "kind": "HTTPRoute", "name": "hr", "sectionName": "rule-2"}],
        "delay": {"duration": "90s"},
        "abort": {"httpStatus": 503, "percent": 0.0005},
    }
