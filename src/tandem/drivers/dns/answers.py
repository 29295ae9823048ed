"""What a name server says of a name: read from its message, or asked for. By dnspython.

Aliases are followed within one message only, as resolvers send them (NPEP-133, "CNAME records").
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from typing import Final

import dns.asyncquery
import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdataclass
import dns.rdatatype

from tandem.drivers.dns.port import DnsError
from tandem.state.dns import NameAnswer

PATIENCE: Final = 5.0
"""Seconds for one question; the node's server gives up a silent upstream in two."""
_KINDS: Final = {dns.rdatatype.A: 4, dns.rdatatype.AAAA: 6}
_SAID: Final = frozenset({dns.rcode.NOERROR, dns.rcode.NXDOMAIN})


def read(data: bytes, wanted: Callable[[str], bool]) -> NameAnswer | None:
    """What a message says of a name's addresses; None if it is no such answer: a failure, another type, no DNS.

    What was asked is looked at first, and the rest only if the name is `wanted`: that is most of the work.
    """
    try:
        [question] = dns.message.from_wire(data, question_only=True).question
        return answer_of(dns.message.from_wire(data)) if wanted(text_of(question.name)) else None
    except (dns.exception.DNSException, ValueError):
        return None


def answer_of(message: dns.message.Message) -> NameAnswer | None:
    """The same of a message that was read; raises DNSException for a chain of aliases that does not end."""
    if not isinstance(message, dns.message.QueryMessage) or not message.flags & dns.flags.QR:
        return None
    if message.rcode() not in _SAID or len(message.question) != 1:
        return None
    [question] = message.question
    version = _KINDS.get(question.rdtype)
    if version is None or question.rdclass != dns.rdataclass.IN:
        return None
    chain = message.resolve_chaining()
    found = chain.answer if chain.answer is not None else ()
    if not found and message.flags & dns.flags.TC:
        return None
    return NameAnswer(
        name=text_of(question.name),
        version=version,
        addresses=tuple(sorted(str(ipaddress.ip_address(record.address)) for record in found)),
        ttl=chain.minimum_ttl,
    )


def text_of(name: dns.name.Name) -> str:
    """Lower case, without the dot at the end."""
    return name.to_text(omit_final_dot=True).lower()


async def ask(name: str, server: str, version: int) -> NameAnswer:
    """The addresses of one family; raises DnsError if the server says neither what they are nor that there are none."""
    try:
        query = dns.message.make_query(name, {4: "A", 6: "AAAA"}[version], use_edns=True)
        message, _ = await dns.asyncquery.udp_with_fallback(query, server, timeout=PATIENCE)
        answer = answer_of(message)
    except (dns.exception.DNSException, OSError) as err:
        raise DnsError(f"{server} does not answer for {name}: {err or type(err).__name__}") from err
    if answer is None:
        raise DnsError(f"{server} says {dns.rcode.to_text(message.rcode())} of {name}")
    return answer
