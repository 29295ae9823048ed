"""gateway.networking.k8s.io BackendTLSPolicy."""

from __future__ import annotations

import msgspec

from tandem.model.gateway import ParentReference
from tandem.model.meta import Condition, Model, Object


class TargetReference(Model, frozen=True, kw_only=True):
    """LocalPolicyTargetReferenceWithSectionName; of a Service `section_name` is a port's name, empty: every port."""

    group: str = ""
    kind: str = ""
    name: str
    section_name: str = ""


class LocalReference(Model, frozen=True, kw_only=True):
    """LocalObjectReference: an object of the policy's own namespace."""

    group: str = ""
    kind: str = ""
    name: str


class SubjectAltName(Model, frozen=True, kw_only=True):
    """subjectAltNames[]; `type` is Hostname or URI, and the field of that name is set."""

    type: str
    hostname: str = ""
    uri: str = ""


class BackendValidation(Model, frozen=True, kw_only=True):
    """BackendTLSPolicyValidation: whom to believe (references or a well-known set), and which name is asked for."""

    hostname: str = ""
    ca_certificate_refs: tuple[LocalReference, ...] = ()
    well_known_ca_certificates: str = msgspec.field(default="", name="wellKnownCACertificates")
    subject_alt_names: tuple[SubjectAltName, ...] = ()


class BackendTlsSpec(Model, frozen=True, kw_only=True):
    """spec."""

    target_refs: tuple[TargetReference, ...] = ()
    validation: BackendValidation = BackendValidation()
    options: dict[str, str] = {}


class AncestorStatus(Model, frozen=True, kw_only=True):
    """status.ancestors[]: what one controller says of the policy at one Gateway."""

    ancestor_ref: ParentReference
    controller_name: str = ""
    conditions: tuple[Condition, ...] = ()


class PolicyStatus(Model, frozen=True, kw_only=True):
    """status; entries of other controllers are kept as they are."""

    ancestors: tuple[AncestorStatus, ...] = ()


class BackendTLSPolicy(Object, frozen=True, kw_only=True):
    """gateway.networking.k8s.io BackendTLSPolicy."""

    spec: BackendTlsSpec = BackendTlsSpec()
    status: PolicyStatus = PolicyStatus()
