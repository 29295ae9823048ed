"""BackendTLSPolicy, as it is parsed."""

from __future__ import annotations

from tandem.model.backendtls import LocalReference, SubjectAltName, TargetReference
from tlsworlds import backend_tls, target


def test_a_target_may_name_a_port_of_its_service() -> None:
    assert backend_tls("p", target("web", "https"), target("api")).spec.target_refs == (
        TargetReference(kind="Service", name="web", section_name="https"),
        TargetReference(kind="Service", name="api"),
    )


def test_a_validation_has_authorities_a_name_and_others_that_take_its_place() -> None:
    found = backend_tls(subjectAltNames=[{"type": "URI", "uri": "spiffe://a/b"}]).spec.validation
    assert found.ca_certificate_refs == (LocalReference(kind="ConfigMap", name="roots"),)
    assert (found.hostname, found.well_known_ca_certificates) == ("web.test", "")
    assert found.subject_alt_names == (SubjectAltName(type="URI", uri="spiffe://a/b"),)


def test_a_well_known_set_takes_the_place_of_references() -> None:
    found = backend_tls(refs=(), wellKnownCACertificates="System").spec.validation
    assert (found.well_known_ca_certificates, found.ca_certificate_refs) == ("System", ())
