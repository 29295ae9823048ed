from __future__ import annotations

from tandem.cluster.writes import Delete, controller_of, delete, owner_reference
from tandem.model import core
from tandem.model.meta import Meta, OwnerReference


def pod(**meta: object) -> core.Pod:
    return core.Pod(api_version="v1", kind="Pod", metadata=Meta(name="a", namespace="n", **meta))  # type: ignore[arg-type]


def test_delete_names_the_object() -> None:
    assert delete(pod()) == Delete(kind="Pod", namespace="n", name="a")


def test_an_owner_that_does_not_control_is_not_the_controller() -> None:
    refs = (OwnerReference(kind="X", uid="1"), OwnerReference(kind="Deployment", uid="2", controller=True))
    found = controller_of(pod(owner_references=refs))
    assert found is not None
    assert found.uid == "2"
    assert controller_of(pod()) is None


def test_an_owner_reference_carries_the_uid() -> None:
    assert owner_reference(pod(uid="u"))["uid"] == "u"
