"""Where an object, and a rule in it, came from."""

from __future__ import annotations

import msgspec

from tandem.model.meta import LINES_ANNOTATION, SOURCE_ANNOTATION, Meta, Object


def obj(**annotations: str) -> Object:
    notes = {{"source": SOURCE_ANNOTATION, "lines": LINES_ANNOTATION}[k]: v for k, v in annotations.items()}
    return Object(api_version="v1", kind="NetworkPolicy", metadata=Meta(name="p", namespace="shop", annotations=notes))


LINES = "spec.ingress[0]=12,spec.ingress[0].from[1]=15"


def test_a_rule_has_its_own_line() -> None:
    origin = obj(source="/m/shop.yaml:7", lines=LINES).origin("spec.ingress[0].from[1]")
    assert (origin.source, origin.path) == ("/m/shop.yaml:15", "spec.ingress[0].from[1]")


def test_what_is_in_a_rule_has_the_line_of_that_rule() -> None:
    deep = obj(source="shop.yaml:7", lines=LINES)
    assert deep.origin("spec.ingress[0].from[2].podSelector").source == "shop.yaml:12"
    assert deep.origin("spec.ingress[0].from[1].podSelector").source == "shop.yaml:15"


def test_a_rule_without_a_known_line_has_that_of_its_object() -> None:
    assert obj(source="shop.yaml:7", lines=LINES).origin("spec.egress[0]").source == "shop.yaml:7"
    assert obj(source="shop.yaml:7", lines=LINES).origin().source == "shop.yaml:7"


def test_an_object_that_came_from_no_file_has_no_source() -> None:
    assert obj(lines=LINES).origin("spec.ingress[0]").source == ""


def test_annotations_that_somebody_else_wrote_do_no_harm() -> None:
    assert obj(source="shop.yaml:7", lines="nonsense,,=,a=").origin("a").source == "shop.yaml:7"


def test_a_path_with_a_colon_in_a_file_name_keeps_it() -> None:
    assert obj(source="C:shop.yaml:7", lines="a=9").origin("a").source == "C:shop.yaml:9"


def test_the_key_of_a_cluster_scoped_object_has_no_namespace() -> None:
    assert Object(api_version="v1", kind="Node", metadata=Meta(name="n1")).key == ("", "n1")


def test_fields_have_their_names_of_the_api() -> None:
    assert msgspec.to_builtins(Meta(name="p", resource_version="7")) == {"name": "p", "resourceVersion": "7"}
