"""The loop that asks for certificates, and what Envoy is told of all secrets."""

from __future__ import annotations

import asyncio

import pytest
from msgspec.structs import replace

from gatewaybuild import GATEWAY, gateway, hosts, listener, port, route
from meshbuild import attached, service, view
from tandem.base.problems import DriverError
from tandem.base.secret import Secret
from tandem.drivers.xds.messages import Encoded
from tandem.ir.external import External
from tandem.ir.fabric import AppProtocol
from tandem.ir.gateway import BackendTls
from tandem.ir.node import NodeView
from tandem.ir.traffic import ClientTls, Origination, Subset, Traffic, TrafficPolicy
from tandem.runtime import certificates
from tandem.runtime.certificates import CertificateLoop, Pairs, Secrets, wanted_by
from unit.runtime.looping import Looping


def showing(*names: str) -> NodeView:
    made = gateway(port(listener("l", "*", hosts("*", route("r")), certificates=names), tls=True))
    return view(gateways={"edge/edge": made})


class Control:
    """Answers with what it has, or not at all."""

    def __init__(self) -> None:
        self.pairs: dict[str, tuple[str, Secret]] = {}
        self.asked = 0

    async def ask(self) -> Pairs:
        self.asked += 1
        if not self.pairs:
            raise DriverError("control is away")
        return self.pairs


def test_it_asks_for_what_is_shown_and_gives_up_what_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(certificates, "RETRY_SECONDS", 0.01)
    published: list[set[str]] = []
    control = Control()
    loop = CertificateLoop(control.ask, lambda secrets: published.append(set(secrets)))

    def answers() -> None:
        assert list(loop.failed) == ["a/b/1"]
        control.pairs = {"a/b/1": ("chain", Secret(b"key")), "c/d/2": ("other", Secret(b"other"))}

    with asyncio.Runner() as runner:
        looping = Looping(runner)
        looping.put(showing("a/b/1"))
        steps = (
            lambda: control.asked >= 2,
            answers,
            lambda: published == [{"certificate/a/b/1"}],
            lambda: looping.put(showing()),
            lambda: published[1:] == [set()] and not loop.failed,
        )
        looping.run(loop.run, steps)


def test_what_gateways_show_is_named_once() -> None:
    assert wanted_by(showing("a/b/1", "c/d/2")) == {"a/b/1", "c/d/2"}


def calling(exported: tuple[str, ...], *, meshed: bool = True) -> NodeView:
    """A node with a pod of the namespace shop, and a host to which clients show a pair."""
    external = External(host="api.test", exported=exported)
    host = replace(service("api.test", "240.240.0.1", ("http", 80, AppProtocol.HTTP)), external=external)
    shown = Traffic(tls=ClientTls.MUTUAL, origination=Origination(certificate="shop/own/1"))
    subset = Subset(name="s", labels=(), traffic=shown)
    policy = TrafficPolicy(namespace=host.namespace, service="api.test", subsets=(subset,))
    return view(host, policy, attached("a", "10.244.0.2", netns="/a", meshed=meshed))


def test_what_proxies_show_is_wanted_where_a_pod_of_the_mesh_sees_the_host() -> None:
    assert wanted_by(calling(("*",))) == wanted_by(calling(("shop",))) == {"shop/own/1"}
    assert wanted_by(calling(("elsewhere",))) == wanted_by(calling(("*",), meshed=False)) == frozenset()


def test_envoy_is_told_nothing_before_the_identities_are_there() -> None:
    told: list[dict[str, Encoded]] = []
    secrets = Secrets(lambda found: told.append(dict(found)))
    one, other = Encoded("certificate/x", "1", b""), Encoded("spiffe://y", "1", b"")
    secrets.certificates({one.name: one})
    assert told == []
    secrets.identities({other.name: other})
    secrets.certificates({})
    assert [set(found) for found in told] == [{"certificate/x", "spiffe://y"}, {"spiffe://y"}]


def test_what_is_shown_to_backends_is_asked_for_too() -> None:
    tls = BackendTls(
        namespace="shop",
        service="web",
        port=80,
        tls=ClientTls.SIMPLE,
        origination=Origination(certificate="edge/client/1"),
        origin=GATEWAY,
    )
    made = replace(gateway(port(listener("l", "*"))), backend_tls=(tls, replace(tls, origination=Origination())))
    assert wanted_by(view(gateways={"edge/edge": made})) == {"edge/client/1"}
