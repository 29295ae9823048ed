"""Trees that share a list, as bytes."""

from __future__ import annotations

from typing import Any

import pytest

from tandem.compile.envoy.matching import Way, matcher_of
from tandem.drivers.xds.anytype import message_class
from tandem.drivers.xds.encode import EncodeError, Encoder, encode_tree
from tandem.state.assembled import Assembled, place
from tandem.state.xds import LISTENER, ROUTE, Resource, Snapshot
from working import calls_of

WHO = place("w")


ROUTES = tuple({"name": f"r{i}", "match": {"prefix": f"/{i}"}, "route": {"cluster": "c"}} for i in range(100))


def host(name: str, **fields: Any) -> dict[str, Any]:
    return {"name": name, "domains": [name, WHO], **fields}


def encoded(encoder: Encoder, *resources: Resource) -> dict[str, Any]:
    return encoder.encode(Snapshot(resources={ROUTE: {r.name: r for r in resources}}))[ROUTE]


def config(name: str, hosts: tuple[Any, ...], who: str) -> Resource:
    head = {"name": name, "virtual_hosts": [], "validate_clusters": False}
    return Resource(name=name, body=Assembled(head, "virtual_hosts", hosts, ((WHO, who),)))


@pytest.mark.parametrize("who", ["a", "of.seven", "a.name.that.is.long.enough", "ünd.ebenso.lang", "x" * 300])
def test_the_message_is_that_of_the_whole_tree(who: str) -> None:
    hosts = (host("one"), host("two" * 50), host(f"in.{WHO}.between"))
    resource = config("r", hosts, who)
    message = message_class(ROUTE)()
    message.ParseFromString(encoded(Encoder(), resource)["r"].value)
    whole = message_class(ROUTE)()
    whole.ParseFromString(encode_tree(ROUTE, dict(resource.body)))
    assert message == whole


def test_versions_tell_contents_apart_and_nothing_else() -> None:
    hosts = (host("one"), host("two"))
    versions = {
        encoded(Encoder(), config("r", shared, who))["r"].version
        for shared in (hosts, hosts[:1], hosts[::-1])
        for who in ("somebody", "somebody.else")
    }
    assert len(versions) == 6
    again = encoded(Encoder(), config("r", (host("one"), host("two")), "somebody"))["r"].version
    assert again in versions


def test_a_part_is_encoded_once_for_all_whose_texts_are_as_long() -> None:
    hosts = tuple(host(f"h{i}") for i in range(30))
    few = [config(f"r{i}", hosts, f"somebody-{i:04}") for i in range(2)]
    many = [config(f"r{i}", hosts, f"somebody-{i:04}") for i in range(8)]
    assert calls_of(lambda: encoded(Encoder(), *many)) < calls_of(lambda: encoded(Encoder(), *few)) * 1.5


def test_one_part_more_costs_that_part_and_a_look_at_the_others() -> None:
    def cost(count: int) -> int:
        hosts = tuple(host(f"h{i}") for i in range(count))
        encoder = Encoder()
        encoded(encoder, config("r", hosts, "somebody"))
        encoded(encoder, config("r", hosts, "somebody"))  # nothing is new: what is kept stays
        return calls_of(lambda: encoded(encoder, config("r", (*hosts, host("more")), "somebody")))

    whole = calls_of(lambda: encode_tree(ROUTE, {"name": "r", "virtual_hosts": [host(f"h{i}") for i in range(100)]}))
    assert cost(120) - cost(20) < whole / 5


def listener(name: str, matcher: dict[str, Any], chains: tuple[Any, ...]) -> Resource:
    head = {"name": name, "filter_chains": []}
    body = Assembled(head, "filter_chains", chains, ((WHO, name),), {"filter_chain_matcher": matcher})
    return Resource(name=name, body=body)


def test_what_stands_beside_is_in_the_message_and_in_its_version() -> None:
    chains = ({"name": f"c of {WHO}"},)
    one, other = (matcher_of([Way(name, 80)], "last") for name in ("one", "other"))
    encoder = Encoder()

    def made(matcher: dict[str, Any]) -> Any:
        resources = {r.name: r for r in (listener("a", matcher, chains), listener("b", matcher, chains))}
        return encoder.encode(Snapshot(resources={LISTENER: resources}))[LISTENER]

    first, again, second = made(dict(one)), made(dict(one)), made(dict(other))
    assert first["a"].version == again["a"].version != second["a"].version
    for encoded_, matcher in ((first, one), (again, one), (second, other)):
        message = message_class(LISTENER)()
        message.ParseFromString(encoded_["b"].value)
        whole = message_class(LISTENER)()
        whole.ParseFromString(encode_tree(LISTENER, dict(listener("b", dict(matcher), chains).body)))
        assert message == whole


def test_what_stands_beside_is_encoded_once_for_all() -> None:
    def cost(listeners: int) -> int:
        matcher = dict(matcher_of([Way(f"c{i}", 80, (f"10.96.0.{i}",)) for i in range(100)], "last"))
        resources = {f"l{i}": listener(f"l{i}", matcher, ()) for i in range(listeners)}
        return calls_of(lambda: Encoder().encode(Snapshot(resources={LISTENER: resources})))

    assert cost(8) < cost(2) * 1.5


def test_what_a_text_is_not_in_is_encoded_once_for_all_lengths_of_it() -> None:
    def cost(texts: int) -> int:
        apart = [Assembled({"name": f"h{i}", "domains": [WHO], "routes": []}, "routes", ROUTES) for i in range(5)]
        resources = [config(f"r{i}", tuple(apart), "somebody" + "x" * i) for i in range(texts)]
        return calls_of(lambda: encoded(Encoder(), *resources))

    assert cost(8) < cost(1) * 3


def test_what_protobuf_does_not_take_is_told_with_the_name_of_the_resource() -> None:
    with pytest.raises(EncodeError, match=r"RouteConfiguration r: .*one: .*no_such_field") as raised:
        encoded(Encoder(), config("r", (host("one", no_such_field=1),), "somebody"))
    assert (raised.value.type_url, raised.value.name) == (ROUTE, "r")


def test_a_round_in_which_nothing_is_new_costs_nothing_for_parts() -> None:
    def cost(count: int) -> int:
        resources = [config("r", tuple(host(f"h{i}") for i in range(count)), "somebody")]
        encoder = Encoder()
        encoded(encoder, *resources)
        found = calls_of(lambda: encoded(encoder, *resources))
        more = config("more", (host("other"),), "somebody")
        encoded(encoder, *resources, more)  # a list is new: all else has to be kept
        before = encoded(encoder, *resources, more)
        assert encoded(encoder, *resources, more)["r"] is before["r"]
        return found

    assert cost(100) == cost(10)
