"""ProxyConfig objects -> Problems: one Envoy serves all pods of a node, nothing of it is for one pod. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from tandem.base.problems import Problem, Severity
from tandem.model.telemetry import ProxyConfig
from tandem.model.world import World


def proxy_config_problems(world: World) -> tuple[Problem, ...]:
    """What is told of each field that is given; values are not, they may be secret."""
    return tuple(problem for config in world.sorted(ProxyConfig) for problem in _of(config))


def _of(config: ProxyConfig) -> Iterator[Problem]:
    def problem(path: str, text: str) -> Problem:
        told = f"has no effect: {text}"
        return Problem(at=config.origin(path), code="NoEffect", text=told, severity=Severity.WARNING)

    spec = config.spec
    if spec.concurrency is not None:
        yield problem("spec.concurrency", "one Envoy serves all pods of a node, with a worker for each of its cores")
    for name in sorted(spec.environment_variables):
        text = "the Envoy of a node is given its configuration by the agent, and nothing by its environment"
        yield problem(f"spec.environmentVariables[{name}]", text)
    if spec.image is not None:
        yield problem("spec.image.imageType", "pods have no proxy of their own, the node's is a program without image")
