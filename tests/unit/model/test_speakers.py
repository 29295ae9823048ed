"""What is known of ports that say nothing."""

from __future__ import annotations

import msgspec
import pytest

from builders import service
from tandem.model.core import Service, ServicePort, ServiceSpec
from tandem.model.speakers import OPAQUE, is_known, opaque_ports


@pytest.mark.parametrize(
    "port",
    [
        ServicePort(port=3306),
        ServicePort(port=25, name="mail"),
        ServicePort(port=80, target_port=22),
        ServicePort(port=3128, name="web"),
        ServicePort(port=2525, name="smtp-relay"),
        ServicePort(port=2525, name="SMTP"),
    ],
)
def test_servers_that_speak_first_are_known(port: ServicePort) -> None:
    assert is_known(port)


@pytest.mark.parametrize("port", [ServicePort(port=80), ServicePort(port=8080, name="web", target_port="ssh")])
def test_others_are_not(port: ServicePort) -> None:
    assert not is_known(port)


def annotated(text: str) -> Service:
    made = service("web")
    ports = tuple(ServicePort(port=number, name=f"p{number}") for number in (80, 4000, 4100, 9000))
    noted = msgspec.structs.replace(made.metadata, annotations={OPAQUE: text})
    return msgspec.structs.replace(made, spec=ServiceSpec(ports=ports), metadata=noted)


def test_an_annotation_says_which_ports_are_bytes() -> None:
    assert opaque_ports(service("web")) == (frozenset(), ())
    assert opaque_ports(annotated("80, 4000-4100")) == (frozenset({80, 4000, 4100}), ())
    assert opaque_ports(annotated("1,9000-9000,")) == (frozenset({9000}), ())


def test_what_it_cannot_say_is_told() -> None:
    wrong = ("web", "80-", "-4", "80-90-100", "90-80", "0", "1-65536")
    assert opaque_ports(annotated(",".join([*wrong, "9000"]))) == (frozenset({9000}), wrong)
