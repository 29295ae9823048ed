from __future__ import annotations

import pytest

from tandem.model import core
from tandem.model.images import Image
from tandem.model.meta import Meta
from tandem.workloads.environment import ConfigError, References, arguments, expand, resolve

NOTHING = References(config_maps={}, secrets={})
POD = core.Pod(api_version="v1", kind="Pod", metadata=Meta(name="a", namespace="n", labels={"app": "x"}))


def test_references_to_what_was_set_before_are_expanded_and_others_stay() -> None:
    assert expand("$(A) $(B) $$(A)", {"A": "1"}) == "1 $(B) $(A)"


def test_a_container_without_command_has_no_arguments() -> None:
    assert arguments(core.Container(name="c", args=("x",)), None, {}) == ()


@pytest.mark.parametrize(
    ("command", "args", "wanted"),
    [
        ((), (), "entry cmd"),
        ((), ("$(A)",), "entry 1"),
        (("run",), (), "run"),
        (("run",), ("$(A)",), "run 1"),
    ],
)
def test_command_and_args_stand_before_those_of_the_image(
    command: tuple[str, ...], args: tuple[str, ...], wanted: str
) -> None:
    """Kubernetes, "Define a Command and Arguments for a Container": the four cases."""
    image = Image(image="x", entrypoint=("entry",), cmd=("cmd",))
    assert " ".join(arguments(core.Container(name="c", command=command, args=args), image, {"A": "1"})) == wanted


def test_an_image_without_entrypoint_starts_its_cmd_or_the_args() -> None:
    image = Image(image="x", cmd=("$(A)",))
    assert arguments(core.Container(name="c"), image, {"A": "1"}) == ("$(A)",)
    assert arguments(core.Container(name="c", args=("y",)), image, {}) == ("y",)


def test_labels_are_fields() -> None:
    ref = core.EnvSource(field_ref=core.FieldSelector(field_path="metadata.labels['app']"))
    container = core.Container(name="c", env=(core.EnvVar(name="APP", value_from=ref),))
    assert resolve(POD, container, NOTHING, addresses=(), host_ips=()) == {"APP": "x"}


def test_a_missing_config_map_is_named() -> None:
    ref = core.EnvSource(config_map_key_ref=core.KeySelector(name="m", key="k"))
    container = core.Container(name="c", env=(core.EnvVar(name="A", value_from=ref),))
    with pytest.raises(ConfigError, match='configmap "m" not found'):
        resolve(POD, container, NOTHING, addresses=(), host_ips=())
