"""`tandem ca`: wrong use, and what it paints; what it does is in tests/e2e/test_authority.py."""

from __future__ import annotations

from pathlib import Path

import pytest

from tandem.apps.cli.ca import paint, summary
from tandem.apps.cli.main import run
from tandem.apps.cli.session import CommandError
from tandem.drivers.ca.authority import Authority
from tandem.identity.trust import Trust, extended, switched
from tandem.model.parse import parse
from tandem.model.world import World
from tandem.runtime.authority import secret_of

NOW = 1_800_000_000.0


def test_it_tells_who_signs_and_who_is_trusted_until_when() -> None:
    old, new = Authority.create("cluster.local", NOW), Authority.create("cluster.local", NOW)
    trust = switched(Trust(), old.signer, old.trusted, NOW)
    world = World.of([parse(secret_of(new))])
    waiting = summary(world, extended(trust, new.signer, new.trusted, NOW))
    assert (waiting["signs"], len(waiting["roots"])) == (False, 2)
    assert "will sign, once every node trusts it" in next(paint(waiting, 200))
    lines = list(paint(summary(world, switched(trust, new.signer, new.trusted, NOW)), 200))
    assert lines[0] == "CN=tandem authority of cluster.local signs (Secret tandem-system/tandem-ca)"
    assert lines[3].split() == ["ROOT", "FINGERPRINT", "VALID-UNTIL", "TRUSTED-UNTIL"]
    assert lines[4].endswith("2027-01-16T08:10:00Z")
    assert lines[5].endswith("it is replaced")
    assert "PRIVATE" not in "".join(lines)


def test_a_secret_that_is_none_is_an_error_with_its_name() -> None:
    raw = secret_of(Authority.create("cluster.local", NOW))
    raw["data"]["tls.key"] = ""
    with pytest.raises(CommandError, match=r"Secret tandem-system/tandem-ca: data.tls.key is missing"):
        summary(World.of([parse(raw)]), Trust())


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["import"], "needs --cert and --key"),
        (["show", "--cert", "x"], "belong to: tandem ca import"),
        (["show", "-o", "yaml"], "-o yaml"),
        (["roots", "-o", "json"], "-o json"),
        (["roots", "--key", "x"], "belong to: tandem ca import"),
    ],
)
def test_wrong_use(arguments: list[str], text: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["ca", *arguments]) == 2
    assert text in capsys.readouterr().err


def test_files_are_looked_at_before_anything_is_asked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    chain, key, _ = Authority.create("cluster.local", 0.0).to_pem()
    (tmp_path / "crt").write_text(chain)
    (tmp_path / "key").write_bytes(key.reveal())
    assert run(["ca", "import", "--cert", str(tmp_path / "crt"), "--key", str(tmp_path / "nowhere")]) == 1
    assert "nowhere: No such file" in capsys.readouterr().err
    assert run(["ca", "import", "--cert", str(tmp_path / "crt"), "--key", str(tmp_path / "key")]) == 1
    assert "no root that is given" in capsys.readouterr().err
