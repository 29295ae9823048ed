"""Both clients are clients of a Workload API."""

from __future__ import annotations

from tandem.base.problems import DriverError
from tandem.drivers.spiffe.fake import FakeWorkloadApi
from tandem.drivers.spiffe.port import NotEntitledError, WorkloadApi
from tandem.drivers.spiffe.real import GrpcWorkloadApi


def test_the_fake_and_the_real_one_have_the_same_face() -> None:
    apis: list[WorkloadApi] = [FakeWorkloadApi(), GrpcWorkloadApi()]
    assert all(callable(api.bundles) for api in apis)


def test_who_knows_no_difference_takes_a_withdrawal_for_silence() -> None:
    assert issubclass(NotEntitledError, DriverError)
