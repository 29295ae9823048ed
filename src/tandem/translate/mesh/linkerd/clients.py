"""Authorizations of Linkerd's -> the clients that they mean, with Problems. Pure.

What they ask for must all hold. An authorization of which something is missing or not understood authorizes nobody.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import msgspec

from tandem.base.problems import Origin, Problem, Severity
from tandem.ir.authz import Attribute, Requirement, Requirements, Text
from tandem.ir.match import Exact, Present
from tandem.model.cidr import parse_network
from tandem.model.linkerd import (
    AllowedClient,
    LinkerdAuthorizationPolicy,
    MeshTLSAuthentication,
    Network,
    NetworkAuthentication,
    Reference,
    ServerAuthorization,
)
from tandem.model.meta import Object
from tandem.model.world import World
from tandem.translate.mesh.linkerd.defaults import OF_CLUSTER
from tandem.translate.mesh.linkerd.identities import PROVED, account, accounts_of, identity


class Clients(msgspec.Struct, frozen=True, kw_only=True):
    """Whom an authorization lets in (one of `sources`), and the objects that say so."""

    sources: tuple[Requirements, ...]
    made_of: tuple[Origin, ...]


class Authentications:
    """Every MeshTLSAuthentication and NetworkAuthentication, by its name; `problems` is what is wrong with them."""

    def __init__(self, world: World, trust_domain: str) -> None:
        self._trust_domain = trust_domain
        self.problems: list[Problem] = []
        self._identities = {one.key: self._who(one) for one in world.sorted(MeshTLSAuthentication)}
        self._networks = {
            one.key: self._where(one, one.spec.networks, "spec.networks") for one in world.sorted(NetworkAuthentication)
        }

    def of_policy(self, policy: LinkerdAuthorizationPolicy) -> Clients:
        """Whom an AuthorizationPolicy authorizes."""
        who: Requirement | None = None
        where: tuple[Requirement, ...] | None = None
        made_of = [policy.origin()]
        for i, ref in enumerate(policy.spec.required_authentication_refs):
            key = ref.namespace or policy.metadata.namespace, ref.name
            found: Requirement | tuple[Requirement, ...] | None
            match ref.kind:
                case "ServiceAccount":
                    who = _principals([account(self._trust_domain, *key)])
                    continue
                case "MeshTLSAuthentication":
                    found = who = self._identities.get(key)
                case "NetworkAuthentication":
                    found = where = self._networks.get(key)
                case _:
                    found = None
            if found is None:
                text = f"no {ref.kind} {'/'.join(key)}: nobody is authorized"
                at = f"spec.requiredAuthenticationRefs[{i}]"
                self._wrong(policy.origin(at), "AuthenticationNotFound", text)
                return Clients(sources=(), made_of=(policy.origin(),))
            made_of.append(Origin(kind=ref.kind, namespace=key[0], name=key[1]))
        if who is None and where is None:
            text = "nothing is asked for: everyone is authorized"
            self._wrong(policy.origin("spec.requiredAuthenticationRefs"), "AuthorizesEveryone", text, Severity.WARNING)
        return Clients(sources=tuple(_together(who, where)), made_of=tuple(made_of))

    def of_older(self, policy: ServerAuthorization) -> Clients:
        """Whom a ServerAuthorization authorizes; without networks of its own, clients of the cluster."""
        client = policy.spec.client
        where = self._where(policy, client.networks, "spec.client.networks") if client.networks else (OF_CLUSTER,)
        sources = tuple(_together(who, where) for who in self._older_identity(policy, client))
        return Clients(sources=tuple(one for part in sources for one in part), made_of=(policy.origin(),))

    def _older_identity(self, policy: ServerAuthorization, client: AllowedClient) -> Iterator[Requirement | None]:
        """One, or none at all of what authorizes nobody."""
        if client.unauthenticated:
            yield None
        elif client.mesh_tls is not None and client.mesh_tls.unauthenticated_tls:
            yield PROVED
        elif client.mesh_tls is not None:
            home = policy.metadata.namespace
            texts = self._named(policy, client.mesh_tls.identities, "spec.client.meshTLS.identities")
            accounts = client.mesh_tls.service_accounts
            texts += [account(self._trust_domain, one.namespace or home, one.name) for one in accounts]
            yield _principals(texts)

    def _who(self, authentication: MeshTLSAuthentication) -> Requirement:
        spec, home = authentication.spec, authentication.metadata.namespace
        texts = self._named(authentication, spec.identities, "spec.identities")
        return _principals([*texts, *(self._referred(ref, home) for ref in spec.identity_refs)])

    def _referred(self, ref: Reference, home: str) -> Text:
        if ref.kind == "Namespace":
            return accounts_of(self._trust_domain, ref.name)
        return account(self._trust_domain, ref.namespace or home, ref.name)

    def _named(self, owner: Object, names: Sequence[str], at: str) -> list[Text]:
        found: list[Text] = []
        for i, name in enumerate(names):
            text = identity(name, self._trust_domain)
            if text is None:
                why = f"{name!r} is nobody here: service accounts are NAME.NAMESPACE.serviceaccount.identity.linkerd"
                self._wrong(owner.origin(f"{at}[{i}]"), "UnknownIdentity", f"{why}.{self._trust_domain}")
            else:
                found.append(text)
        return found

    def _where(self, owner: Object, networks: Sequence[Network], at: str) -> tuple[Requirement, ...]:
        """One for each network that can be read."""
        found: list[Requirement] = []
        for i, network in enumerate(networks):
            read = [parse_network(text) for text in (network.cidr, *network.excepts)]
            if None in read:
                text = "it has something that is no prefix, and nobody is in it"
                self._wrong(owner.origin(f"{at}[{i}]"), "InvalidValue", text)
                continue
            within, *without = (Exact(str(one)) for one in read)
            found.append(Requirement(attribute=Attribute.PEER_ADDRESS, values=(within,), refuses=tuple(without)))
        return tuple(found)

    def _wrong(self, at: Origin, code: str, text: str, severity: Severity = Severity.ERROR) -> None:
        self.problems.append(Problem(at=at, code=code, text=text, severity=severity))


def _principals(texts: Iterable[Text]) -> Requirement:
    """One of them; of none, nobody."""
    values = tuple(dict.fromkeys(texts))
    refuses: tuple[Text, ...] = () if values else (Present(),)
    return Requirement(attribute=Attribute.PRINCIPAL, values=values or (Present(),), refuses=refuses)


def _together(who: Requirement | None, where: Sequence[Requirement] | None) -> Iterator[Requirements]:
    """Of one of the networks, and one of the identities."""
    asked = () if who is None else (who,)
    yield from ((*asked, network) for network in where) if where is not None else (asked,)
