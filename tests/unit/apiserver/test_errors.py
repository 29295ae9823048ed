"""Refusals as Status objects."""

from __future__ import annotations

from tandem.apiserver import errors
from tandem.model.kinds import BY_KIND

DEPLOYMENT = BY_KIND["Deployment"]


def test_not_found_names_resource_and_group() -> None:
    status = errors.not_found(DEPLOYMENT, "web").status
    assert status["message"] == 'deployments.apps "web" not found'
    assert (status["code"], status["reason"], status["details"]["kind"]) == (404, "NotFound", "deployments")


def test_already_exists_is_a_conflict_with_its_own_reason() -> None:
    refusal = errors.already_exists(BY_KIND["Pod"], "a")
    assert (refusal.code, refusal.status["reason"]) == (409, "AlreadyExists")


def test_invalid_has_a_cause_for_each_line() -> None:
    status = errors.invalid(DEPLOYMENT, "web", ["spec.a: is required", "spec.b: 'x' is wrong"]).status
    assert status["details"]["causes"] == [
        {"reason": "FieldValueRequired", "message": "is required", "field": "spec.a"},
        {"reason": "FieldValueInvalid", "message": "'x' is wrong", "field": "spec.b"},
    ]
    assert status["message"].startswith('Deployment.apps "web" is invalid: [spec.a: is required, ')


def test_gone_is_expired() -> None:
    assert errors.gone("old").status["reason"] == "Expired"
