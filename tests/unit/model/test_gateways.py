"""Parsing of Gateways, their classes and grants."""

from __future__ import annotations

from typing import cast

from tandem.model.gateways import GROUP, ReferenceGrant
from tandem.model.parse import parse


def test_a_grant_of_all_of_a_kind_has_no_name() -> None:
    sides = {"from": [{"group": GROUP, "kind": "HTTPRoute", "namespace": "b"}], "to": [{"group": "", "kind": "Secret"}]}
    meta = {"name": "a", "namespace": "shop"}
    raw = {"apiVersion": f"{GROUP}/v1", "kind": "ReferenceGrant", "metadata": meta, "spec": sides}
    grant = cast("ReferenceGrant", parse(raw))
    assert (grant.spec.from_[0].namespace, grant.spec.to[0].name) == ("b", "")
