"""tandem verify: what is asked of it, and what is wrong use."""

from __future__ import annotations

from pathlib import Path

import pytest

from tandem.apps.cli.main import run

REPO = Path(__file__).parents[4]
EXAMPLES = REPO / "examples" / "verify"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "which intents? Give a file with -f"),
        (["-o", "yaml"], "-o yaml"),
        (["plans"], "'plans' is not one of"),
        (["matrix", "-p", "0"], "--port 0: write 80, 53/UDP or 9999/SCTP"),
        (["matrix", "-p", "80/ICMP"], "--port 80/ICMP"),
        (["matrix", "-f", "/nowhere"], "/nowhere: No such file or directory"),
        (["matrix", "--tries", "0"], "--tries"),
        (["matrix", "-f", "-"], "-f -: give files or directories"),
    ],
)
def test_wrong_use_is_status_2(arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["verify", *arguments]) == 2
    assert message in capsys.readouterr().err


def test_the_example_holds_with_the_rule_of_the_administrator_and_not_without(
    capsys: pytest.CaptureFixture[str],
) -> None:
    asked = ["verify", "-f", str(EXAMPLES / "intents.yaml"), "-m", str(EXAMPLES / "shop" / "10-shop.yaml")]
    assert run([*asked, "-m", str(EXAMPLES / "shop" / "20-admin.yaml")]) == 0
    assert capsys.readouterr().out.endswith("every intent holds\n")
    assert run(asked) == 1
    assert "✗ legacy/outsider may not reach anyone in shop" in capsys.readouterr().out
