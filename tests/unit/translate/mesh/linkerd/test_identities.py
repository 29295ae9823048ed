"""Names of identities."""

from __future__ import annotations

import pytest

from linkerdworlds import END
from tandem.ir.authz import Text
from tandem.ir.match import Exact, Prefix, Present, Regex
from tandem.translate.mesh.linkerd.identities import identity


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("*", Present()),
        (f"web.shop.{END}", Exact("cluster.local/ns/shop/sa/web")),
        (f"web.v2.shop.{END}", Exact("cluster.local/ns/shop/sa/web.v2")),
        ("web.shop.serviceaccount.identity.mesh.example.org", Exact("example.org/ns/shop/sa/web")),
        (f"*.shop.{END}", Prefix("cluster.local/ns/shop/sa/")),
        (f"*.{END}", Prefix("cluster.local/ns/")),
        (f"*.v2.shop.{END}", Regex(r"cluster\.local/ns/shop/sa/[^/]+\.v2")),
        ("*.identity.linkerd.cluster.local", Prefix("cluster.local/ns/")),
        ("*.linkerd.cluster.local", Prefix("cluster.local/ns/")),
        ("*.cluster.local", Prefix("cluster.local/ns/")),
        ("*.local", Prefix("cluster.local/ns/")),
        ("*.example.org", None),
        ("*.x.identity.linkerd.cluster.local", None),
        ("web.example.org", None),
        (f"shop.{END}", None),
        ("spiffe://partner.example/web/blue", Exact("partner.example/web/blue")),
        ("spiffe://partner.example", None),
        ("web.shop.serviceaccount.identity.linkerd", None),
    ],
)
def test_names_mean_the_same_service_accounts_here(name: str, found: Text | None) -> None:
    assert identity(name, "cluster.local") == found
