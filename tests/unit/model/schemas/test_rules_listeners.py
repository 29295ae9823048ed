"""What the API refuses of ListenerSets."""

from __future__ import annotations

from typing import Any

import pytest

from tandem.model.schema import validate
from tandem.model.schemas.walk import walk

PARENT = {"name": "edge"}


def one(**more: Any) -> dict[str, Any]:
    return {"name": "a", "port": 80, "protocol": "HTTP", **more}


def told(spec: dict[str, Any]) -> list[str]:
    meta = {"name": "x", "namespace": "default"}
    return validate(
        {"apiVersion": "gateway.networking.k8s.io/v1", "kind": "ListenerSet", "metadata": meta, "spec": spec}
    )


@pytest.mark.parametrize(
    ("spec", "wrong"),
    [
        ({"listeners": [one()]}, "spec.parentRef: Required value"),
        ({"parentRef": PARENT}, "spec.listeners: Required value"),
        ({"parentRef": PARENT, "listeners": []}, "spec.listeners: at least one entry is required"),
        (
            {"parentRef": PARENT, "listeners": [one(name=f"n{i}", port=i + 1) for i in range(65)]},
            "spec.listeners: at most 64 entries, not 65",
        ),
        ({"parentRef": {**PARENT, "sectionName": "a"}, "listeners": [one()]}, "spec.parentRef.sectionName: unknown"),
        ({"parentRef": PARENT, "listeners": [one(tls={})]}, "spec.listeners[0].tls: must not be given"),
        (
            {"parentRef": PARENT, "listeners": [one(protocol="HTTPS", tls={"mode": "Passthrough"})]},
            "spec.listeners[0].tls.mode: must be Terminate",
        ),
        ({"parentRef": PARENT, "listeners": [one(protocol="TLS")]}, "spec.listeners[0].tls.mode: is required"),
        (
            {"parentRef": PARENT, "listeners": [one(protocol="UDP", hostname="a.test")]},
            "spec.listeners[0].hostname: must not be given",
        ),
        ({"parentRef": PARENT, "listeners": [one(), one()]}, "spec.listeners"),
        (
            {"parentRef": PARENT, "listeners": [one(), one(name="b")]},
            "spec.listeners[1]: port, protocol and hostname are those of spec.listeners[0]",
        ),
    ],
)
def test_what_is_wrong_is_named_with_its_path(spec: dict[str, Any], wrong: str) -> None:
    assert [e for e in told(spec) if e.startswith(wrong)], told(spec)


def test_a_set_of_several_listeners_is_fine() -> None:
    assert not told(
        {"parentRef": PARENT, "listeners": [one(), one(name="b", hostname="b.test"), one(name="c", port=81)]}
    )


@pytest.mark.parametrize("tls", [None, {}, {"certificateRefs": [{"name": "a"}]}])
def test_a_listener_of_tls_says_its_mode(tls: dict[str, Any] | None) -> None:
    raw = {"name": "a", "port": 443, "protocol": "TLS", **({"tls": tls} if tls is not None else {})}
    (wrong,) = walk(raw, "GwListener", "l")
    assert wrong.startswith("l.tls.mode: ")
    assert not list(walk({**raw, "tls": {"mode": "Passthrough"}}, "GwListener", "l"))
    assert not list(walk({**raw, "protocol": "HTTPS"}, "GwListener", "l"))
