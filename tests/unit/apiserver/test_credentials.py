"""A restarted server serves the clients that knew it before."""

from __future__ import annotations

from pathlib import Path

from tandem.apiserver.credentials import lasting_certificate, lasting_token
from tandem.base.clock import FixedClock

HOSTS = ("localhost", "127.0.0.1")
DAY = 86_400.0


def test_token_and_authority_outlive_the_process(tmp_path: Path) -> None:
    token, first = lasting_token(tmp_path), lasting_certificate(tmp_path, FixedClock(), hosts=HOSTS)
    key = first.key.read_bytes()
    again = lasting_certificate(tmp_path, FixedClock(), hosts=HOSTS)
    assert lasting_token(tmp_path).reveal() == token.reveal()
    assert (again.ca_pem, again.key.read_bytes()) == (first.ca_pem, key)


def test_files_are_readable_by_their_owner_alone(tmp_path: Path) -> None:
    lasting_token(tmp_path)
    lasting_certificate(tmp_path, FixedClock(), hosts=HOSTS)
    assert {p.stat().st_mode & 0o777 for p in tmp_path.iterdir()} == {0o600}


def test_a_certificate_that_ends_soon_or_lacks_a_host_is_replaced(tmp_path: Path) -> None:
    clock = FixedClock()
    first = lasting_certificate(tmp_path, clock, hosts=HOSTS)
    more = lasting_certificate(tmp_path, clock, hosts=(*HOSTS, "198.18.116.1"))
    assert more.ca_pem != first.ca_pem
    late = lasting_certificate(tmp_path, FixedClock(clock.now() + 340 * DAY), hosts=HOSTS)
    assert late.ca_pem != more.ca_pem


def test_half_written_credentials_are_made_anew(tmp_path: Path) -> None:
    first = lasting_certificate(tmp_path, FixedClock(), hosts=HOSTS)
    first.key.unlink()
    assert lasting_certificate(tmp_path, FixedClock(), hosts=HOSTS).ca_pem != first.ca_pem
    (tmp_path / "api.token").write_bytes(b"")
    assert lasting_token(tmp_path).reveal()
