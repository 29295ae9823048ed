"""Images by name, as container runtimes read names."""

from __future__ import annotations

import pytest

from tandem.model.images import Image, Images, Name, parse_name

DIGEST = "sha256:" + "0" * 64


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("redis", Name("docker.io/library/redis", "", "")),
        ("istio/proxyv2:1.20", Name("docker.io/istio/proxyv2", "1.20", "")),
        ("docker.io/istio/proxyv2", Name("docker.io/istio/proxyv2", "", "")),
        ("localhost/x", Name("localhost/x", "", "")),
        ("registry:5000/x/y:1", Name("registry:5000/x/y", "1", "")),
        (f"ghcr.io/x/y:1@{DIGEST}", Name("ghcr.io/x/y", "1", DIGEST)),
        ("two words", None),
        ("", None),
    ],
)
def test_names_are_read_as_runtimes_read_them(text: str, wanted: Name | None) -> None:
    assert parse_name(text) == wanted


def test_the_entry_that_says_the_most_is_meant() -> None:
    names = ("redis", "redis:7", "redis:latest", f"redis@{DIGEST}")
    images = Images(tuple(Image(image=name) for name in names))
    asked = ("redis:6", "docker.io/library/redis:7", "redis", f"redis:7@{DIGEST}")
    assert tuple(found.image for name in asked if (found := images.of(name))) == names


def test_what_is_not_here_is_nobodys() -> None:
    images = Images((Image(image="redis:7"), Image(image="host")))
    assert [images.of(name) for name in ("redis", "nginx", "", "a b")] == [None] * 4

    other = "sha256:" + "1" * 64
    assert Images((Image(image=f"redis@{DIGEST}"),)).of(f"redis@{other}") is None


def test_the_machine_itself_is_an_image_that_starts_nothing_by_itself() -> None:
    assert Images((Image(image="host", entrypoint=("x",)),)).of("host") == Image(image="host")
