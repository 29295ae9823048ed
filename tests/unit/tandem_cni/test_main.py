"""What a runtime sees of the courier, with and without an agent."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from tandem_cni.__main__ import main
from tandem_cni.build import build

from unit.tandem_cni.courier import CONFIG, ENV, run

HEAVY = {"argparse", "dataclasses", "asyncio", "ipaddress", "logging", "typing_extensions", "subprocess", "inspect"}
LIST_MODULES = """
import sys
sys.path.insert(0, sys.argv[1])
import tandem_cni.__main__
print("\\n".join(sorted(sys.modules)))
"""


@pytest.fixture(scope="module")
def courier(tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("bin") / "tandem-cni"
    build(target, sys.executable)
    return target


def test_without_a_command_it_says_what_it_is(courier: Path) -> None:
    done = run(courier, {}, "")
    assert (done.status, done.out) == (0, "")
    assert "0.3.0 to 1.1.0" in done.err


def test_version_needs_no_agent(courier: Path) -> None:
    done = run(courier, {"CNI_COMMAND": "VERSION"}, {"cniVersion": "0.4.0"})
    assert done.status == 0
    assert done.answer == {"cniVersion": "0.4.0", "supportedVersions": ["0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"]}


@pytest.mark.parametrize("data", ["", "nonsense", "{}", '{"cniVersion": ""}', '{"cniVersion": 3}', "[" * 100_000])
def test_version_answers_in_the_newest_version_when_asked_in_none(courier: Path, data: str) -> None:
    assert run(courier, {"CNI_COMMAND": "VERSION"}, data).answer["cniVersion"] == "1.1.0"


def test_version_answers_in_the_version_that_it_was_asked_in_whether_it_speaks_that_or_not(courier: Path) -> None:
    """CNI specification, section 5: the value of `cniVersion` specified on input."""
    assert run(courier, {"CNI_COMMAND": "VERSION"}, {"cniVersion": "0.1.0"}).answer["cniVersion"] == "0.1.0"


@pytest.mark.parametrize(
    ("verb", "missing"),
    [
        ("ADD", "CNI_CONTAINERID"),
        ("ADD", "CNI_NETNS"),
        ("ADD", "CNI_IFNAME"),
        ("CHECK", "CNI_NETNS"),
        ("DEL", "CNI_CONTAINERID"),
        ("DEL", "CNI_IFNAME"),
    ],
)
def test_a_missing_variable_is_code_4_and_named(courier: Path, verb: str, missing: str) -> None:
    env = {name: value for name, value in ENV.items() if name != missing} | {"CNI_COMMAND": verb}
    done = run(courier, env, CONFIG)
    assert (done.status, done.code) == (1, 4)
    assert missing in done.answer["msg"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("CNI_COMMAND", "EXPLODE"),
        ("CNI_CONTAINERID", "../etc"),
        ("CNI_CONTAINERID", "-x"),
        ("CNI_IFNAME", "a" * 16),
        ("CNI_IFNAME", ".."),
        ("CNI_IFNAME", "a/b"),
        ("CNI_IFNAME", "a b"),
        ("CNI_IFNAME", "a:b"),
        ("CNI_IFNAME", "eth%d"),
        ("CNI_IFNAME", "a\udcff"),
        ("CNI_CONTAINERID", "c" * 240),
    ],
)
def test_an_illegal_variable_is_code_4_and_named(courier: Path, name: str, value: str) -> None:
    done = run(courier, ENV | {"CNI_COMMAND": "ADD", name: value}, CONFIG)
    assert (done.status, done.code) == (1, 4)
    assert name in done.answer["msg"]


PLAIN = '{"cniVersion":"1.1.0","name":"x","socket":"/s"}'


@pytest.mark.parametrize("verb", ["ADD", "STATUS"])
@pytest.mark.parametrize(
    "data",
    [
        "",
        "{",
        "[]",
        "3",
        PLAIN + "x",
        "\ufeff" + PLAIN,
        PLAIN[:-1] + ',"mtu":NaN}',
        "[" * 100_000,
        PLAIN[:-1] + ',"x":' + '{"a":' * 10_000 + "1" + "}" * 10_000 + "}",
    ],
)
def test_input_that_is_no_json_object_is_code_6(courier: Path, verb: str, data: str) -> None:
    done = run(courier, ENV | {"CNI_COMMAND": verb}, data)
    assert (done.status, done.code, done.answer["cniVersion"]) == (1, 6, "1.1.0")


@pytest.mark.parametrize(
    ("change", "named"),
    [({"name": ""}, "name"), ({"name": "a/b"}, "name"), ({"name": 3}, "name"), ({"socket": ""}, "socket")],
)
def test_a_wrong_configuration_is_code_7_and_the_key_is_named(
    courier: Path, change: dict[str, object], named: str
) -> None:
    done = run(courier, ENV | {"CNI_COMMAND": "ADD"}, CONFIG | {"socket": "/x"} | change)
    assert (done.status, done.code) == (1, 7)
    assert f"'{named}'" in done.answer["msg"]


@pytest.mark.parametrize(
    ("verb", "version"), [("ADD", "0.2.0"), ("ADD", "2.0.0"), ("CHECK", "0.3.1"), ("STATUS", "1.0.0"), ("GC", "1.0.0")]
)
def test_a_version_that_lacks_the_verb_is_code_1(courier: Path, verb: str, version: str) -> None:
    done = run(courier, ENV | {"CNI_COMMAND": verb}, CONFIG | {"socket": "/x", "cniVersion": version})
    assert (done.status, done.code) == (1, 1)


@pytest.mark.parametrize("version", [1.1, None, ["1.1.0"]])
def test_a_version_that_is_no_text_is_code_6_and_the_answer_is_in_the_newest(courier: Path, version: object) -> None:
    done = run(courier, ENV | {"CNI_COMMAND": "ADD"}, CONFIG | {"socket": "/x", "cniVersion": version})
    assert (done.status, done.code, done.answer["cniVersion"]) == (1, 6, "1.1.0")
    assert "cniVersion" in done.answer["msg"]


def test_an_error_is_in_no_version_that_is_not_spoken(courier: Path) -> None:
    done = run(courier, ENV | {"CNI_COMMAND": "ADD"}, CONFIG | {"socket": "/x", "cniVersion": "9.0.0"})
    assert done.answer["cniVersion"] == "1.1.0"


@pytest.mark.parametrize("path", ["a.sock", "/" + "a" * 107, "/\ud800", 3])
@pytest.mark.parametrize("verb", ["ADD", "DEL"])
def test_a_socket_that_cannot_be_one_is_code_7(courier: Path, verb: str, path: object) -> None:
    done = run(courier, ENV | {"CNI_COMMAND": verb}, CONFIG | {"socket": path})
    assert (done.status, done.code) == (1, 7)


def test_an_error_that_nobody_foresaw_is_told_as_json(
    monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    def break_down(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("tandem_cni.__main__.serve", break_down)
    monkeypatch.setattr("os.environ", ENV | {"CNI_COMMAND": "STATUS"})
    status = main(json.dumps(CONFIG | {"socket": "/x"}).encode())
    assert (status, json.loads(capfdbinary.readouterr().out)["code"]) == (1, 999)


@pytest.mark.parametrize("verb", ["ADD", "DEL", "STATUS"])
def test_a_configuration_that_no_agent_takes_is_code_7_and_no_absent_agent(
    courier: Path, tmp_path: Path, verb: str
) -> None:
    with socket.socket(socket.AF_UNIX) as agent:
        agent.bind(str(tmp_path / "s"))
        agent.listen()
        done = run(courier, ENV | {"CNI_COMMAND": verb}, CONFIG | {"socket": str(tmp_path / "s"), "x": "x" * (7 << 20)})
    assert (done.status, done.code) == (1, 7)
    assert "more than 7340032" in done.answer["msg"]
    assert not (tmp_path / "dels").exists()


def test_without_any_of_its_three_files_it_ends(courier: Path) -> None:
    closed = f"exec {courier} <&- >&- 2>&-"
    done = subprocess.run(["/bin/sh", "-c", closed], env=ENV | {"CNI_COMMAND": "ADD"}, check=False, timeout=30)
    assert done.returncode == 1


def test_an_answer_that_nobody_can_hear_is_told_by_the_exit_status(courier: Path) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [courier], env={"CNI_COMMAND": "VERSION"}, input=b"", stdout=full, stderr=subprocess.PIPE, check=False
        )
    assert (done.returncode, b"No space left" in done.stderr, b"Traceback" in done.stderr) == (1, True, False)


def test_several_faults_are_told_in_the_order_of_the_specification(courier: Path) -> None:
    """Environment, standard input, JSON, name, version: the first that is wrong is the one that is told."""
    wrong = ENV | {"CNI_COMMAND": "ADD", "CNI_IFNAME": "."}
    right = ENV | {"CNI_COMMAND": "ADD"}
    socket_only = {"socket": "/x"}
    steps = [
        (wrong, "{", 4),
        (right, "{", 6),
        (right, socket_only | {"name": "-", "cniVersion": "9.0.0"}, 7),
        (right, socket_only | {"name": "net", "cniVersion": "9.0.0"}, 1),
        (right, {"name": "net", "cniVersion": "1.1.0"}, 7),
        (right, {"name": "net", "cniVersion": "1.1.0"} | socket_only, 11),
    ]
    assert [run(courier, env, config).code for env, config, _ in steps] == [code for _, _, code in steps]


def test_a_configuration_without_a_version_is_of_the_first_one_which_is_not_spoken(courier: Path) -> None:
    without = {key: value for key, value in CONFIG.items() if key != "cniVersion"} | {"socket": "/x"}
    done = run(courier, ENV | {"CNI_COMMAND": "ADD"}, without)
    assert done.code == 1
    assert "'0.1.0'" in done.answer["msg"]


@pytest.mark.parametrize(("verb", "code"), [("ADD", 11), ("CHECK", 11), ("GC", 11), ("STATUS", 50)])
def test_an_agent_that_is_away_is_try_again_and_not_available(
    courier: Path, tmp_path: Path, verb: str, code: int
) -> None:
    done = run(courier, ENV | {"CNI_COMMAND": verb}, CONFIG | {"socket": str(tmp_path / "none.sock")})
    assert (done.status, done.code) == (1, code)
    assert done.answer["msg"] == "the node's agent is away"
    assert "none.sock" in done.answer["details"]


def test_input_that_cannot_be_read_is_code_5(courier: Path) -> None:
    env = ENV | {"CNI_COMMAND": "ADD"}
    with socket.socket(socket.AF_UNIX) as nobody:
        done = subprocess.run([courier], env=env, stdin=nobody.fileno(), capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert '"code": 5' in done.stdout


def test_it_imports_nothing_heavy_and_nothing_foreign() -> None:
    done = subprocess.run(
        [sys.executable, "-IS", "-c", LIST_MODULES, "cni/src"], capture_output=True, text=True, check=True
    )
    loaded = {name.partition(".")[0] for name in done.stdout.split()}
    assert loaded <= sys.stdlib_module_names | {"tandem_cni", "__main__"}
    assert not loaded & HEAVY


def test_what_is_installed_stays_below_560_lines() -> None:
    shipped = [p for p in Path("cni/src/tandem_cni").glob("*.p[yl]") if p.name != "build.py"]
    assert sum(len(p.read_text().splitlines()) for p in shipped) < 560
