"""PeerAuthentication objects -> what each pod accepts on its ports (PortMtls), with Problems. Pure.

Istio's rules: workload before namespace before mesh; UNSET inherits from the next wider one; among objects of one
scope the oldest is used and the others are not. Without any object the mode is PERMISSIVE.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from tandem.base.problems import Origin, Problem, Severity
from tandem.ir.fabric import MtlsMode, PortMtls
from tandem.model.core import Pod
from tandem.model.security import PeerAuthentication
from tandem.model.world import World
from tandem.translate.mesh.istio.scoped import Scoped, Selectors

_UNSET: Final = ("", "UNSET")


class PeerAuthIndex:
    """PeerAuthentication by scope, each list oldest first; `problems` is what is wrong with them."""

    def __init__(self, world: World, root_namespace: str) -> None:
        self._root = root_namespace
        self._wide: dict[str, PeerAuthentication] = {}
        workload: list[tuple[str, Selectors, PeerAuthentication]] = []
        found: list[Problem] = []
        for policy in world.oldest_first(PeerAuthentication):
            namespace = policy.metadata.namespace
            found.extend(_mistakes(policy))
            if _selects(policy):
                chosen = selected_by(policy)
                found += [
                    _shadowed(policy, older, "selects the same pods")
                    for home, _, older in workload
                    if home == namespace and selected_by(older) == chosen
                ][:1]
                workload.append((namespace, (chosen,), policy))
            elif namespace in self._wide:
                found.append(_shadowed(policy, self._wide[namespace], "covers the same namespace"))
            else:
                self._wide[namespace] = policy
        self._workload = Scoped("", workload)
        self.problems = tuple(found)

    def modes(self, pod: Pod, *, strict: Origin | None = None) -> tuple[PortMtls, ...]:
        """What `pod` accepts: first the default of all ports (port 0), then single ports in order.

        `strict`: who else asks for mTLS, which counts where nothing selects the pod itself.
        """
        namespace = pod.metadata.namespace
        workload = next(iter(self._workload.of(pod)), None)
        scopes = (workload, self._wide.get(namespace), self._wide.get(self._root))
        general = PortMtls(port=0, mode=MtlsMode.PERMISSIVE)
        for policy in scopes:
            if policy is not None and policy.spec.mtls.mode not in _UNSET:
                origin = policy.origin("spec.mtls")
                general = PortMtls(port=0, mode=_mode(policy.spec.mtls.mode), origin=origin)
                break
        selected = workload is not None and workload.spec.mtls.mode not in _UNSET
        if strict is not None and not selected:
            general = PortMtls(port=0, mode=MtlsMode.STRICT, origin=strict)
        return (general, *_ports(workload))


def mode_of(modes: tuple[PortMtls, ...], port: int) -> PortMtls:
    """The entry that holds for a port."""
    return next((m for m in modes if m.port == port), modes[0])


def _ports(policy: PeerAuthentication | None) -> tuple[PortMtls, ...]:
    if policy is None:
        return ()
    found = []
    for port, mtls in policy.spec.port_level_mtls.items():
        if mtls.mode not in _UNSET and port.isdigit():
            origin = policy.origin(f"spec.portLevelMtls[{port}]")
            found.append(PortMtls(port=int(port), mode=_mode(mtls.mode), origin=origin))
    return tuple(sorted(found, key=lambda m: m.port))


def _mode(text: str) -> MtlsMode:
    # A mode that we do not know may be stricter than STRICT, never laxer: fail closed.
    return MtlsMode[text] if text in MtlsMode.__members__ else MtlsMode.STRICT


def _selects(policy: PeerAuthentication) -> bool:
    # An empty selector is no selector (Istio): the object is namespace-wide.
    return bool(selected_by(policy))


def selected_by(policy: PeerAuthentication) -> Mapping[str, str]:
    """Labels of the pods of its namespace that it may be about; none: all of them."""
    return policy.spec.selector.match_labels if policy.spec.selector is not None else {}


def _mistakes(policy: PeerAuthentication) -> list[Problem]:
    def problem(path: str, text: str) -> Problem:
        return Problem(at=policy.origin(path), code="InvalidValue", text=text)

    spec = policy.spec
    found = []
    modes: dict[str, str] = {"spec.mtls.mode": spec.mtls.mode}
    modes.update({f"spec.portLevelMtls[{p}].mode": m.mode for p, m in spec.port_level_mtls.items()})
    for path, mode in modes.items():
        if mode not in _UNSET and mode not in MtlsMode.__members__:
            found.append(problem(path, f"unknown mode {mode!r}, taken for STRICT"))
    if spec.port_level_mtls and not _selects(policy):
        text = "ports need a selector with matchLabels to say whose ports they are; they are not applied"
        found.append(problem("spec.portLevelMtls", text))
    found.extend(
        problem(f"spec.portLevelMtls[{port}]", f"{port!r} is not a port number; it is not applied")
        for port in spec.port_level_mtls
        if not (port.isdigit() and 0 < int(port) < 65536)
    )
    return found


def _shadowed(policy: PeerAuthentication, older: PeerAuthentication, does: str) -> Problem:
    text = f"not used: {older.origin()} {does} and is older"
    return Problem(at=policy.origin(), code="Shadowed", text=text, severity=Severity.WARNING)
