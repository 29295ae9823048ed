"""Which pods are drained; that control writes it, and when, is shown in test_control.py."""

from __future__ import annotations

from typing import cast

from msgspec.structs import replace

from builders import endpoint_slice, pod, service
from tandem.base.table import Table
from tandem.ir import wire
from tandem.ir.fabric import Endpoints
from tandem.model import core
from tandem.model.world import World
from tandem.runtime.draining import Draining
from tandem.runtime.ledger import Ledger, Sent
from tandem.translate.services import translate_services
from working import calls_of

URL = wire.URLS[Endpoints]
WEB = service("web")


def leaving(name: str, ip: str) -> core.Pod:
    found = pod(name, ip=ip)
    meta = replace(found.metadata, deletion_timestamp="2026-01-01T00:00:00Z")
    return replace(found, metadata=meta)


def endpoints(*pods: core.Pod, of: core.Service = WEB) -> Table[str, Endpoints]:
    """Of a Service that has these pods."""
    found = World.of([of, *pods, endpoint_slice(of, list(pods))])
    return Table(translate_services(found, {}).endpoints)


def told(version: str) -> Table[str, Sent]:
    return Table({"default/web": Sent("default/web", version, b"")})


def test_a_pod_is_drained_when_no_endpoint_has_its_address_and_every_node_knows() -> None:
    draining, book, stays, goes = Draining(), Ledger(), pod("a", ip="10.0.0.1"), leaving("b", "10.0.0.2")
    book.connection("n1", up=True)
    world = World.of([WEB, stays, goes])
    book.sent("n1", {URL: told("1")})
    book.accept("n1", URL, {"default/web": "1"})
    draining.note(World(), world, endpoints(stays, pod("b", ip="10.0.0.2")))
    assert draining.drained(book) == []
    draining.note(world, world, endpoints(stays))
    assert draining.drained(book) == [goes]
    book.sent("n1", {URL: told("2")})
    assert draining.drained(book) == []
    book.accept("n1", URL, {"default/web": "2"})
    assert draining.drained(book) == [goes]
    draining.note(world, world.with_changes("Pod", {goes.key: None}, synced=True), endpoints(stays))
    assert draining.drained(book) == []


def test_the_last_one_that_serves_is_drained_since_nobody_can_take_its_place() -> None:
    draining, book, goes = Draining(), Ledger(), leaving("b", "10.0.0.2")
    world, serving = World.of([WEB, goes]), pod("b", ip="10.0.0.2")
    draining.note(World(), world, endpoints(serving))
    assert draining.drained(book) == []
    found = endpoints(serving)["default/web"]
    last = replace(found, endpoints=tuple(replace(e, ready=False) for e in found.endpoints))
    draining.note(world, world, Table({"default/web": last}))
    assert draining.drained(book) == [goes]
    draining.note(world, world, endpoints())
    assert draining.drained(book) == [goes]


def test_an_address_in_two_services_is_used_until_both_are_without_it() -> None:
    draining, book, goes, other = Draining(), Ledger(), leaving("b", "10.0.0.2"), service("other")
    world, serving = World.of([WEB, other, goes]), pod("b", ip="10.0.0.2")
    both = {**endpoints(serving), **endpoints(serving, of=other)}
    draining.note(World(), world, Table(both))
    draining.note(world, world, Table({**both, **endpoints()}))
    assert draining.drained(book) == []
    draining.note(world, world, Table({**both, **endpoints(), **endpoints(of=other)}))
    assert draining.drained(book) == [goes]


def test_to_look_costs_what_leaves_and_not_what_is_served() -> None:
    def work(services: int) -> int:
        draining, book, goes = Draining(), Ledger(), leaving("b", "10.9.0.2")
        book.connection("n1", up=True)
        fronts = [service(f"s{n}") for n in range(services)]
        served = {name: found for one in fronts for name, found in endpoints(pod("a"), of=one).items()}
        sent = {name: Sent(name, "1", b"") for name in served}
        book.sent("n1", {URL: Table(sent)})
        book.accept("n1", URL, dict.fromkeys(sent, "1"))
        before, after = World.of(fronts), World.of([*fronts, goes])
        draining.note(World(), before, cast("Table[str, Endpoints]", Table(served)))
        draining.note(before, after, cast("Table[str, Endpoints]", Table(served)))
        return calls_of(lambda: draining.drained(book))

    assert work(40) == work(10)
