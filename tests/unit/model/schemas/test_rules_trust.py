"""What no TrustSource may say, each with its path."""

from __future__ import annotations

from typing import Any

import pytest

from tandem.model.schema import validate
from tandem.model.schemas.rules_trust import LONGEST_PATH

SPIRE = {"socket": "/run/spire/agent.sock"}


def mistakes(**spec: Any) -> list[str]:
    given = {"trustDomains": ["partner.example"], "spire": SPIRE, **spec}
    raw = {"apiVersion": "tandem.io/v1", "kind": "TrustSource", "metadata": {"name": "a"}}
    return validate({**raw, "spec": given})


@pytest.mark.parametrize("domains", [["partner.example"], ["a", "b_c-d.1"], ["x" * 255]])
def test_a_sound_one_is_taken(domains: list[str]) -> None:
    assert mistakes(trustDomains=domains) == []


def test_roots_may_be_given_in_place_of_spire() -> None:
    assert mistakes(spire=None, roots={"namespace": "mesh", "name": "partner"}) == []


@pytest.mark.parametrize(
    ("spec", "path"),
    [
        ({"trustDomains": None}, "spec.trustDomains: "),
        ({"trustDomains": []}, "spec.trustDomains: at least one"),
        ({"trustDomains": ["a", "spiffe://a"]}, "spec.trustDomains[1]: 'spiffe://a' is no trust domain"),
        ({"trustDomains": ["Partner"]}, "spec.trustDomains[0]: "),
        ({"trustDomains": ["a/b"]}, "spec.trustDomains[0]: "),
        ({"trustDomains": ["*"]}, "spec.trustDomains[0]: "),
        ({"trustDomains": [""]}, "spec.trustDomains[0]: "),
        ({"trustDomains": ["x" * 256]}, "spec.trustDomains[0]: "),
        ({"trustDomains": ["a", "b", "a"]}, "spec.trustDomains[2]: a is trustDomains[0] already"),
        ({"spire": None}, "spec: one of spire and roots"),
        ({"roots": {"namespace": "a", "name": "b"}}, "spec: one of spire and roots"),
        ({"spire": None, "roots": {"namespace": "a"}}, "spec.roots.name: "),
        ({"spire": None, "roots": {"name": "a"}}, "spec.roots.namespace: "),
        ({"spire": None, "roots": {"namespace": "a", "name": "b", "key": "c"}}, "spec.roots.key: unknown field"),
        ({"spire": {}}, "spec.spire.socket: "),
        ({"spire": {"socket": "agent.sock"}}, "spec.spire.socket: 'agent.sock' is not the absolute path"),
        ({"spire": {"socket": "unix:///run/agent.sock"}}, "spec.spire.socket: "),
        ({"spire": {"socket": "/run/../agent.sock"}}, "spec.spire.socket: "),
        ({"spire": {"socket": "/" + "x" * LONGEST_PATH}}, "spec.spire.socket: longer than"),
        ({"spire": {**SPIRE, "path": "/"}}, "spec.spire.path: unknown field"),
        ({"pem": ""}, "spec.pem: unknown field"),
    ],
)
def test_a_mistake_has_its_path(spec: dict[str, Any], path: str) -> None:
    (found,) = mistakes(**spec)
    assert found.startswith(path)
