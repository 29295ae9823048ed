"""Services by the pods that they select."""

from __future__ import annotations

from builders import pod, service
from tandem.model.selected import Selected

WEB = service("web", ns="shop", selector={"app": "web"})
V2 = service("v2", ns="shop", selector={"app": "web", "version": "2"})
NOBODY = service("nobody", ns="shop", selector={})
ELSEWHERE = service("web", ns="other", selector={"app": "web"})


def names(selected: Selected, **labels: str) -> list[str]:
    return [s.metadata.name for s in selected.of(pod("p", namespace="shop", labels=labels))]


def test_every_label_of_the_selector_must_hold_and_an_empty_one_selects_nothing() -> None:
    selected = Selected([WEB, V2, NOBODY, ELSEWHERE])
    assert names(selected, app="web", version="1") == ["web"]
    assert names(selected, app="web", version="2", other="x") == ["v2", "web"]
    assert names(selected, version="2") == []
    assert names(selected) == []


def test_services_come_change_and_go() -> None:
    selected = Selected()
    selected.put(WEB)
    selected.put(service("web", ns="shop", selector={"app": "db"}))
    assert names(selected, app="web") == []
    assert names(selected, app="db") == ["web"]
    selected.put(NOBODY)
    selected.drop(("shop", "web"))
    selected.drop(("shop", "never-there"))
    assert names(selected, app="db") == []
