"""What a FaultInjection is where it says nothing."""

from __future__ import annotations

from meshworlds import faults, limit_at


def test_what_is_made_is_made_of_every_request_unless_it_is_said() -> None:
    spec = faults(limit_at("HTTPRoute", "hr"), delay={"duration": "1s"}, abort={"httpStatus": 503}).spec
    assert spec.delay is not None
    assert spec.abort is not None
    assert (spec.delay.percent, spec.abort.percent, spec.abort.grpc_status) == (100, 100, "")
