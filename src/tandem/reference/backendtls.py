"""BackendTLSPolicy as the Gateway API's documents say -> how a gateway opens a connection to a backend, and why.

In: the World, the Gateway, the port of the Service, and the pod behind it. Out: a MtlsDecision with every step, or None
where no policy is about the port. Shares no code with translation.
"""

from __future__ import annotations

from cryptography import x509

from tandem.model import core
from tandem.model.backendtls import BackendTLSPolicy
from tandem.model.gateways import GROUP, Gateway, ReferenceGrant
from tandem.model.world import Key, World
from tandem.reference.ingressgateway import IngressGateway
from tandem.reference.mtls import MtlsDecision, Outcome, in_mesh, mode_at
from tandem.reference.request import Step


def decide_backend_tls(
    world: World, gateway: Gateway | IngressGateway, service: Key, port: int, *, pod: core.Pod, at: int
) -> MtlsDecision | None:
    """TLS with the application of `pod`, which listens at `at`: begun by the gateway, and none of the mesh's."""
    policy = policy_for(world, service, port)
    if policy is None:
        return None
    name = policy.spec.validation.hostname
    steps = [Step(text=f"the gateway begins TLS and asks for {name!r}", origin=policy.origin())]
    wrong = _unusable(world, policy) or _unshown(world, gateway)
    if wrong:
        steps.append(Step(text=f"{wrong}: nothing is sent", origin=policy.origin()))
        return MtlsDecision(outcome=Outcome.REFUSED, mode="", rule=policy.origin(), steps=tuple(steps))
    mode, origin = mode_at(world, pod, at) if in_mesh(pod, world)[0] else ("", None)
    if mode == "STRICT":
        steps.append(Step(text="STRICT refuses TLS that is not the mesh's", origin=origin))
        return MtlsDecision(outcome=Outcome.REFUSED, mode=mode, rule=origin, steps=tuple(steps))
    return MtlsDecision(outcome=Outcome.TLS, mode=mode, rule=policy.origin(), steps=tuple(steps))


def policy_for(world: World, service: Key, port: int) -> BackendTLSPolicy | None:
    """The oldest policy that names the port, else the oldest that names the Service (GEP-713, GEP-1897)."""
    front = world.get(core.Service, *service)
    entry = next((p for p in front.spec.ports if p.port == port), None) if front is not None else None
    if entry is None or entry.protocol != "TCP":
        return None
    for section in dict.fromkeys((entry.name, "")):
        naming = [
            policy
            for policy in world.sorted(BackendTLSPolicy)
            if policy.metadata.namespace == service[0] and _names(policy, service[1], section)
        ]
        if naming:
            return min(naming, key=lambda p: (p.metadata.creation_timestamp or "", p.key))
    return None


def _names(policy: BackendTLSPolicy, service: str, section: str) -> bool:
    refs = policy.spec.target_refs
    if policy.metadata.unreadable and not refs:
        return section == ""
    return any((r.group, r.kind, r.name, r.section_name) == ("", "Service", service, section) for r in refs)


def _unusable(world: World, policy: BackendTLSPolicy) -> str:
    """Why nothing can be opened as the policy says."""
    if policy.metadata.unreadable:
        return "the policy is not understood"
    if policy.spec.options:
        return "the policy has an option that is not known"
    validation, home = policy.spec.validation, policy.metadata.namespace
    if validation.well_known_ca_certificates:
        return "" if validation.well_known_ca_certificates == "System" else "the set of authorities is not known"
    for ref in validation.ca_certificate_refs:
        found = world.get(core.ConfigMap, home, ref.name) if (ref.group, ref.kind) == ("", "ConfigMap") else None
        if found is not None and _readable(found.data.get("ca.crt", "")):
            return ""
    return "no authority that is named can be used"


def _readable(text: str) -> bool:
    try:
        return bool(x509.load_pem_x509_certificates(text.encode()))
    except ValueError:
        return False


def _unshown(world: World, gateway: Gateway | IngressGateway) -> str:
    """Why the certificate that the Gateway names for backends cannot be shown; Istio's names none."""
    if isinstance(gateway, IngressGateway):
        return ""
    ref = gateway.spec.tls.backend.client_certificate_ref
    if ref is None:
        return ""
    key = ref.namespace or gateway.metadata.namespace, ref.name
    secret = world.get(core.Secret, *key) if (ref.group, ref.kind) == ("", "Secret") else None
    if secret is None or not {"tls.crt", "tls.key"} <= secret.data.keys():
        return "the gateway's certificate for backends is not there"
    granted = any(_grants(grant, gateway, key) for grant in world.sorted(ReferenceGrant))
    if granted or key[0] == gateway.metadata.namespace:
        return ""
    return "no ReferenceGrant allows the gateway its certificate for backends"


def _grants(grant: ReferenceGrant, gateway: Gateway, key: Key) -> bool:
    """It lies beside the Secret, and names the Gateway's kind and namespace, and the Secret or all (GEP-709)."""
    who = GROUP, "Gateway", gateway.metadata.namespace
    named = any((f.group, f.kind, f.namespace) == who for f in grant.spec.from_)
    what = any((t.group, t.kind) == ("", "Secret") and t.name in {"", key[1]} for t in grant.spec.to)
    return grant.metadata.namespace == key[0] and named and what
