"""Services translated one by one; that it is always the translation of all is shown in tests/property/test_live.py."""

from __future__ import annotations

import msgspec

from builders import endpoint_slice, namespace, node, pod, service, world
from meshbuild import RULE
from tandem.base.table import Table, changes
from tandem.ir.fabric import LocalPod
from tandem.ir.traffic import Subset, TrafficPolicy
from tandem.model import core
from tandem.translate.live.problems import Gathered
from tandem.translate.live.services import LiveServices
from tandem.translate.options import Options
from tandem.translate.pods import translate_pods
from tandem.translate.policy import translate_policy
from tandem.translate.protocols import PortsSaid

WEB, DB = service("web"), service("db")
ONE = pod("a", app="web")
BASE = world(namespace("default"), WEB, DB, ONE, endpoint_slice(WEB, [ONE]), endpoint_slice(DB, []))
SAID: dict[str, PortsSaid] = {}


def local() -> Table[str, LocalPod]:
    return Table(translate_pods(BASE, Options(), translate_policy(BASE)[0]).pods)


def live() -> LiveServices:
    found = LiveServices(Options(), Gathered())
    found.update(BASE, local(), SAID, {})
    return found


def test_a_slice_that_changes_changes_the_endpoints_of_its_service_alone() -> None:
    found = live()
    before, services = found.endpoints, found.services
    piece = endpoint_slice(WEB, [])
    found.update(BASE.with_changes("EndpointSlice", {piece.key: piece}, synced=True), local(), SAID, {})
    assert set(changes(before, found.endpoints)) == {"default/web"}
    assert found.services is services


def test_a_pod_that_changes_changes_the_endpoints_that_refer_to_it() -> None:
    found, pods = live(), local()
    before = found.endpoints
    (uid,) = pods
    found.update(BASE, pods.changed({uid: msgspec.structs.replace(pods[uid], labels=(("app", "v2"),))}), SAID, {})
    assert set(changes(before, found.endpoints)) == {"default/web"}


def test_a_service_that_is_gone_is_gone() -> None:
    found = live()
    found.update(BASE.with_changes("Service", {DB.key: None}, synced=True), local(), SAID, {})
    assert set(found.services) == set(found.endpoints) == {"default/web"}


def test_routes_of_a_service_make_it_http() -> None:
    found = live()
    found.update(BASE, local(), {"default/web": PortsSaid(frozenset({80}))}, {})
    assert found.services["default/web"].ports[0].app.value == "http"


def test_a_subset_that_loses_its_last_pod_is_told_of_and_no_longer_once_it_has_one() -> None:
    gathered = Gathered()
    found = LiveServices(Options(), gathered)
    labels = (("app", "web"),)
    policy = TrafficPolicy(
        namespace="default", service="web", subsets=(Subset(name="v1", labels=labels, origin=RULE),), origin=RULE
    )
    policies = {"default/web": policy}
    found.update(BASE, local(), SAID, policies)
    assert gathered.settle() == {}
    other = BASE.with_changes("Pod", {ONE.key: pod("a", app="db")}, synced=True)
    found.update(other, local(), SAID, policies)
    assert [p.code for problems in gathered.settle().values() for p in problems] == ["SubsetEmpty"]
    found.update(BASE, local(), SAID, policies)
    assert gathered.settle() == {}


def test_an_external_address_ends_when_a_node_gets_the_prefix() -> None:
    web = service("web", externalIPs=["10.244.7.1"])
    base = BASE.with_changes("Service", {web.key: web}, synced=True)
    gathered = Gathered()
    found = LiveServices(Options(), gathered)
    found.update(base, local(), SAID, {})
    assert found.services["default/web"].external_ips == ("10.244.7.1",)
    one = msgspec.structs.replace(node("n"), spec=core.NodeSpec(pod_cidr="10.244.7.0/24"))
    found.update(base.with_changes("Node", {one.key: one}, synced=True), local(), SAID, {})
    assert not found.services["default/web"].external_ips
    assert [p.code for problems in gathered.settle().values() for p in problems] == ["AddressInUse"]
