"""What is read out of a chained configuration and its `prevResult`."""

from __future__ import annotations

from typing import Any

import pytest

from tandem.podnet.previous import is_chained, previous_of, refuse_foreign_wishes, wants_policy
from tandem.podnet.request import VerbError
from unit.podnet.playground import CONFIG, NETNS, request

RESULT: dict[str, Any] = {
    "cniVersion": "1.0.0",
    "interfaces": [{"name": "cni0"}, {"name": "veth1"}, {"name": "eth0", "sandbox": NETNS}],
    "ips": [{"address": "10.88.0.2/24", "gateway": "10.88.0.1", "interface": 2}],
}


def add(result: Any = RESULT, verb: str = "ADD", **config: Any) -> Any:
    return request(verb, config=CONFIG | ({} if result is None else {"prevResult": result}) | config)


def test_a_result_of_another_plugin_makes_it_chained_and_so_does_the_configuration() -> None:
    assert is_chained(add())
    assert is_chained(add(None, verb="DEL", chained=True))
    assert not is_chained(add(None))
    assert not is_chained(add(verb="DEL"))  # every DEL has a prevResult


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"prevResult": None, "chained": True}, "prevResult"),
        ({"chained": "yes"}, "chained: true or false"),
        ({"prevResult": None, "policy": True}, "policy: only behind another plugin"),
    ],
)
def test_a_configuration_that_contradicts_itself_is_refused(config: dict[str, Any], words: str) -> None:
    with pytest.raises(VerbError, match=words) as raised:
        is_chained(add(**config))
    assert raised.value.code == 7


def test_policy_is_asked_for_by_a_word_of_its_own() -> None:
    assert not wants_policy(add())
    assert wants_policy(add(policy=True))
    with pytest.raises(VerbError, match="policy: true or false, not 'on'"):
        wants_policy(add(policy="on"))


def test_the_link_is_that_of_the_interface_asked_for() -> None:
    more = [*RESULT["ips"], {"address": "fd00::2/64", "interface": 2}, {"address": "192.0.2.7/24", "interface": 1}]
    found = previous_of(add(RESULT | {"ips": more}))
    assert found.addresses == ("10.88.0.2", "fd00::2")
    assert found.gateways == ("10.88.0.1",)


def test_an_address_of_no_interface_counts_for_the_one() -> None:
    assert previous_of(add(RESULT | {"ips": [{"version": "4", "address": "10.88.0.9/24"}]})).addresses == ("10.88.0.9",)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"interfaces": []}, r"prevResult\.interfaces: no eth0 with a sandbox"),
        ({"interfaces": [{"name": "eth0"}]}, "no eth0 with a sandbox"),
        ({"interfaces": "eth0"}, r"prevResult\.interfaces: a list of objects"),
        ({"ips": None}, r"prevResult\.ips: no address for eth0"),
        ({"ips": [{"address": "ten"}]}, r"prevResult\.ips\[0\]\.address: an IP address"),
        ({"ips": [{"address": "10.88.0.2/24", "gateway": "x"}]}, r"prevResult\.ips\[0\]\.gateway"),
    ],
)
def test_what_cannot_be_read_is_named_by_its_path(change: dict[str, Any], words: str) -> None:
    with pytest.raises(VerbError, match=words) as raised:
        previous_of(add(RESULT | change))
    assert raised.value.code == 7


def test_a_result_that_is_no_object_is_refused() -> None:
    with pytest.raises(VerbError, match="prevResult: an object"):
        previous_of(add([]))


def test_a_capability_of_the_first_plugin_is_refused_behind_it() -> None:
    refuse_foreign_wishes(add(runtimeConfig={"aliases": {"net": ["db"]}}))
    with pytest.raises(VerbError, match=r"runtimeConfig\.portMappings: Tandem is chained") as raised:
        refuse_foreign_wishes(add(runtimeConfig={"portMappings": [{"hostPort": 80}]}))
    assert raised.value.code == 2
