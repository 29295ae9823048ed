"""Linkerd's names of identities -> matches of ours. Pure.

A service account is `NAME.NAMESPACE.serviceaccount.identity.CONTROLPLANE.TRUSTDOMAIN` there, and
`TRUSTDOMAIN/ns/NAMESPACE/sa/NAME` here. In which namespace the other mesh had its control plane says nothing here.
"""

from __future__ import annotations

import re
from typing import Final

from tandem.ir.authz import Attribute, Requirement, Text
from tandem.ir.match import Exact, Prefix, Present, Regex

_MARK: Final = ["serviceaccount", "identity"]
_SPIFFE: Final = "spiffe://"
PROVED: Final = Requirement(attribute=Attribute.PRINCIPAL, values=(Present(),))
"""Whoever proves an identity."""


def account(trust_domain: str, namespace: str, name: str) -> Text:
    """A service account."""
    return Exact(f"{trust_domain}/ns/{namespace}/sa/{name}")


def accounts_of(trust_domain: str, namespace: str) -> Text:
    """All service accounts of a namespace."""
    return Prefix(f"{trust_domain}/ns/{namespace}/sa/")


def identity(text: str, trust_domain: str) -> Text | None:
    """Whom a name means; None: nobody who could prove it here."""
    if text == "*":
        return Present()
    if text.startswith(_SPIFFE):
        # Who is named by a trust domain alone is an authority, and shows no such name.
        named = text.removeprefix(_SPIFFE)
        return Exact(named) if "/" in named else None
    wildcard = text.startswith("*.")
    labels = text.removeprefix("*.").split(".")
    at = next((i for i in range(len(labels)) if labels[i : i + 2] == _MARK), None)
    if at is None:
        return _beyond(labels, trust_domain) if wildcard else None
    domain = ".".join(labels[at + 3 :])
    if not domain:
        return None
    return _below(labels[:at], domain) if wildcard else _exactly(labels[:at], domain)


def _exactly(labels: list[str], domain: str) -> Text | None:
    """One service account; its name may have dots, that of a namespace has none."""
    return account(domain, labels[-1], ".".join(labels[:-1])) if len(labels) > 1 else None


def _below(labels: list[str], domain: str) -> Text:
    """Everyone whose name ends with these labels."""
    if not labels:
        return Prefix(f"{domain}/ns/")
    if len(labels) == 1:
        return accounts_of(domain, labels[0])
    end = re.escape("." + ".".join(labels[:-1]))
    return Regex(f"{re.escape(domain)}/ns/{re.escape(labels[-1])}/sa/[^/]+{end}")


def _beyond(labels: list[str], trust_domain: str) -> Text | None:
    """Of a suffix that is shorter than what all service accounts of a trust domain end with: all of ours, or nobody."""
    ours = [*_MARK, "", *trust_domain.split(".")]
    end = ours[-len(labels) :] if len(labels) <= len(ours) else []
    same = bool(end) and all(mine in {"", label} for mine, label in zip(end, labels, strict=True))
    return Prefix(f"{trust_domain}/ns/") if same else None
