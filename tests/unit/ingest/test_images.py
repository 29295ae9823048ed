"""The file of `tandem up --images`: read, judged, kept."""

from __future__ import annotations

from pathlib import Path

import pytest

from tandem.ingest.files import ManifestError
from tandem.ingest.images import load_images, read_images, save_images
from tandem.model.images import Images

GOOD = """\
images:
- image: redis
  root: roots/redis
  entrypoint: [/entry.sh]
  cmd: [redis-server]
  workingDir: /data
  env: {PATH: /bin}
- image: nginx:1
  cmd: [python3, -m, http.server]
"""


def wrong(folder: Path, text: str) -> list[str]:
    path = folder / "images.yaml"
    path.write_text(text)
    with pytest.raises(ManifestError) as caught:
        read_images(path)
    return [line.removeprefix(f"{path}:") for line in caught.value.errors]


def test_roots_are_beside_the_file_and_all_of_it_is_kept(tmp_path: Path) -> None:
    (tmp_path / "roots/redis").mkdir(parents=True)
    (tmp_path / "images.yaml").write_text(GOOD)
    read = read_images(tmp_path / "images.yaml")
    redis, nginx = read.all
    assert redis.root == str(tmp_path / "roots/redis")
    assert (redis.entrypoint, redis.cmd, redis.working_dir, redis.env) == (
        ("/entry.sh",),
        ("redis-server",),
        "/data",
        {"PATH": "/bin"},
    )
    assert (nginx.root, nginx.cmd) == ("", ("python3", "-m", "http.server"))
    save_images(tmp_path / "kept", read)
    assert load_images(tmp_path / "kept").all == read.all
    assert load_images(tmp_path / "never").all == Images().all


def test_every_mistake_is_told_with_its_line_and_field(tmp_path: Path) -> None:
    text = """\
images:
- image: redis
  root: roots/redis
- image: docker.io/library/redis
  cmd: [x]
  workingDir: data
- image: host
  cmd: [x]
- image: a b
"""
    assert wrong(tmp_path, text) == [
        f"3: images[0].root: {tmp_path}/roots/redis: there is no such directory",
        "4: images[1].image: 'docker.io/library/redis' is said before, by images[0]",
        "6: images[1].workingDir: 'data' must begin with /",
        "7: images[2].image: 'host' is this machine's own file system",
        "9: images[3].image: 'a b' is no image's name",
        "9: images[3]: a root, an entrypoint or a cmd is required",
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("images:\n- image: x\n  cmd: [1]\n", "3: images[0].cmd[0]: Expected `str`, got `int`"),
        ("images:\n- image: x\n  comand: [y]\n", "2: images[0]: Object contains unknown field `comand`"),
        ("images:\n- cmd: [y]\n", "2: images[0]: Object missing required field `image`"),
        ("- x\n", "1: Expected `object`, got `array`"),
        ("images: []\n---\nimages: []\n", "1: one document is expected, with `images:`, and here are 2"),
        ("images: [\n", "2: "),
    ],
)
def test_what_is_no_such_file_is_told_with_its_line(tmp_path: Path, text: str, said: str) -> None:
    assert wrong(tmp_path, text)[0].startswith(said)


def test_what_is_no_text_is_told(tmp_path: Path) -> None:
    (tmp_path / "images.yaml").write_bytes(b"images:\n- \xff")
    with pytest.raises(ManifestError, match=r"images\.yaml:2: not UTF-8"):
        read_images(tmp_path / "images.yaml")
