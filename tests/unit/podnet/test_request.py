"""What the courier sent, and what it means."""

from __future__ import annotations

import json

import msgspec
import pytest

from tandem.base.ids import ContainerId
from tandem.podnet.request import Code, VerbError, arguments, ip_address, parse, pod_ref, valid_attachments


def test_a_request_has_environment_and_configuration() -> None:
    env = {"CNI_CONTAINERID": "c1", "CNI_IFNAME": "eth0", "CNI_NETNS": "/ns", "CNI_ARGS": "A=b"}
    found = parse(json.dumps({"verb": "ADD", "env": env, "config": {"cniVersion": "0.4.0"}}).encode())
    assert (found.verb, found.key, found.netns, found.args, found.version) == (
        "ADD",
        ("c1", "eth0"),
        "/ns",
        "A=b",
        "0.4.0",
    )


@pytest.mark.parametrize("data", [b"", b"[]", b'{"verb": 3}', b'{"env": {}}'])
def test_a_request_that_cannot_be_read_is_code_6(data: bytes) -> None:
    with pytest.raises(VerbError) as caught:
        parse(data)
    assert caught.value.code is Code.BAD_JSON


def test_the_pod_is_named_in_the_arguments() -> None:
    found = pod_ref("IgnoreUnknown=1;K8S_POD_NAMESPACE=shop;K8S_POD_NAME=web;K8S_POD_UID=u=1")
    assert (found.namespace, found.name, found.uid) == ("shop", "web", "u=1")


def test_arguments_without_a_pod_say_what_is_missing() -> None:
    with pytest.raises(VerbError, match="K8S_POD_NAMESPACE and K8S_POD_NAME"):
        pod_ref("IgnoreUnknown=1")


@pytest.mark.parametrize("key", ["cni.dev/valid-attachments", "cni.dev/attachments"])
def test_valid_attachments_are_keys(key: str) -> None:
    assert valid_attachments({key: [{"containerID": "c", "ifname": "eth0"}]}) == frozenset({(ContainerId("c"), "eth0")})


def test_null_is_an_empty_list_and_absence_is_not() -> None:
    assert valid_attachments({"cni.dev/valid-attachments": None}) == frozenset()
    assert valid_attachments({}) is None


@pytest.mark.parametrize(
    "value",
    [
        *(3, "", {}, False, [3], [{"containerID": "c"}], [{"ifname": "eth0"}]),
        [{"containerID": 3, "ifname": "eth0"}],
        [{"containerID": "c", "ifname": None}],
    ],
)
def test_a_wrong_list_is_code_7_and_removes_nothing(value: object) -> None:
    with pytest.raises(VerbError) as caught:
        valid_attachments({"cni.dev/valid-attachments": value})
    assert caught.value.code is Code.BAD_CONFIG


def test_an_error_travels_as_number_sentence_and_details() -> None:
    assert VerbError(Code.POOL_FULL, "full", "x").answer() == {"code": 101, "msg": "full", "details": "x"}


@pytest.mark.parametrize(
    ("env", "config", "code"),
    [
        ({"CNI_CONTAINERID": "c", "CNI_IFNAME": "a/b"}, {"name": "x", "socket": "/s"}, 4),
        ({"CNI_CONTAINERID": "c", "CNI_IFNAME": "eth0"}, {"name": "-", "cniVersion": "1.1.0", "socket": "/s"}, 7),
        ({"CNI_CONTAINERID": "c", "CNI_IFNAME": "eth0"}, {"name": "x", "cniVersion": "9.0.0", "socket": "/s"}, 1),
    ],
)
def test_what_the_courier_did_not_check_is_checked_here(
    env: dict[str, str], config: dict[str, object], code: int
) -> None:
    with pytest.raises(VerbError) as caught:
        parse(msgspec.json.encode({"verb": "DEL", "unchecked": True, "env": env, "config": config}))
    assert caught.value.code == code


ENVELOPE = (
    b'{"verb":"ADD","unchecked":true,"env":{"CNI_CONTAINERID":"c","CNI_NETNS":"/n","CNI_IFNAME":"e"},"config":%s}'
)
PLAIN = b'{"cniVersion":"1.1.0","name":"x","socket":"/s"}'


@pytest.mark.parametrize("more", [b',"verb":"DEL"', b',"config":{}', b',"unchecked":false', b"}", b" {}"])
def test_a_configuration_that_is_more_than_one_object_says_nothing_of_the_verb(more: bytes) -> None:
    """The courier's quick way puts it in as bytes."""
    assert parse(ENVELOPE % PLAIN).verb == "ADD"
    with pytest.raises(VerbError) as caught:
        parse(ENVELOPE % (PLAIN + more))
    assert caught.value.code is Code.BAD_JSON


def test_a_configuration_that_is_too_deep_is_code_6() -> None:
    with pytest.raises(VerbError) as caught:
        parse(ENVELOPE % (PLAIN[:-1] + b',"a":' + b"[" * 10_000 + b"]" * 10_000 + b"}"))
    assert caught.value.code is Code.BAD_JSON


@pytest.mark.parametrize("args", ["K8S_POD_NAMESPACE;K8S_POD_NAME=x", "=x", "A=b;=", "IgnoreUnknown"])
def test_an_argument_that_is_no_pair_is_code_4_and_named(args: str) -> None:
    """A pod whose namespace cannot be read must not become a container that no policy is about."""
    with pytest.raises(VerbError, match=r"CNI_ARGS: .* is no KEY=VALUE") as caught:
        arguments(args)
    assert caught.value.code is Code.BAD_ENVIRONMENT


def test_arguments_may_be_empty_and_hold_equal_signs() -> None:
    assert arguments("IgnoreUnknown=1;;A=;B=c=d;") == {"IgnoreUnknown": "1", "A": "", "B": "c=d"}


@pytest.mark.parametrize("value", [5, True, 1.5, None])
def test_a_number_is_no_address(value: object) -> None:
    with pytest.raises(VerbError, match="an IP address, not"):
        ip_address("x", value)


def test_an_address_is_made_canonical_or_named_by_its_path() -> None:
    assert ip_address("x", "FD00::0:1") == "fd00::1"
    with pytest.raises(VerbError, match=r"a\.b: an IP address, not 'ten'") as raised:
        ip_address("a.b", "ten")
    assert raised.value.code == 7
