"""`tandem`: arguments in, exit status out (0 fine, 1 the answer is no or something failed, 2 wrong use).

Only the module of the command that was asked for is imported: start-up time is a feature, and one command's missing
module must not break the others.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Final, cast

import typer

from tandem.apps.cli.session import CommandError, complain, explain_failure

USAGE: Final = 2
INTERRUPTED: Final = 130


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """Where a command lives (`module:function`; the function's parameters are its options) and its line in the help."""

    target: str
    summary: str
    hidden: bool = False
    asks: bool = False
    """It ends with 1 where the answer is no, so that it ends with 2 where there is none."""

    @property
    def module(self) -> str:
        """The module to import."""
        return self.target.partition(":")[0]

    def load(self) -> Callable[..., Any]:
        """The function behind the command."""
        module, _, function = self.target.partition(":")
        loaded: Callable[..., Any] = getattr(importlib.import_module(module), function)
        return loaded


_CLI: Final = "tandem.apps.cli"
COMMANDS: Final[dict[str, Command]] = {
    "up": Command(target=f"{_CLI}.up:up", summary="Start both layers on this machine and apply manifests."),
    "down": Command(target=f"{_CLI}.down:down", summary="Stop everything and leave no trace in the kernel."),
    "restart": Command(target=f"{_CLI}.restart:restart", summary="Start the processes anew after an upgrade."),
    "apply": Command(target=f"{_CLI}.apply:apply", summary="Create or change objects from manifests."),
    "delete": Command(target=f"{_CLI}.delete:delete", summary="Delete objects, by manifest or by name."),
    "get": Command(target=f"{_CLI}.get:get", summary="Show objects as a table, JSON or YAML."),
    "describe": Command(target=f"{_CLI}.describe:describe", summary="Show one object with what belongs to it."),
    "exec": Command(target=f"{_CLI}.exec:exec_command", summary="Run a command inside a pod."),
    "logs": Command(target=f"{_CLI}.logs:logs", summary="Show what a pod's container has printed."),
    "status": Command(target=f"{_CLI}.status:status", summary="Show nodes, pods, proxies and problems."),
    "cni": Command(target=f"{_CLI}.cni:cni", summary="Offer the network to containerd, podman and others."),
    "ipam": Command(target=f"{_CLI}.ipam:ipam", summary="Show, check and release the addresses of pods."),
    "compile": Command(
        target=f"{_CLI}.compile:compile_command", summary="Show what manifests become: IR, nftables, xDS."
    ),
    "translate": Command(target=f"{_CLI}.translate:translate", summary="Write routes of Istio's API as Gateway API."),
    "explain": Command(
        target=f"{_CLI}.explain:explain", summary="Say whether one workload may talk to another, and why.", asks=True
    ),
    "verify": Command(
        target=f"{_CLI}.verify:verify", summary="Check policies with packets, and against what was meant.", asks=True
    ),
    "flows": Command(target=f"{_CLI}.flows:flows", summary="Show who talked to whom, and which rule decided."),
    "canary": Command(target=f"{_CLI}.canary:canary", summary="Show how far a new version is, and move it by hand."),
    "ca": Command(target=f"{_CLI}.ca:ca", summary="Show, rotate or replace the mesh's certificate authority."),
    "control": Command(target=f"{_CLI}.process:control", summary="The control process of `tandem up`.", hidden=True),
    "agent": Command(target=f"{_CLI}.process:agent", summary="The agent process of `tandem up`.", hidden=True),
    "runtime": Command(target=f"{_CLI}.process:runtime", summary="The runtime process of `tandem up`.", hidden=True),
}

_WRONG_USE: Final = cast("type[Exception]", typer.BadParameter.__bases__[0])
"""Base of what the argument parser raises (UsageError), found without naming the parser's private package."""


def application(command: str | None = None) -> typer.Typer:
    """The command line with `command` complete and all others as lines in the help; raises CommandError."""
    app = typer.Typer(
        name="tandem",
        help="One network for microservices: packets by the kernel, requests by Envoy, one answer.",
        add_completion=False,
        context_settings={"help_option_names": ["-h", "--help"]},
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
    )
    app.callback()(_tandem)
    for name, entry in COMMANDS.items():
        if name == command:
            app.command(name)(_loaded(name, entry))
        else:
            app.command(name, help=entry.summary, hidden=entry.hidden)(_root)
    return app


def run(arguments: Sequence[str]) -> int:
    """Run one command line; every failure becomes `error: ...` on stderr and an exit status."""
    arguments = list(arguments) or ["--help"]
    command = next((a for a in arguments if not a.startswith("-")), None)
    asks = command in COMMANDS and COMMANDS[command].asks
    try:
        result = application(command)(arguments, prog_name="tandem", standalone_mode=False)
    except _WRONG_USE as err:
        complain(_usage_text(err))
        return USAGE
    except CommandError as err:
        complain(str(err))
        return USAGE if asks else err.status
    except (KeyboardInterrupt, typer.Abort):
        return INTERRUPTED
    except Exception as err:
        text = explain_failure(err)
        if text is None:
            raise
        complain(text)
        return USAGE if asks else 1
    return result if isinstance(result, int) else 0


def _tell_version(asked: object) -> None:
    """`tandem 0.1.0`, and the end."""
    if asked:
        from importlib.metadata import version

        typer.echo(f"tandem {version('tandem')}")
        raise typer.Exit


def main() -> None:
    """The entry point of the `tandem` executable."""
    sys.exit(run(sys.argv[1:]))


def _tandem(
    *, version: Annotated[bool, typer.Option("--version", callback=_tell_version, help="Show the version.")] = False
) -> None:
    """Nothing more to do before the command itself."""


def _root() -> None:
    """Stands for a command that was not asked for."""


def _loaded(name: str, entry: Command) -> Callable[..., Any]:
    try:
        return entry.load()
    except ModuleNotFoundError as err:
        if err.name != entry.module:
            raise
        raise CommandError(
            f"the command {name!r} is not part of this installation ({entry.module} is missing)"
        ) from err


def _usage_text(err: Exception) -> str:
    text = getattr(err, "format_message", err.__str__)()
    context = getattr(err, "ctx", None)
    where = getattr(context, "command_path", "tandem")
    return f"{text} (see: {where} --help)"


if __name__ == "__main__":
    main()
